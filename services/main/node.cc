// `custodian node ...`: what a tenant or a regulator runs. It holds its own key and none of the custodian's.
#include <pthread.h>

#include <csignal>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>

#include "ledger/checkpoint.h"
#include "ledger/signature.h"
#include "services/main/commands.h"
#include "services/main/config.h"
#include "services/main/tile_source.h"
#include "services/node/admitted_logs.h"
#include "services/node/witness.h"
#include "services/rpc/https_client.h"
#include "services/rpc/https_server.h"
#include "spdlog/spdlog.h"
#include "tenants/clock.h"

namespace custodian::main {
namespace {

constexpr absl::Duration kGovernanceTimeout = absl::Seconds(10);
// Each waits for the disk most of the time.
constexpr int kWitnessThreads = 8;

struct WitnessOptions {
  std::string name;
  std::string key;
  std::string state;
  std::string logs;
  std::string governance;
  std::string address = "127.0.0.1";
  int port = 0;
  std::string certificate;
  std::string certificate_key;
  std::string ca;
};

std::unique_ptr<ledger::Signer> ReadKey(const std::string& path) {
  const auto pem = ReadFile(path, /*secret=*/true);
  Check(pem.status());
  auto signer = ledger::SignerFromPem(*pem);
  if (!signer.ok())
    throw CommandFailed{
        1, "'" + path + "': " + std::string(signer.status().message()) + "; make one with openssl genpkey -algorithm ed25519"};
  if ((*signer)->public_key().algorithm() != ledger::v1::SIGNATURE_ALGORITHM_ED25519)
    throw CommandFailed{1, "'" + path + "' must hold an Ed25519 key; make one with openssl genpkey -algorithm ed25519"};
  return *std::move(signer);
}

void PrintVerifierKey(const std::string& name, const std::string& key) {
  const auto verifier = ledger::NoteVerifier::Create(name, ledger::kNoteCosignatureV1, ReadKey(key)->public_key().ed25519());
  Check(verifier.status());
  std::printf("%s\n", verifier->ToString().c_str());
}

// Follows the governance log with the witness's own certificate; none without --governance.
struct Following {
  std::unique_ptr<rpc::HttpsClient> client;
  std::unique_ptr<node::AdmittedLogs> admitted;
};

Following Follow(const WitnessOptions& options, node::KnownLogs& logs) {
  if (options.governance.empty()) return {};
  auto client = rpc::HttpsClient::Create({.ca_file = options.ca,
                                          .certificate_file = options.certificate,
                                          .key_file = options.certificate_key,
                                          .timeout = kGovernanceTimeout});
  Check(client.status());
  auto admitted = std::make_unique<node::AdmittedLogs>(logs, TilesBelow(**client, options.governance));
  logs.OnUnknown([&following = *admitted] { following.Ask(); });
  return {*std::move(client), std::move(admitted)};
}

void RunWitness(const WitnessOptions& options) {
  auto logs = std::make_unique<node::KnownLogs>(options.logs);
  Check(logs->Load());
  const Following following = Follow(options, *logs);
  auto state = node::StateDirectory::Open(options.state);
  Check(state.status());
  const MachineClock clock;
  const auto witness = node::Witness::Create(options.name, ReadKey(options.key), *std::move(state), std::move(logs), clock);
  Check(witness.status());

  // Blocked before the server starts its threads, so that only sigwait below receives them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  rpc::HttpsServer::Options server_options;
  server_options.address = options.address;
  server_options.port = options.port;
  server_options.certificate_file = options.certificate;
  server_options.key_file = options.certificate_key;
  server_options.client_ca_file = options.ca;
  server_options.threads = kWitnessThreads;
  server_options.body_bytes_max = 1u << 20;
  const auto server = rpc::HttpsServer::Create(
      server_options, [&witness](const rpc::HttpRequest& request) { return (*witness)->Handle(request); });
  Check(server.status());
  spdlog::info("event=witness_started name={} address={} port={}", options.name, options.address, (*server)->port());
  std::thread serving([&server] { (*server)->Run(); });
  std::thread following_thread;
  if (following.admitted) following_thread = std::thread([&following] { following.admitted->Run(); });
  int signal = 0;
  sigwait(&signals, &signal);
  (*server)->Stop();
  serving.join();
  if (following.admitted) {
    following.admitted->Stop();
    following_thread.join();
  }
}

}  // namespace

void AddNode(CLI::App& app) {
  auto* node = app.add_subcommand("node", "what a tenant or a regulator runs beside the custodian");
  node->require_subcommand(1);
  node->footer("Examples:\n  custodian node vkey --key key.pem --name example.org/witness\n  custodian node witness --help");

  auto options = std::make_shared<WitnessOptions>();
  auto* witness = node->add_subcommand("witness", "cosign checkpoints that grow consistently (C2SP tlog-witness)");
  witness->footer(
      "Example:\n  custodian node witness --name hospital.example/witness --key witness.pem --state /var/lib/witness --logs logs "
      "\\\n"
      "    --governance https://custodian.example/log/0123456789abcdef/ --address 0.0.0.0 --port 8443 \\\n"
      "    --certificate node.crt --certificate-key node.key --ca ca.crt");
  witness->add_option("--name", options->name, "name in cosignatures, a URL without scheme")->required();
  witness->add_option("--key", options->key, "Ed25519 key, PKCS#8 PEM, mode 0600")->required();
  witness->add_option("--state", options->state, "folder of its memory: one file a log; back it up, never remove it")->required();
  witness
      ->add_option("--logs", options->logs,
                   "verifier keys of the logs it knows, one a line (or a policy, or a witness network's log list); read again when it "
                   "changes")
      ->required();
  witness->add_option("--governance", options->governance,
                      "URL of a custodian's governance log, whose key --logs names: each tenant's log that it admits is known, too. Read "
                      "with this witness's certificate, spiffe://<network>/witness/<name>");
  witness->add_option("--address", options->address, "address to listen on")->capture_default_str();
  witness->add_option("--port", options->port, "port, 0 for a free one")->capture_default_str();
  witness->add_option("--certificate", options->certificate, "TLS certificate, PEM")->required();
  witness->add_option("--certificate-key", options->certificate_key, "its key, PEM")->required();
  witness->add_option("--ca", options->ca, "CA of client certificates, PEM")->required();
  witness->callback([options] { RunWitness(*options); });

  auto named = std::make_shared<WitnessOptions>();
  auto* vkey = node->add_subcommand("vkey", "print the verifier key that a policy names a witness by");
  vkey->footer("Example:\n  custodian node vkey --key witness.pem --name hospital.example/witness");
  vkey->add_option("--key", named->key, "Ed25519 key, PKCS#8 PEM, mode 0600")->required();
  vkey->add_option("--name", named->name, "name in cosignatures")->required();
  vkey->callback([named] { PrintVerifierKey(named->name, named->key); });
}

}  // namespace custodian::main

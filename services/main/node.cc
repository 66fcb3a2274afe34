// `custodian node ...`: what a tenant or a regulator runs. It holds its own key and none of the custodian's.
#include <pthread.h>

#include <csignal>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "ledger/checkpoint.h"
#include "ledger/signature.h"
#include "services/main/commands.h"
#include "services/main/config.h"
#include "services/main/log_source.h"
#include "services/main/node_agent.h"
#include "services/main/verify_report.h"
#include "services/node/admitted_logs.h"
#include "services/node/mirror.h"
#include "services/node/witness.h"
#include "services/rpc/certificate.h"
#include "services/rpc/https_client.h"
#include "services/rpc/https_server.h"
#include "spdlog/spdlog.h"
#include "tenants/clock.h"

namespace custodian::main {
namespace {

// A bundle of 256 leaves of 65,535 bytes fits, and a page with one record of the largest request, whatever it was stored as.
constexpr std::size_t kBodyBytesMax = 40u << 20;
constexpr absl::Duration kGovernanceTimeout = absl::Seconds(10);
// An add-entries request with a client certificate: at least three packages of the largest entries. Without one the server takes less (https_server.h).
constexpr std::size_t kEntriesBytesMax = 64u << 20;
constexpr std::size_t kCheckpointBytesMax = 1u << 20;
// Each waits for the disk most of the time.
constexpr int kServerThreads = 8;

// What every node has.
struct NodeOptions {
  std::string name;
  std::string key;
  std::string state;
  std::string address = "127.0.0.1";
  int port = 0;
  std::string certificate;
  std::string certificate_key;
  std::string ca;

  void AddTo(CLI::App& command) {
    command.add_option("--name", name, "name in cosignatures, a URL without scheme")->required();
    command.add_option("--key", key, "Ed25519 key, PKCS#8 PEM, mode 0600")->required();
    command.add_option("--address", address, "address to listen on")->capture_default_str();
    command.add_option("--port", port, "port, 0 for a free one")->capture_default_str();
    command.add_option("--certificate", certificate, "TLS certificate, PEM")->required();
    command.add_option("--certificate-key", certificate_key, "its key, PEM")->required();
    command.add_option("--ca", ca, "CA of client certificates, PEM")->required();
  }
};

struct WitnessOptions : NodeOptions {
  std::string logs;
  std::string governance;
};

struct MirrorOptions : NodeOptions {
  std::string policy;
  std::string governance;
  std::string pushed;
  std::vector<std::string> tiles;
  std::string client_certificate;
  std::string client_key;
  std::string server_ca;
  std::uint64_t keys_from_epoch = 0;
  std::vector<std::string> readers;
  std::string promises;
  int interval_ms = 1'000;
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

// Beside the server: a loop on a thread of its own, and what ends it.
struct Loop {
  std::function<void()> run;
  std::function<void()> end;
};

// Until SIGTERM or SIGINT.
void Serve(const NodeOptions& options, const char* what, rpc::HttpHandler handler, const Loop& loop, std::size_t body_bytes_max = kCheckpointBytesMax) {
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
  server_options.threads = kServerThreads;
  server_options.body_bytes_max = body_bytes_max;
  const auto server = rpc::HttpsServer::Create(server_options, std::move(handler));
  Check(server.status());
  spdlog::info("event={}_started name={} address={} port={}", what, options.name, options.address, (*server)->port());
  std::thread serving([&server] { (*server)->Run(); });
  std::thread looping;
  if (loop.run) looping = std::thread(loop.run);
  int signal = 0;
  sigwait(&signals, &signal);
  if (looping.joinable()) {
    loop.end();
    looping.join();
  }
  (*server)->Stop();
  serving.join();
}

void RunWitness(const WitnessOptions& options) {
  auto logs = std::make_unique<node::KnownLogs>(options.logs);
  Check(logs->Load());
  auto state = node::StateDirectory::Open(options.state);
  Check(state.status());
  const MachineClock clock;
  node::KnownLogs& known = *logs;
  const auto witness = node::Witness::Create(options.name, ReadKey(options.key), *std::move(state), std::move(logs), clock);
  Check(witness.status());
  const auto handle = [&witness](const rpc::HttpRequest& request) { return (*witness)->Handle(request); };
  if (options.governance.empty()) return Serve(options, "witness", handle, {});
  // Follows the governance log with the witness's own certificate.
  const auto client = rpc::HttpsClient::Create({.ca_file = options.ca,
                                                .certificate_file = options.certificate,
                                                .key_file = options.certificate_key,
                                                .timeout = kGovernanceTimeout});
  Check(client.status());
  node::AdmittedLogs admitted(known, TilesSource(**client, options.governance));
  known.OnUnknown([&admitted] { admitted.Ask(); });
  Serve(options, "witness", handle, {[&admitted] { admitted.Run(); }, [&admitted] { admitted.Stop(); }});
}

void RunMirror(const MirrorOptions& options) {
  if (options.interval_ms < 1) throw CommandFailed{2, "--interval wants a number of milliseconds, 1 or more"};
  if (options.governance.empty() == options.pushed.empty())
    throw CommandFailed{2, "say either --governance URL, to fetch the logs, or --pushed ORIGIN, to take what a custodian pushes"};
  if (!options.pushed.empty() && !options.tiles.empty()) throw CommandFailed{2, "--tiles is for --governance: with --pushed the custodian chooses what it pushes"};
  const MachineClock clock;
  auto cosigner = node::Cosigner::Create(options.name, ReadKey(options.key), clock);
  Check(cosigner.status());
  rpc::HttpsClient::Options client_options;
  client_options.ca_file = options.server_ca.empty() ? options.ca : options.server_ca;
  client_options.certificate_file = options.client_certificate.empty() ? options.certificate : options.client_certificate;
  client_options.key_file = options.client_key.empty() ? options.certificate_key : options.client_key;
  client_options.body_bytes_max = kBodyBytesMax;
  const auto client = rpc::HttpsClient::Create(client_options);
  Check(client.status());
  node::Mirror::Options mirror_options{ReadPolicy(options.policy), {options.governance, TilesSource(**client, options.governance)}, {}, options.readers};
  mirror_options.promises = options.promises;
  mirror_options.pushed_governance = options.pushed;
  if (!options.pushed.empty() && !mirror_options.policy.FindLog(options.pushed).ok())
    throw CommandFailed{1, "'" + options.policy + "' names no log " + options.pushed + ": the governance log's key is wanted there"};
  for (const std::string& url : options.tiles) mirror_options.partitions.push_back({url, TilesSource(**client, url)});
  const auto reads_as = rpc::SpiffeIdOfFile(client_options.certificate_file);
  if (reads_as.ok()) mirror_options.reads_as = *reads_as;
  mirror_options.sealed.keys_from_epoch = options.keys_from_epoch;
  const auto mirror = node::Mirror::Create(std::move(mirror_options), *std::move(cosigner), options.state, clock);
  Check(mirror.status());
  absl::Notification stop;
  const auto follow = [&] {
    while (!stop.WaitForNotificationWithTimeout(absl::Milliseconds(options.interval_ms))) (*mirror)->Follow().IgnoreError();
  };
  const auto end = [&] {
    (*mirror)->Stop();
    stop.Notify();
  };
  Serve(options, "mirror", [&mirror](const rpc::HttpRequest& request) { return (*mirror)->Handle(request); }, {follow, end},
        options.pushed.empty() ? kCheckpointBytesMax : kEntriesBytesMax);
}

void AddMirror(CLI::App& node) {
  auto options = std::make_shared<MirrorOptions>();
  auto* mirror = node.add_subcommand("mirror", "keep, verify, cosign and serve whole copies of logs (C2SP tlog-mirror)");
  mirror->footer(
      "It fetches the logs (--governance, --tiles), or a custodian pushes them to it (--pushed) and counts its cosignatures for the quorum.\n"
      "Examples:\n  custodian node mirror --name hospital.example/mirror --key mirror.pem --state /var/lib/mirror --policy policy \\\n"
      "    --governance https://custodian.example/log/0123456789abcdef/ --tiles https://custodian.example/log/fedcba9876543210/ \\\n"
      "    --address 0.0.0.0 --port 8443 --certificate node.crt --certificate-key node.key --ca ca.crt\n"
      "  custodian node mirror --name regulator.example/mirror --key mirror.pem --state /var/lib/mirror --policy policy \\\n"
      "    --pushed custodian.example/p/0123456789abcdef --address 0.0.0.0 --port 8443 --certificate node.crt --certificate-key node.key --ca ca.crt");
  options->AddTo(*mirror);
  mirror->add_option("--state", options->state, "folder of its memory and its copies; back it up, never remove it")->required();
  mirror->add_option("--policy", options->policy, "tlog-policy: the governance log, witnesses and quorum it believes")->required();
  auto* pushed =
      mirror->add_option("--pushed", options->pushed,
                         "origin of the governance log: take it, and every log that it admits, as they are pushed (POST add-checkpoint, add-entries)");
  mirror->add_option("--governance", options->governance, "URL of the governance log's tiles, to fetch from")->excludes(pushed);
  mirror->add_option("--tiles", options->tiles, "URL of a partition's tiles; may be given several times");
  mirror->add_option("--client-certificate", options->client_certificate,
                     "certificate of an admitted reader of these logs, PEM; --certificate when absent");
  mirror->add_option("--client-key", options->client_key, "its key, PEM");
  mirror->add_option("--server-ca", options->server_ca, "CA of the logs' server, PEM; --ca when absent");
  mirror->add_option("--reader", options->readers, "SPIFFE id that may read everything here, beside the logs' own readers");
  // What is pushed carries no witness's cosignature yet, and so proves no promise broken.
  mirror->add_option("--promises", options->promises, "folder of *.promise files, what the custodian answered to authors of these logs: a broken one raises an alarm")
      ->excludes(pushed);
  mirror->add_option("--keys-from-epoch", options->keys_from_epoch,
                     "remove wrapped keys of earlier epochs from the copy: after an erasure, once the custodian's receipt says that the old epoch key is destroyed");
  mirror->add_option("--interval", options->interval_ms, "milliseconds between looks at the logs")->capture_default_str();
  mirror->callback([options] { RunMirror(*options); });
}

}  // namespace

void AddNode(CLI::App& app) {
  auto* node = app.add_subcommand("node", "what a tenant or a regulator runs beside the custodian");
  node->require_subcommand(1);
  node->footer("Examples:\n  custodian node vkey --key key.pem --name example.org/witness\n  custodian node witness --help\n  custodian node mirror --help\n  custodian node agent --help");

  auto options = std::make_shared<WitnessOptions>();
  auto* witness = node->add_subcommand("witness", "cosign checkpoints that grow consistently (C2SP tlog-witness)");
  witness->footer(
      "Example:\n  custodian node witness --name hospital.example/witness --key witness.pem --state /var/lib/witness --logs logs "
      "\\\n"
      "    --governance https://custodian.example/log/0123456789abcdef/ --address 0.0.0.0 --port 8443 \\\n"
      "    --certificate node.crt --certificate-key node.key --ca ca.crt");
  options->AddTo(*witness);
  witness->add_option("--state", options->state, "folder of its memory: one file a log; back it up, never remove it")->required();
  witness
      ->add_option("--logs", options->logs,
                   "verifier keys of the logs it knows, one a line (or a policy, or a witness network's log list); read again when it "
                   "changes")
      ->required();
  witness->add_option("--governance", options->governance,
                      "URL of a custodian's governance log, whose key --logs names: each tenant's log that it admits is known, too. Read "
                      "with this witness's certificate, spiffe://<network>/witness/<name>");
  witness->callback([options] { RunWitness(*options); });

  AddMirror(*node);
  AddAgent(*node);

  auto named = std::make_shared<WitnessOptions>();
  auto* vkey = node->add_subcommand("vkey", "print the verifier key that a policy names a witness or mirror by");
  vkey->footer("Example:\n  custodian node vkey --key witness.pem --name hospital.example/witness");
  vkey->add_option("--key", named->key, "Ed25519 key, PKCS#8 PEM, mode 0600")->required();
  vkey->add_option("--name", named->name, "name in cosignatures")->required();
  vkey->callback([named] { PrintVerifierKey(named->name, named->key); });
}

}  // namespace custodian::main

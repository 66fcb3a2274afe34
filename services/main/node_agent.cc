#include "services/main/node_agent.h"

#include <signal.h>

#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "ledger/signature.h"
#include "services/main/commands.h"
#include "services/main/config.h"
#include "services/main/log_source.h"
#include "services/main/verify_report.h"
#include "services/node/signing_agent.h"
#include "services/rpc/grpc_client.h"
#include "services/rpc/https_client.h"
#include "spdlog/spdlog.h"
#include "tenants/clock.h"

namespace custodian::main {
namespace {

// A full bundle of the longest leaves.
constexpr std::size_t kBundleBytesMax = 256 * (2 + 65'535);
constexpr absl::Duration kCallTimeout = absl::Seconds(30);

struct Options {
  std::string author;
  std::string key;
  std::string state;
  std::string policy;
  std::string tiles;
  std::string grpc;
  std::string sent;
  std::string certificate;
  std::string certificate_key;
  std::string ca;
  std::uint64_t from = 0;
  int interval_ms = 5'000;
  bool once = false;
};

std::unique_ptr<ledger::Signer> ReadKey(const std::string& path) {
  const auto pem = ReadFile(path, /*secret=*/true);
  Check(pem.status());
  auto signer = ledger::SignerFromPem(*pem);
  if (!signer.ok()) throw CommandFailed{1, "'" + path + "': " + std::string(signer.status().message()) + "; make one with openssl genpkey -algorithm ed25519"};
  return *std::move(signer);
}

// Once, and again while it goes forward by it: a batch that was read may still have to be said.
absl::Status StepToTheEnd(node::SigningAgent& agent) {
  while (true) {
    const std::uint64_t read = agent.state().range.size();
    const std::uint64_t counter = agent.state().counter;
    if (absl::Status status = agent.Step(); !status.ok()) return status;
    if (agent.state().range.size() == read && agent.state().counter == counter && agent.state().pending.empty()) return absl::OkStatus();
  }
}

void Follow(node::SigningAgent& agent, const Options& options) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  spdlog::info("event=agent_started author={} read={} said_to={}", options.author, agent.state().range.size(), agent.state().said_to);
  const timespec interval = absl::ToTimespec(absl::Milliseconds(options.interval_ms));
  std::string trouble;
  do {
    const absl::Status status = agent.Step();
    const std::string now = status.ok() ? "" : std::string(status.message());
    if (now == std::exchange(trouble, now)) continue;
    if (status.ok())
      spdlog::info("event=log_followed_again url={}", options.tiles);
    else if (absl::IsUnauthenticated(status) || absl::IsDataLoss(status))
      spdlog::error("event=log_refused url={} reason=\"{}\"", options.tiles, now);
    else
      spdlog::warn("event=log_waits url={} reason=\"{}\"", options.tiles, now);
  } while (sigtimedwait(&signals, nullptr, &interval) < 0);
}

void Run(const Options& options) {
  if (options.interval_ms < 1) throw CommandFailed{2, "--interval wants a number of milliseconds, 1 or more"};
  const auto https = rpc::HttpsClient::Create(
      {.ca_file = options.ca, .certificate_file = options.certificate, .key_file = options.certificate_key, .body_bytes_max = kBundleBytesMax});
  Check(https.status());
  const auto ledger = rpc::LedgerClient::Create({options.grpc, options.ca, options.certificate, options.certificate_key, kCallTimeout});
  Check(ledger.status());
  node::SigningAgent::Options agent_options{.policy = ReadPolicy(options.policy), .author = options.author, .from = options.from, .read = TilesSource(**https, options.tiles), .open = {}, .append = {}};
  agent_options.open = [&ledger](const std::string& origin, const std::vector<std::uint64_t>& indexes) -> absl::StatusOr<std::vector<node::SigningAgent::Opened>> {
    auto opened = (*ledger)->OpenReported(origin, indexes);
    if (!opened.ok()) return opened.status();
    std::vector<node::SigningAgent::Opened> all;
    for (rpc::LedgerClient::Opened& one : *opened) all.push_back({std::move(one.salt), std::move(one.detail)});
    return all;
  };
  agent_options.append = [&ledger](const std::string& origin, const std::vector<std::string>& leaves) -> absl::StatusOr<std::string> {
    auto appended = (*ledger)->AppendBatch(origin, leaves);
    if (!appended.ok()) return appended.status();
    return std::move(appended->promise);
  };
  const MachineClock clock;
  const auto agent = node::SigningAgent::Create(std::move(agent_options), ReadKey(options.key), options.state, options.sent, clock);
  Check(agent.status());
  if (!options.once) return Follow(**agent, options);
  Check(StepToTheEnd(**agent));
  const node::AgentState& state = (*agent)->state();
  std::printf("read %llu entries, said to %llu\n", static_cast<unsigned long long>(state.range.size()), static_cast<unsigned long long>(state.said_to));
}

}  // namespace

void AddAgent(CLI::App& node) {
  auto options = std::make_shared<Options>();
  auto* agent = node.add_subcommand("agent", "hold what the custodian reports of your EHR against what it sent: countersign it, or dispute it");
  agent->footer(
      "Its author key must be enrolled: custodian tenant author ID --public-key agent.der --origin LOG --kind KIND_COUNTERSIGNED --kind\n"
      "KIND_DISPUTED --kind KIND_VOID. The folder --sent is written by the gateway of your EHR (services/node/README.md says how).\n"
      "Example:\n  custodian node agent --author spiffe://custodian.example/tenant/0123456789abcdef/node/agent --key agent.pem \\\n"
      "    --state /var/lib/agent --sent /var/spool/ehr-sent --policy policy --tiles https://custodian.example/log/fedcba9876543210/ \\\n"
      "    --grpc custodian.example:8444 --certificate node.crt --certificate-key node.key --ca ca.crt");
  agent->add_option("--author", options->author, "SPIFFE id that its key is enrolled for, of your own tenant")->required();
  agent->add_option("--key", options->key, "that key, PKCS#8 PEM, mode 0600")->required();
  agent->add_option("--state", options->state, "folder of its memory, and of the promises it was given; back it up, never remove it")->required();
  agent->add_option("--sent", options->sent, "folder of *.jsonl files: the requests that your EHR sent")->required();
  agent->add_option("--policy", options->policy, "tlog-policy: your log, witnesses and quorum")->required();
  agent->add_option("--tiles", options->tiles, "URL of your log's tiles")->required();
  agent->add_option("--grpc", options->grpc, "host:port of the custodian's gRPC interface")->required();
  agent->add_option("--certificate", options->certificate, "client certificate of a node of your tenant, PEM")->required();
  agent->add_option("--certificate-key", options->certificate_key, "its key, PEM")->required();
  agent->add_option("--ca", options->ca, "CA of the custodian, PEM")->required();
  agent->add_option("--from", options->from, "a new agent: number of the first entry that it answers for, when what was sent before was not written down")->capture_default_str();
  agent->add_option("--interval", options->interval_ms, "milliseconds between looks at the log")->capture_default_str();
  agent->add_flag("--once", options->once, "go to the newest checkpoint, say what there is to say, and end");
  agent->callback([options] { Run(*options); });
}

}  // namespace custodian::main

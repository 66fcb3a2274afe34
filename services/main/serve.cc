// `custodian serve`: the platform (platform.h) until SIGTERM or SIGINT.
#include <csignal>
#include <memory>
#include <thread>

#include "services/main/commands.h"
#include "services/main/platform.h"
#include "services/main/platform_client.h"
#include "services/main/quorum.h"
#include "services/main/verify_report.h"

namespace custodian::main {
namespace {

// SIGTERM and SIGINT, taken by a thread of their own: every other thread has them blocked.
void StopOnSignal(Platform& platform, std::thread& waiter, const sigset_t& signals) {
  waiter = std::thread([&platform, signals] {
    int signal = 0;
    sigwait(&signals, &signal);
    platform.Stop();
  });
}

void Run(const ConfigOption& option) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  const Config config = option.Load();
  // Before it takes any log over.
  CheckQuorum(ReadPolicy(config.policy_file), config);
  Platform platform(config);
  std::thread waiter;
  StopOnSignal(platform, waiter, signals);
  const absl::Status served = platform.Run();
  // Where nobody sent a signal.
  pthread_kill(waiter.native_handle(), SIGTERM);
  waiter.join();
  Check(served);
}

}  // namespace

void AddServe(CLI::App& app) {
  auto option = std::make_shared<ConfigOption>();
  auto* command = app.add_subcommand("serve", "the platform: gRPC, FHIR, CDS Hooks, tiles, savings page");
  command->footer("Example:\n  custodian serve --config /etc/custodian/config.yaml");
  option->AddTo(*command);
  command->callback([option] { Run(*option); });
}

}  // namespace custodian::main

// `custodian replay`: plays a made population's events against a running platform, as its EHRs and feeds would.
#include "services/sample/replay.h"

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "services/main/commands.h"
#include "services/main/progress_bar.h"

namespace custodian::main {
namespace {

struct Options {
  std::string folder;
  std::string home;
  int patience_seconds = 120;
  std::int64_t until = 0;
  bool json = false;
};

void WriteReport(const std::string& path, const std::string& json) {
  const std::string unfinished = path + ".new";
  std::ofstream out(unfinished, std::ios::binary | std::ios::trunc);
  out << json << "\n";
  out.close();
  std::error_code error;
  if (out) std::filesystem::rename(unfinished, path, error);
  if (!out || error) throw CommandFailed{1, "cannot write " + path};
}

void Print(const sample::ReplayReport& report) {
  std::printf("%lld events played (%lld earlier, %lld calls repeated), %zu orders checked\n",
              static_cast<long long>(report.events), static_cast<long long>(report.played_before),
              static_cast<long long>(report.sent_again), report.orders.size());
  if (report.feedback_skipped > 0) {
    std::printf("%lld times there was no card to answer\n", static_cast<long long>(report.feedback_skipped));
  }
  for (const auto& order : report.orders) {
    if (order.got == order.expected) continue;
    std::printf("  %s %s (%s): expected %s, got %s\n", order.tenant.c_str(), order.order.c_str(), order.scenario.c_str(),
                order.expected.c_str(), order.got.c_str());
  }
  if (report.Mismatches() == 0) {
    std::printf("every order got what the truth says\n");
  } else {
    std::printf("%lld orders did not get what the truth says\n", static_cast<long long>(report.Mismatches()));
  }
}

void Run(const Options& options) {
  auto platform = sample::ConnectToHome(options.home);
  Check(platform.status());
  sample::ReplayOptions replay;
  replay.folder = options.folder;
  replay.home = options.home;
  replay.patience = absl::Seconds(options.patience_seconds);
  replay.until = options.until;
  absl::StatusOr<sample::ReplayReport> report;
  {
    ProgressBar bar("replaying", "events", options.json);
    report = sample::Replay(replay, **platform, [&bar](std::int64_t done, std::int64_t total) { bar.Show(done, total); });
  }
  Check(report.status());
  WriteReport(options.home + "/replay.json", report->Json());
  if (options.json) {
    std::printf("%s\n", report->Json().c_str());
  } else {
    Print(*report);
  }
}

}  // namespace

void AddReplay(CLI::App& app) {
  auto options = std::make_shared<Options>();
  auto* command = app.add_subcommand("replay", "play a made population's orders as its EHRs would");
  command->footer(
      "Goes through HTTPS and gRPC only, with the certificates and keys that HOME/summary.json names. Killed, it goes on where "
      "it\n"
      "stopped: what is done stands in HOME/replay.journal. What each order got, beside the truth, is written to "
      "HOME/replay.json.\n"
      "Example:\n"
      "  custodian replay population --home .quickstart");
  command->add_option("dir", options->folder, "folder that custodian sample wrote")->required();
  command->add_option("--home", options->home, "a quickstart's home")->required();
  command->add_option("--patience", options->patience_seconds, "seconds to try one event again while the platform cannot answer")
      ->check(CLI::Range(0, 86'400))
      ->capture_default_str();
  command->add_option("--until", options->until, "number of the last event to play (0: all)")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_flag("--json", options->json, "print the outcome as JSON");
  command->callback([options] { Run(*options); });
}

}  // namespace custodian::main

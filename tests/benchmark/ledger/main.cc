// custodian_ledger_benchmark: one measure of the ledger's speed or size, as tests/benchmark/run calls it.
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "CLI/App.hpp"
#include "CLI/Config.hpp"
#include "CLI/Formatter.hpp"
#include "spdlog/sinks/stdout_sinks.h"
#include "spdlog/spdlog.h"
#include "tests/benchmark/ledger/measures.h"

int main(int argc, char** argv) {
  using custodian::benchmark::Report;
  CLI::App app("measures the ledger; use tests/benchmark/run");
  app.require_subcommand(1);
  custodian::benchmark::Settings settings{.clients = 64, .rounds = 4, .slice = absl::ZeroDuration()};
  double seconds = 10;
  int copy_clients = 1;
  std::int64_t entries = 1'000'000;
  std::vector<std::pair<CLI::App*, std::function<absl::StatusOr<Report>()>>> measures;
  for (const std::string name : {"append_ed25519", "append_p256", "append_batch100", "append_batch100_vs_copy"}) {
    auto* command = app.add_subcommand(name, "AppendBatch through gRPC");
    command->add_option("--copy-clients", copy_clients, "who COPY at once, on the other side")->check(CLI::Range(1, 32))->capture_default_str();
    measures.emplace_back(command, [&settings, &copy_clients, name] { return custodian::benchmark::MeasureAppends(settings, name, copy_clients); });
  }
  measures.emplace_back(app.add_subcommand("receipt_verify", "receipts verified on one core"),
                        [&settings] { return custodian::benchmark::MeasureReceipts(settings); });
  std::int64_t audited = 100'000;
  auto* audit = app.add_subcommand("audit_batch", "entries audited on one core");
  audit->add_option("--entries", audited, "of the log")->check(CLI::Range(1'000, 10'000'000))->capture_default_str();
  measures.emplace_back(audit, [&settings, &audited] { return custodian::benchmark::MeasureAudit(settings, audited); });
  auto* growth = app.add_subcommand("append_growth", "what an entry costs in a long log");
  growth->add_option("--entries", entries, "of the long log")->check(CLI::Range(100'000, 1'000'000'000))->capture_default_str();
  measures.emplace_back(growth, [&settings, &entries] { return custodian::benchmark::MeasureAppendGrowth(settings, entries); });
  measures.emplace_back(app.add_subcommand("witnessed_p99", "from admitted to witnessed"),
                        [&settings] { return custodian::benchmark::MeasureWitnessed(settings); });
  std::string home, tenants_file, author_key;
  auto* restarts = app.add_subcommand("restarts", "start_to_write and serve_rss: a quickstart's `serve` with long logs");
  restarts->add_option("--home", home, "the quickstart, its `serve` stopped; it is filled")->required();
  restarts->add_option("--tenants", tenants_file, "output of `custodian tenant list --json`")->required();
  restarts->add_option("--author-key", author_key, "PEM of the author that writes")->required();
  restarts->add_option("--entries", entries, "of all logs together")->check(CLI::Range(1'000, 1'000'000'000))->capture_default_str();
  measures.emplace_back(restarts, [&] { return custodian::benchmark::MeasureRestarts(settings, home, tenants_file, author_key, entries); });
  int logs = 100, dead = 0, slow = 0;
  auto* checkpoints = app.add_subcommand("checkpoints", "how soon entries of many logs are witnessed");
  checkpoints->add_option("--logs", logs, "busy logs, a client each")->check(CLI::Range(1, 1'000))->capture_default_str();
  checkpoints->add_option("--dead", dead, "of five witnesses, that cannot be reached")->check(CLI::Range(0, 2))->capture_default_str();
  checkpoints->add_option("--slow", slow, "of five witnesses, that take 2 s")->check(CLI::Range(0, 2))->capture_default_str();
  measures.emplace_back(checkpoints, [&] { return custodian::benchmark::MeasureCheckpoints(settings, logs, dead, slow); });
  for (const auto& [command, measure] : measures) {
    command->add_option("--rounds", settings.rounds, "turns of each side")->check(CLI::Range(1, 100))->capture_default_str();
    command->add_option("--seconds", seconds, "measured on each side, over all rounds")->check(CLI::Range(0.1, 600.0))->capture_default_str();
  }
  CLI11_PARSE(app, argc, argv);
  settings.slice = absl::Seconds(seconds / settings.rounds);
  // Standard output is for the measures.
  spdlog::set_default_logger(spdlog::stderr_logger_mt("custodian_ledger_benchmark"));
  spdlog::set_level(spdlog::level::warn);
  for (const auto& [command, measure] : measures)
    if (command->parsed()) return Print(measure());
  return 2;
}

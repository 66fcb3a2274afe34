// custodian_benchmark: one part of the benchmark, as tests/benchmark/run calls it. Prints a line a measure, and at last one with the
// circumstances.
#include <string>

#include "CLI/App.hpp"
#include "CLI/Config.hpp"
#include "CLI/Formatter.hpp"
#include "spdlog/sinks/stdout_sinks.h"
#include "spdlog/spdlog.h"
#include "tests/benchmark/measure.h"

using custodian::benchmark::Print;
using custodian::benchmark::Settings;

int main(int argc, char** argv) {
  CLI::App app("measures Custodian beside plain PostgreSQL; use tests/benchmark/run");
  app.require_subcommand(1);
  Settings settings{.clients = 16, .rounds = 4, .slice = absl::ZeroDuration()};
  double seconds = 10;
  std::string home;
  auto* entries = app.add_subcommand("entries", "the partition writer, on the PostgreSQL of CUSTODIAN_TEST_POSTGRES");
  auto* checks = app.add_subcommand("order-checks", "order-sign calls to a running quickstart");
  auto* messages = app.add_subcommand("hl7-messages", "HL7 v2 messages by MLLP to a running quickstart");
  std::string bundles;
  auto* imports = app.add_subcommand("imports", "custodian import into a running quickstart");
  imports->add_option("--bundles", bundles, "folder of Synthea Bundles of which new patients are made")->required();
  std::string client_id;
  std::string key_file;
  auto* reads = app.add_subcommand("fhir-reads", "reads of another tenant's results at a running quickstart");
  reads->add_option("--client-id", client_id, "SMART client of the quickstart's second tenant")->required();
  reads->add_option("--key", key_file, "its private key (PEM)")->required();
  int patients = 1'000'000;
  auto* growth = app.add_subcommand("order-growth", "order checks among many patients; spoils the quickstart");
  growth->add_option("--patients", patients, "patients of all tenants")->check(CLI::Range(10'000, 100'000'000))->capture_default_str();
  auto* searches = app.add_subcommand("fhir-searches", "searches of a tenant's own records at a running quickstart");
  searches->add_option("--client-id", client_id, "SMART client of the quickstart's second tenant")->required();
  searches->add_option("--key", key_file, "its private key (PEM)")->required();
  for (auto* command : {checks, messages, imports, reads, growth, searches}) command->add_option("--home", home, "the quickstart's home")->required();
  int people = 1'000'000;
  auto* lookups = app.add_subcommand("match-lookups", "who is a patient elsewhere, on the PostgreSQL of CUSTODIAN_TEST_POSTGRES");
  lookups->add_option("--people", people, "persons, with two patients each on average")->check(CLI::Range(1'000, 100'000'000))->capture_default_str();
  auto* consents = app.add_subcommand("consents", "consent decisions on one core, from memory");
  for (auto* command : {entries, checks, messages, consents, lookups, imports, reads, growth, searches}) {
    command->add_option("--clients", settings.clients, "who send at once")->check(CLI::Range(1, 128))->capture_default_str();
    command->add_option("--rounds", settings.rounds, "turns of each side")->check(CLI::Range(1, 100))->capture_default_str();
    command->add_option("--seconds", seconds, "measured on each side, over all rounds")->check(CLI::Range(0.1, 600.0))->capture_default_str();
  }
  CLI11_PARSE(app, argc, argv);
  settings.slice = absl::Seconds(seconds / settings.rounds);
  // Standard output is for the measures.
  spdlog::set_default_logger(spdlog::stderr_logger_mt("custodian_benchmark"));
  spdlog::set_level(spdlog::level::warn);
  if (consents->parsed()) return Print(MeasureConsents(settings));
  if (messages->parsed()) return Print(MeasureHl7Messages(settings, home));
  if (imports->parsed()) return Print(MeasureImports(settings, home, bundles));
  if (reads->parsed()) return Print(MeasureFhirReads(settings, home, client_id, key_file));
  if (growth->parsed()) return Print(MeasureOrderGrowth(settings, home, patients));
  if (searches->parsed()) return Print(MeasureFhirSearches(settings, home, client_id, key_file));
  if (lookups->parsed()) return Print(MeasureMatchLookups(settings, people));
  return Print(entries->parsed() ? MeasureEntries(settings) : MeasureOrderChecks(settings, home));
}

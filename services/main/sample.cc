// `custodian sample`: a made population with known truth, in files.
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "services/main/commands.h"
#include "services/main/progress_bar.h"
#include "services/sample/generate.h"

namespace custodian::main {
namespace {

struct Options {
  std::uint64_t seed = 1;
  int patients = 300;
  int days = 180;
  std::string end = "2026-03-01T00:00:00Z";
  std::string out;
  bool json = false;
};

// "2026-03-01T00:00:00Z", also without seconds.
absl::Time ParseEnd(const std::string& text) {
  absl::Time time;
  std::string error;
  for (const char* format : {"%Y-%m-%d%ET%H:%M:%E*S%Ez", "%Y-%m-%d%ET%H:%M%Ez"}) {
    if (absl::ParseTime(format, text, &time, &error)) return time;
  }
  throw CommandFailed{2, "--end: expected a time like 2026-03-01T00:00Z"};
}

void Run(const Options& options) {
  const sample::GenerateOptions made{options.seed, options.patients, options.days, ParseEnd(options.end)};
  ProgressBar bar("making patients", "patients", options.json);
  const auto population = sample::Generate(made, [&bar](int done, int total) { bar.Show(done, total); });
  if (population.status().code() == absl::StatusCode::kInvalidArgument)
    throw CommandFailed{2, std::string(population.status().message())};
  Check(population.status());
  Check(sample::WritePopulation(*population, options.out));
  if (options.json) {
    std::printf("{\"events\":%zu,\"files\":%zu,\"orders\":%zu}\n", population->events, population->files.size(),
                population->orders);
  } else {
    std::printf("%d patients, %zu orders, %zu events in %s\n", options.patients, population->orders, population->events,
                options.out.c_str());
  }
}

}  // namespace

void AddSample(CLI::App& app) {
  auto options = std::make_shared<Options>();
  auto* command = app.add_subcommand("sample", "make a population of patients whose truth is known");
  command->footer(
      "Writes FHIR Bundles and prices per tenant, events to replay, and truth.json: the report, and what every order must get "
      "and why.\n"
      "The same options make the same bytes.\n"
      "Example:\n"
      "  custodian sample --seed 7 --patients 100 --days 120 --out population");
  command->add_option("--seed", options->seed, "chooses everything that is left to chance")->capture_default_str();
  command->add_option("--patients", options->patients, "how many; one story each")->capture_default_str();
  command->add_option("--days", options->days, "orders are placed within so many days before the end (60 to 700)")
      ->capture_default_str();
  command->add_option("--end", options->end, "when orders end (RFC 3339); the truth is told two weeks later")
      ->capture_default_str();
  command->add_option("--out", options->out, "folder: absent, empty, or holding a population of the same options")->required();
  command->add_flag("--json", options->json, "print what was made as JSON");
  command->callback([options] { Run(*options); });
}

}  // namespace custodian::main

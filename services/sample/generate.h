// Makes a population of patients at three health systems whose truth is known: records to import, events to replay, and what
// became of every order and every avoided exam. From the seed alone, the same bytes each run. It includes nothing of exchange,
// consent or savings: the truth follows from how each case was made. Not thread-safe; no clocks, no network.
#ifndef CUSTODIAN_SERVICES_SAMPLE_GENERATE_H_
#define CUSTODIAN_SERVICES_SAMPLE_GENERATE_H_

#include <functional>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/sample/generate_world.h"

namespace custodian::sample {

// Called with patients made and their number.
using Progress = std::function<void(int, int)>;

// Files by path relative to the population's folder:
//   population.json             seed, patients, days, start, end, as_of; the tenants as they are to be admitted
//   tenants/<name>/bundles/NNN.json  FHIR R4 transaction Bundles: what was known at `start`
//   tenants/<name>/prices.csv   class_id,valid_from,cents
//   events.ndjson               an event a line, in order of time (services/sample/README.md)
//   truth.json                  as_of, savings (the report), orders, counts, scenarios_left_out
struct Population {
  std::map<std::string, std::string> files;
  absl::Time as_of;
  std::size_t orders = 0;
  std::size_t events = 0;
};

// InvalidArgument naming the option that does not fit.
[[nodiscard]] absl::StatusOr<Population> Generate(const GenerateOptions& options, const Progress& progress = nullptr);

// Writes a population to a folder that is absent, empty, or holds a population of equal options (then nothing changes, and what a
// crash left unfinished is completed). FailedPrecondition otherwise.
[[nodiscard]] absl::Status WritePopulation(const Population& population, const std::string& folder);

}  // namespace custodian::sample

#endif  // CUSTODIAN_SERVICES_SAMPLE_GENERATE_H_

// The lines that the benchmark prints, and its parts.
#ifndef CUSTODIAN_TESTS_BENCHMARK_MEASURE_H_
#define CUSTODIAN_TESTS_BENCHMARK_MEASURE_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tests/benchmark/load.h"

namespace custodian::benchmark {

struct Settings {
  int clients = 1;
  int rounds = 1;
  // Of one side in one round.
  absl::Duration slice;
};

struct Measure {
  std::string name;
  double value = 0;
  std::string unit;
  std::string peer;
  double peer_value = 0;
};

struct Report {
  std::vector<Measure> measures;
  // What the figures were taken with: name and number.
  std::vector<std::pair<std::string, double>> circumstances;
};

// "<plural>_per_second" and "<noun>_p99" of both sides.
[[nodiscard]] std::vector<Measure> MeasuresOf(const std::string& noun, const std::string& plural, const std::string& peer,
                                              const Comparison& comparison);
// {"measure","value","unit","peer","peer_value","ratio"}: ratio = value / peer_value.
[[nodiscard]] std::string JsonOf(const Measure& measure);
// Prints a line a measure, and at last one with the circumstances; or why there is none, on stderr. What main() returns.
[[nodiscard]] int Print(const absl::StatusOr<Report>& report);

// The partition writer alone, on the PostgreSQL of CUSTODIAN_TEST_POSTGRES, against a plain insert of the same bytes.
[[nodiscard]] absl::StatusOr<Report> MeasureEntries(const Settings& settings);
// Consent decisions on one core, from memory, against compiling the consents anew each time.
[[nodiscard]] absl::StatusOr<Report> MeasureConsents(const Settings& settings);
// Order-sign calls over HTTPS to the quickstart at `home`, against a plain insert of the same bytes into its PostgreSQL.
[[nodiscard]] absl::StatusOr<Report> MeasureOrderChecks(const Settings& settings, const std::string& home);
// HL7 v2 messages by MLLP to the quickstart at `home`, against a plain insert of the same bytes into its PostgreSQL.
[[nodiscard]] absl::StatusOr<Report> MeasureHl7Messages(const Settings& settings, const std::string& home);
// `custodian import` of new patients, made of the Synthea Bundles in the folder `bundles`, at one tenant of the quickstart at `home`, against
// COPY of the same resources into a jsonb table.
[[nodiscard]] absl::StatusOr<Report> MeasureImports(const Settings& settings, const std::string& home, const std::string& bundles);
// Reads of another tenant's results over HTTPS by the client `client_id` (its private key in PEM, kid "benchmark") of the quickstart's second
// tenant, against a jsonb table with an audit table behind the same server class.
[[nodiscard]] absl::StatusOr<Report> MeasureFhirReads(const Settings& settings, const std::string& home, const std::string& client_id,
                                                      const std::string& key_file);
// What an order check costs at the quickstart at `home` once so many patients of 300 tenants are there, against 1,000 patients of 3. The home is
// of no other use afterwards.
[[nodiscard]] absl::StatusOr<Report> MeasureOrderGrowth(const Settings& settings, const std::string& home, int patients);
// Searches of patients of 2,000 resources each over HTTPS by the client `client_id` (its private key in PEM, kid "benchmark") of the quickstart's
// second tenant, against a jsonb table with a GIN index behind the same server class.
[[nodiscard]] absl::StatusOr<Report> MeasureFhirSearches(const Settings& settings, const std::string& home, const std::string& client_id,
                                                         const std::string& key_file);

// Locator::SamePerson over the rows of `people` persons (two patients each, on average) on the PostgreSQL of CUSTODIAN_TEST_POSTGRES,
// against reading the patient's own row.
[[nodiscard]] absl::StatusOr<Report> MeasureMatchLookups(const Settings& settings, int people);

}  // namespace custodian::benchmark

#endif  // CUSTODIAN_TESTS_BENCHMARK_MEASURE_H_

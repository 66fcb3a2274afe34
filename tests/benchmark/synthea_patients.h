// New patients out of the Synthea Bundles in tests/data: the same records under other ids, of people with other names, birth dates, addresses
// and numbers, so that nobody is anybody who was imported before.
#ifndef CUSTODIAN_TESTS_BENCHMARK_SYNTHEA_PATIENTS_H_
#define CUSTODIAN_TESTS_BENCHMARK_SYNTHEA_PATIENTS_H_

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/exchange/fhir_json.h"

namespace custodian::benchmark {

class SyntheaPatients {
 public:
  // Reads the transaction Bundles (*.json) of a folder.
  [[nodiscard]] static absl::StatusOr<SyntheaPatients> Read(const std::string& folder, std::uint64_t seed);

  // Writes the files of so many patients into a new folder; each resource's text, as a peer would store it. A transaction Bundle a patient:
  [[nodiscard]] absl::StatusOr<std::vector<std::string>> WriteBundles(const std::string& folder, int patients);
  // A file a type, as a bulk export has them:
  [[nodiscard]] absl::StatusOr<std::vector<std::string>> WriteNdjson(const std::string& folder, int patients);

 private:
  SyntheaPatients(std::vector<std::string> bundles, std::uint64_t seed) : bundles_(std::move(bundles)), engine_(seed) {}
  [[nodiscard]] absl::StatusOr<exchange::Json> NextBundle();

  const std::vector<std::string> bundles_;
  std::mt19937_64 engine_;
  std::size_t made_ = 0;
};

}  // namespace custodian::benchmark

#endif  // CUSTODIAN_TESTS_BENCHMARK_SYNTHEA_PATIENTS_H_

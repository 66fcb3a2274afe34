// Order checks at a running quickstart, for the parts of the benchmark that ask for their rate.
#ifndef CUSTODIAN_TESTS_BENCHMARK_ORDER_CHECKS_H_
#define CUSTODIAN_TESTS_BENCHMARK_ORDER_CHECKS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tests/benchmark/load.h"
#include "tests/benchmark/measure.h"

namespace custodian::benchmark {

struct OrderHome {
  // libpq connection string.
  std::string superuser;
  std::string network_database;
  std::vector<std::string> tenant_databases;
};
[[nodiscard]] absl::StatusOr<OrderHome> ReadOrderHome(const std::string& path);

struct OrderCost {
  Figures figures;
  // Of the quickstart's processes, a check (ProcessorTimeOf).
  absl::Duration processor_time;
};
// All clients at once, in as many slices as there are rounds, after one that does not count.
[[nodiscard]] absl::StatusOr<OrderCost> MeasureOrderCost(const Settings& settings, const std::string& path);

}  // namespace custodian::benchmark

#endif  // CUSTODIAN_TESTS_BENCHMARK_ORDER_CHECKS_H_

// What one thread does from memory, measured in its own processor time: how busy the machine is otherwise does not matter.
#ifndef CUSTODIAN_TESTS_BENCHMARK_LEDGER_ONE_CORE_H_
#define CUSTODIAN_TESTS_BENCHMARK_LEDGER_ONE_CORE_H_

#include <functional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tests/benchmark/measure.h"

namespace custodian::benchmark {

struct OneCore {
  // Calls a second of processor time.
  double ours_per_second = 0;
  double peer_per_second = 0;
};
// Ours, peer, ours, peer, ...: Settings::rounds turns of Settings::slice each (in processor time), after one call each that does not count.
[[nodiscard]] absl::StatusOr<OneCore> CompareOnOneCore(const Settings& settings, const std::function<absl::Status()>& ours,
                                                       const std::function<absl::Status()>& peer);

}  // namespace custodian::benchmark

#endif  // CUSTODIAN_TESTS_BENCHMARK_LEDGER_ONE_CORE_H_

// Processor time of a quickstart's processes (platform, keys, witnesses, PostgreSQL with its backends): what a call costs however busy the machine
// is with other work. From Linux's /proc.
#ifndef CUSTODIAN_TESTS_BENCHMARK_PROCESSOR_TIME_H_
#define CUSTODIAN_TESTS_BENCHMARK_PROCESSOR_TIME_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace custodian::benchmark {

// Used so far, by user and kernel, of every process that works in or below `home`, and of those that such a process waited for. NotFound
// when there is none that may be looked at.
[[nodiscard]] absl::StatusOr<absl::Duration> ProcessorTimeOf(const std::string& home);
// Of this process, and of the calling thread.
[[nodiscard]] absl::Duration ProcessorTimeOfThis();
[[nodiscard]] absl::Duration ProcessorTimeOfThisThread();

}  // namespace custodian::benchmark

#endif  // CUSTODIAN_TESTS_BENCHMARK_PROCESSOR_TIME_H_

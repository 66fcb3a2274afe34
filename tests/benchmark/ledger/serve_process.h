// A `custodian serve` of a quickstart's home, started and ended here, so that its start can be timed and its memory read. For one thread. From
// Linux's /proc.
#ifndef CUSTODIAN_TESTS_BENCHMARK_LEDGER_SERVE_PROCESS_H_
#define CUSTODIAN_TESTS_BENCHMARK_LEDGER_SERVE_PROCESS_H_

#include <sys/types.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace custodian::benchmark {

class ServeProcess {
 public:
  // Runs HOME/program/custodian; what it says goes to HOME/logs/serve.log. Does not wait for it.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<ServeProcess>> Start(const std::string& home);
  // Kills it if it still runs.
  ~ServeProcess();
  ServeProcess(const ServeProcess&) = delete;
  ServeProcess& operator=(const ServeProcess&) = delete;

  // OK as long as it runs.
  [[nodiscard]] absl::Status Check();
  // Ends it as its service manager would, and waits.
  [[nodiscard]] absl::Status Stop();

  struct Memory {
    // Resident now, and at most since its start; in units of 2^20 bytes.
    double resident_mb = 0;
    double most_mb = 0;
  };
  [[nodiscard]] absl::StatusOr<Memory> ReadMemory() const;

 private:
  explicit ServeProcess(pid_t pid) : pid_(pid) {}
  pid_t pid_;
};

}  // namespace custodian::benchmark

#endif  // CUSTODIAN_TESTS_BENCHMARK_LEDGER_SERVE_PROCESS_H_

// Processor time of this process and of the PostgreSQL it writes to, around a part of a measure: what an entry costs however busy the machine is
// with other work.
#ifndef CUSTODIAN_TESTS_BENCHMARK_LEDGER_METER_H_
#define CUSTODIAN_TESTS_BENCHMARK_LEDGER_METER_H_

#include <functional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tests/benchmark/plain_postgres.h"

namespace custodian::benchmark {

struct Spent {
  absl::Duration own;
  absl::Duration postgres;
};

class Meter {
 public:
  // `superuser` is a libpq connection string.
  [[nodiscard]] static absl::StatusOr<Meter> Create(const std::string& superuser);
  // Adds to `spent` what was used while `run` ran.
  [[nodiscard]] absl::Status Run(Spent& spent, const std::function<absl::Status()>& run);
  [[nodiscard]] absl::Status Checkpoint() { return connection_.Run("CHECKPOINT").status(); }

 private:
  Meter(Connection connection, std::string folder) : connection_(std::move(connection)), folder_(std::move(folder)) {}
  [[nodiscard]] absl::StatusOr<Spent> Now() const;

  Connection connection_;
  // PostgreSQL's data directory.
  std::string folder_;
};

// Of one entry.
[[nodiscard]] double Microseconds(absl::Duration spent, double entries);

}  // namespace custodian::benchmark

#endif  // CUSTODIAN_TESTS_BENCHMARK_LEDGER_METER_H_

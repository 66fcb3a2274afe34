#include "tenants/network_clock.h"

#include <algorithm>
#include <cstdint>
#include <pqxx/pqxx>

#include "absl/time/civil_time.h"

namespace custodian::tenants {

absl::StatusOr<std::unique_ptr<NetworkClock>> NetworkClock::Create(const Database& network_database, bool simulated) {
  absl::Time start = absl::FromCivil(absl::CivilDay(2000, 1, 1), absl::UTCTimeZone());
  if (simulated) {
    absl::Status status = network_database.Read([&start](ReadTransaction& transaction) -> absl::Status {
      const pqxx::result rows = transaction.sql().exec("SELECT now_ms FROM network.clock");
      if (!rows.empty()) start = absl::FromUnixMillis(rows[0][0].as<std::int64_t>());
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
  }
  return std::unique_ptr<NetworkClock>(new NetworkClock(network_database, simulated, start));
}

absl::Time NetworkClock::Now() const {
  absl::MutexLock lock(&mutex_);
  if (!simulated_) last_ = std::max(last_, TruncateToMilliseconds(absl::Now()));
  return last_;
}

absl::Status NetworkClock::Set(absl::Time time) {
  if (!simulated_) return absl::FailedPreconditionError("network time is the machine's clock: it cannot be set");
  if (time < absl::UnixEpoch() || time > absl::FromCivil(absl::CivilDay(9999, 1, 1), absl::UTCTimeZone())) {
    return absl::InvalidArgumentError("network time is out of range");
  }
  time = TruncateToMilliseconds(time);
  absl::MutexLock set_lock(&set_mutex_);
  if (time < Now()) return absl::FailedPreconditionError("network time never goes backwards");
  absl::Status status = database_.Write([time](WriteTransaction& transaction) -> absl::Status {
    const pqxx::result rows = transaction.sql().exec_params(
        "INSERT INTO network.clock AS clock (now_ms) VALUES ($1) "
        "ON CONFLICT (only_row) DO UPDATE SET now_ms = EXCLUDED.now_ms WHERE clock.now_ms <= EXCLUDED.now_ms",
        absl::ToUnixMillis(time));
    return rows.affected_rows() == 1 ? absl::OkStatus() : absl::FailedPreconditionError("network time never goes backwards");
  });
  if (!status.ok()) return status;
  absl::MutexLock lock(&mutex_);
  last_ = time;
  return absl::OkStatus();
}

}  // namespace custodian::tenants

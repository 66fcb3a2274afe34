// Network time (DESIGN, section 9), in whole milliseconds. Real: the machine's clock, never backwards. Simulated: a value kept in
// the network database that stands still between calls of Set(). Thread-safe; Now() never touches the database.
#ifndef CUSTODIAN_TENANTS_NETWORK_CLOCK_H_
#define CUSTODIAN_TENANTS_NETWORK_CLOCK_H_

#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "tenants/clock.h"
#include "tenants/database.h"

namespace custodian::tenants {

class NetworkClock final : public Clock {
 public:
  // Loads the stored value when simulated; a network that never set one begins at 2000-01-01T00:00:00Z.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<NetworkClock>> Create(const Database& network_database, bool simulated);

  [[nodiscard]] absl::Time Now() const override;
  [[nodiscard]] bool simulated() const { return simulated_; }
  // Durable before it is visible. FailedPrecondition when not simulated or backwards; the same time again is OK.
  [[nodiscard]] absl::Status Set(absl::Time time);

 private:
  NetworkClock(const Database& database, bool simulated, absl::Time start)
      : database_(database), simulated_(simulated), last_(start) {}

  const Database& database_;
  const bool simulated_;
  // Held while a new time is stored, so that two Set() calls are ordered as their values are.
  absl::Mutex set_mutex_;
  mutable absl::Mutex mutex_;
  mutable absl::Time last_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace custodian::tenants

#endif  // CUSTODIAN_TENANTS_NETWORK_CLOCK_H_

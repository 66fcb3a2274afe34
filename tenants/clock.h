// Time as it is injected (DESIGN, section 9). MachineClock serves credentials and deadlines; network time serves events and is
// truncated to milliseconds, never goes backwards and, simulated, stands still between admin calls. Thread-safe.
#ifndef CUSTODIAN_TENANTS_CLOCK_H_
#define CUSTODIAN_TENANTS_CLOCK_H_

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace custodian {

class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual absl::Time Now() const = 0;
};

class MachineClock final : public Clock {
 public:
  [[nodiscard]] absl::Time Now() const override { return absl::Now(); }
};

// To whole milliseconds, towards the past.
[[nodiscard]] inline absl::Time TruncateToMilliseconds(absl::Time time) {
  return absl::FromUnixMillis(absl::ToUnixMillis(time));
}

}  // namespace custodian

#endif  // CUSTODIAN_TENANTS_CLOCK_H_

// When an answer that says nothing may leave: at the next multiple of a tick after its request came, so that its time tells nothing of
// what was looked for and refused (DESIGN, section 7). Nobody waits for it here: the HTTPS server holds the answer back
// (`rpc::HttpResponse::not_before`). Thread-safe.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_FIXED_TICK_H_
#define CUSTODIAN_SERVICES_EXCHANGE_FIXED_TICK_H_

#include <algorithm>
#include <cstdint>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace custodian::exchange {

// By the machine's clock; `received` plus at least one tick, and not before `at_least`. The past without a tick.
[[nodiscard]] inline absl::Time NextTick(absl::Time received, absl::Duration tick, absl::Time at_least = absl::InfinitePast()) {
  if (tick <= absl::ZeroDuration()) return absl::InfinitePast();
  const absl::Duration taken = std::max(absl::Now(), at_least) - received;
  return received + tick * std::max<std::int64_t>(1, (taken + tick - absl::Nanoseconds(1)) / tick);
}

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_FIXED_TICK_H_

// How long a caller that was turned away for now should wait before it tries again: carried by the Status, so that the transport can say it.
#ifndef CUSTODIAN_TENANTS_RETRY_AFTER_H_
#define CUSTODIAN_TENANTS_RETRY_AFTER_H_

#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace custodian::tenants {

// `status` (not OK), which carries `wait` from now on; whole milliseconds.
[[nodiscard]] absl::Status WithRetryAfter(absl::Status status, absl::Duration wait);
// Nothing when the status says none.
[[nodiscard]] std::optional<absl::Duration> RetryAfterOf(const absl::Status& status);

}  // namespace custodian::tenants

#endif  // CUSTODIAN_TENANTS_RETRY_AFTER_H_

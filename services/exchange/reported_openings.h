// Opens what reported entries commit to, for the node of the tenant whose log it is (LedgerService.OpenReported): salt and detail of each, so that the
// node can hold them against what its own systems sent. Thread-safe (it holds nothing).
#ifndef CUSTODIAN_SERVICES_EXCHANGE_REPORTED_OPENINGS_H_
#define CUSTODIAN_SERVICES_EXCHANGE_REPORTED_OPENINGS_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "services/exchange/detail.h"
#include "services/keys/sealer.h"
#include "tenants/partitions.h"

namespace custodian::exchange {

// Of the entry at `index`. Both are empty where it cannot be opened any more (its key was destroyed, its detail is damaged) or commits to nothing.
// InvalidArgument when it is not a reported entry, OutOfRange past the log; Unavailable, and the like, when it may be asked again.
[[nodiscard]] absl::StatusOr<OpenedDetail> OpenReported(keys::Sealer& sealer, const tenants::Partition& partition, std::uint64_t index);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_REPORTED_OPENINGS_H_

// The promises that a commit's answers carry (ledger/promise.h), signed once it is durable. Used by the partition's writer thread only.
#ifndef CUSTODIAN_TENANTS_COMMIT_PROMISES_H_
#define CUSTODIAN_TENANTS_COMMIT_PROMISES_H_

#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "ledger/signature.h"
#include "tenants/partition_writer.h"
#include "tenants/queued_write.h"

namespace custodian::tenants {

// Puts its promise into the answer of each write of signed leaves that was admitted: one signature for all of them, none where there is no such
// write. Failure to sign is logged; the entries are in the log.
void AddPromises(const PartitionWriter::Options& options, const ledger::Signer& signer, std::span<QueuedWrite* const> writes,
                 std::vector<absl::StatusOr<Admitted>>& outcomes);

}  // namespace custodian::tenants

#endif  // CUSTODIAN_TENANTS_COMMIT_PROMISES_H_

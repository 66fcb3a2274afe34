// Recomputes a partition, or the governance log, from its database: leaves, leaf hashes, tiles, head, every checkpoint, idempotency
// keys, and whatever is stored sealed or wrapped against the entries that name it. Trusts the policy and the governance log it is
// given, nothing that lies in the database. What is only a projection is compared where an entry says what it must be. Reads under
// the auditor's role; blocking; for any thread.
#ifndef CUSTODIAN_SERVICES_LOG_PARTITION_AUDIT_H_
#define CUSTODIAN_SERVICES_LOG_PARTITION_AUDIT_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ledger/audit.h"
#include "ledger/checkpoint.h"
#include "ledger/roster.h"
#include "tenants/database.h"

namespace custodian::log {

struct AuditedPartition {
  std::uint64_t size = 0;
  // Of the largest published checkpoint whose quorum verified.
  std::uint64_t witnessed_size = 0;
  std::uint64_t sealed_rows = 0;
  // Of a governance log.
  ledger::RosterHistory history;
  // The newest KEY_STORED of each ("shard" or "patient", key id): index of the entry and SHA-256 of the wrapped key.
  struct Key {
    std::uint64_t index = 0;
    std::string wrapped_sha256;
  };
  std::map<std::pair<std::string, std::string>, Key> keys;
  // An anchor names a governance log longer than the one given: audit that again, then this.
  bool governance_is_behind = false;
};

// `policy` names the log's key and the quorum. `governance` is null for the governance log itself. Discrepancies go to `findings`;
// an error says that the database cannot be read.
[[nodiscard]] absl::StatusOr<AuditedPartition> AuditPartition(const tenants::Database& database, const ledger::Policy& policy,
                                                              const ledger::RosterHistory* governance, ledger::Findings& findings);

// Compares a tenant's key store with the KEY_STORED entries of its log. Audit the log first: a key is stored before its entry. Returns
// how many keys no entry names, left by a request that crashed between the two: nothing was ever sealed under them.
[[nodiscard]] absl::StatusOr<std::uint64_t> AuditKeyStore(const tenants::Database& key_database, const AuditedPartition& partition,
                                                          ledger::Findings& findings);

}  // namespace custodian::log

#endif  // CUSTODIAN_SERVICES_LOG_PARTITION_AUDIT_H_

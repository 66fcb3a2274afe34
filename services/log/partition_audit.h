// Recomputes a partition, or the governance log, from its database: leaves, leaf hashes, tiles, head, every checkpoint,
// idempotency keys, and whatever is stored sealed, wrapped or proved (tenants::Table) against the entries that name it. Trusts the policy and the
// governance log it is given, nothing that lies in the database. What is only a projection is compared where an entry says what
// it must be. Reads under the auditor's role; blocking; for any thread.
#ifndef CUSTODIAN_SERVICES_LOG_PARTITION_AUDIT_H_
#define CUSTODIAN_SERVICES_LOG_PARTITION_AUDIT_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ledger/audit.h"
#include "ledger/checkpoint.h"
#include "ledger/entry.pb.h"
#include "ledger/roster.h"
#include "tenants/database.h"

namespace custodian::log {

struct AuditedPartition {
  std::string origin;
  std::uint64_t size = 0;
  // Of the largest published checkpoint whose quorum verified.
  std::uint64_t witnessed_size = 0;
  absl::Time witnessed_at = absl::InfinitePast();
  // Roots that the leaves make at the end of each commit, by size.
  std::map<std::uint64_t, ledger::Hash> roots;
  std::uint64_t sealed_rows = 0;
  // Of a governance log.
  ledger::RosterHistory history;
  // The newest KEY_STORED of each ("shard" or "patient", key id): index of the entry and SHA-256 of the wrapped key.
  struct Key {
    std::uint64_t index = 0;
    ledger::v1::KeyStored stored;
  };
  std::map<std::pair<std::string, std::string>, Key> keys;
  // What the record locator must keep of each patient, as the newest entry says, and patients it is yet to be told of.
  struct Located {
    std::uint64_t index = 0;
    std::string sha256;
  };
  std::map<std::string, Located> located;
  std::set<std::string> to_locate;
  // What the savings projection must follow from, by index.
  struct MoneyEntry {
    ledger::v1::Kind kind = ledger::v1::KIND_UNSPECIFIED;
    ledger::v1::Money money;
  };
  std::map<std::uint64_t, MoneyEntry> money;
  struct FeedEntry {
    bool is_gap = false;
    std::int64_t from_ms = 0;
    std::int64_t through_ms = 0;
    std::int64_t time_ms = 0;
  };
  std::map<std::uint64_t, FeedEntry> feed;
  // What the tenant's nodes say of entries [first, past).
  struct WordEntry {
    bool is_dispute = false;
    std::uint64_t first = 0;
    std::uint64_t past = 0;
    // Of a row of savings.tenants_word or its copy.
    [[nodiscard]] bool Is(std::string_view kind, std::int64_t first_index, std::int64_t past_index) const {
      return is_dispute == (kind == "disputed") && static_cast<std::int64_t>(first) == first_index && static_cast<std::int64_t>(past) == past_index;
    }
  };
  std::map<std::uint64_t, WordEntry> words;
  std::set<std::uint64_t> acceptances;
  // An anchor names a governance log longer than the one given: audit that again, then this.
  bool governance_is_behind = false;
};

// `policy` names the log's key and the quorum. `governance` is null for the governance log itself. Discrepancies go to
// `findings`; an error says that the database cannot be read.
[[nodiscard]] absl::StatusOr<AuditedPartition> AuditPartition(const tenants::Database& database, const ledger::Policy& policy,
                                                              const ledger::RosterHistory* governance,
                                                              ledger::Findings& findings);

// Compares the newest checkpoint that a witness cosigned, as it serves it, with the log: a log that was rolled back or rewritten
// since cannot hold it. Ask the witness first, then audit the log, which may have grown meanwhile. `policy` names the log's key;
// a checkpoint without its signature proves nothing, and the error says so. `witness` is for the message.
[[nodiscard]] absl::Status AuditWitnessed(const AuditedPartition& partition, const ledger::Policy& policy,
                                          const std::string& witness, const std::string& note, ledger::Findings& findings);

// Compares a tenant's key store with the KEY_STORED entries of its log. Audit the log first: a key is stored before its entry.
// Returns how many keys no entry names, left by a request that crashed between the two: nothing was ever sealed under them.
[[nodiscard]] absl::StatusOr<std::uint64_t> AuditKeyStore(const tenants::Database& key_database,
                                                          const AuditedPartition& partition, ledger::Findings& findings);

// Compares the savings projection of the network database with the entries of the partitions, by tenant's name: every posting
// with its Money entry and the other way round, every copied feed row and word of a node, every avoidance's acceptance. Audit the partitions first:
// what the projection says of later entries is left out. Findings are of the partition's log, so they come back with their
// origin.
[[nodiscard]] absl::StatusOr<std::vector<ledger::Finding>> AuditSavings(
    const tenants::Database& network_database, const std::map<std::string, AuditedPartition>& partitions);

}  // namespace custodian::log

#endif  // CUSTODIAN_SERVICES_LOG_PARTITION_AUDIT_H_

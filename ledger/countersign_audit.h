// Holds COUNTERSIGNED and DISPUTED entries against the log that they stand in, for whoever reads it in order: the root that a tenant's node
// signed must be the log's, the leaf that it disputes must be there. What lies further back than is kept (before the audit began, or a
// disputed leaf more than 16,384 entries ago) is not judged. Used by one thread.
#ifndef CUSTODIAN_LEDGER_COUNTERSIGN_AUDIT_H_
#define CUSTODIAN_LEDGER_COUNTERSIGN_AUDIT_H_

#include <cstdint>
#include <deque>

#include "absl/status/status.h"
#include "ledger/entry.h"
#include "ledger/tree.h"

namespace custodian::ledger {

// A range that is countersigned ends at most so many entries before the entry that says so: what a verifier keeps, 32 bytes each.
inline constexpr std::uint64_t kCountersignLagMax = 16'384;

class CountersignAuditor {
 public:
  // Before the first Append(): the leaves before it are known by their subtrees only.
  void BeginAt(CompactRange range);
  // The next leaf of the log, whether it could be read or not.
  void Append(const Hash& leaf_hash);
  // Of the entry that is to be appended next. InvalidArgument that says what is wrong with it; OK for every other kind.
  [[nodiscard]] absl::Status Check(const v1::Entry& entry);

 private:
  [[nodiscard]] std::uint64_t size() const { return base_.size() + recent_.size(); }
  [[nodiscard]] absl::Status CheckRange(const v1::Countersigned& range);
  [[nodiscard]] absl::Status CheckDispute(const v1::Disputed& disputed) const;

  // The leaves before `recent_`.
  CompactRange base_;
  std::deque<Hash> recent_;
  // As of the last range that was checked: the next one goes on from there.
  CompactRange checked_;
};

}  // namespace custodian::ledger

#endif  // CUSTODIAN_LEDGER_COUNTERSIGN_AUDIT_H_

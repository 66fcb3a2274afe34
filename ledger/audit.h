// Verifies a log from any byte source. LogAuditor judges leaves one by one, in order: form, origin, kind, author and signature by
// the roster, counters, idempotency keys, anchors, maps of subjects. AuditTiles runs it over a served log and compares every tile and the
// checkpoint. Pure apart from the source it is given; an auditor is used by one thread.
//
// Who is believed: the witnessed checkpoint of the governance log, under a policy that the verifier holds. Its first entry must
// be a ROSTER_CHANGED that enrols the custodian's author key and is signed by that very key; every later entry of the governance
// log is judged by the roster that the entries before it make. An entry of a partition is judged by the roster at the last ANCHOR
// before it; an ANCHOR is judged by the roster at the position it names itself, which must be one of the governance log and never
// earlier than the last (so that a new author key can write the anchor that makes it known). What an author claims decides
// nothing.
#ifndef CUSTODIAN_LEDGER_AUDIT_H_
#define CUSTODIAN_LEDGER_AUDIT_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "ledger/checkpoint.h"
#include "ledger/entry.h"
#include "ledger/roster.h"
#include "ledger/subject_audit.h"
#include "ledger/tree.h"

namespace custodian::ledger {

// One discrepancy. `position` is what a person can look up: "leaf 17", "tile/0/000", "checkpoint size 40", "record <hex> version
// 2".
struct Finding {
  std::string origin;
  std::string position;
  std::string message;
};

// Findings of one log, with a limit so that one fault early in a large log stays readable.
class Findings {
 public:
  explicit Findings(std::string origin, std::size_t findings_max = 200)
      : origin_(std::move(origin)), findings_max_(findings_max) {}
  void Add(std::string position, std::string message);
  [[nodiscard]] const std::string& origin() const { return origin_; }
  [[nodiscard]] bool empty() const { return findings_.empty(); }
  // In order of discovery; past the limit one last line says how many more there were.
  [[nodiscard]] std::vector<Finding> Take();

 private:
  std::string origin_;
  std::size_t findings_max_;
  std::size_t more_ = 0;
  std::vector<Finding> findings_;
};

// The idempotency keys that an auditor has seen: what grows with the log, so a process that audits for ever keeps it elsewhere.
class SeenKeys {
 public:
  virtual ~SeenKeys() = default;
  // False when it was there. `key` is a hash of author and idempotency key.
  [[nodiscard]] virtual bool Insert(const Hash& key) = 0;
};

class LogAuditor {
 public:
  // For a partition: `governance` is the audited governance log, which may grow while the auditor is used. Both outlive the auditor.
  // Without `seen` the keys are kept in memory.
  LogAuditor(Findings& findings, const RosterHistory& governance, std::unique_ptr<SeenKeys> seen = nullptr);
  // For the governance log itself.
  explicit LogAuditor(Findings& findings, std::unique_ptr<SeenKeys> seen = nullptr);

  // Before the first leaf: where the map of subjects is kept, instead of memory.
  void KeepSubjectsIn(std::unique_ptr<SubjectPages> pages) { subjects_ = SubjectAuditor(std::move(pages)); }

  // The next leaf, hashed as `hash` into the tree. Returns it parsed, or nothing when it cannot be read (a finding then).
  std::optional<Leaf> Add(std::string_view leaf_bytes, const Hash& hash);
  // The next leaf is known only by its hash: it enters the tree unjudged (the caller has a finding for it).
  void AddUnread(const Hash& hash);

  [[nodiscard]] const CompactRange& range() const { return range_; }
  // Of a governance log: the history so far.
  [[nodiscard]] const RosterHistory& history() const { return own_history_; }
  // Last counter of the custodian's author.
  [[nodiscard]] std::uint64_t custodian_counter() const { return custodian_counter_; }
  // Position of the last anchor; size 0 and the empty root before the first.
  [[nodiscard]] std::uint64_t anchor_size() const { return anchor_size_; }
  [[nodiscard]] const Hash& anchor_root() const { return anchor_root_; }
  // True when an anchor named a governance log longer than the one audited: audit that again, then this log.
  [[nodiscard]] bool governance_is_behind() const { return governance_is_behind_; }
  // How far the log's maps of subjects go.
  [[nodiscard]] const SubjectAuditor& subjects() const { return subjects_; }

 private:
  // True when the author may have written it.
  bool Judge(const Leaf& leaf);
  void MoveAnchor(const v1::Anchor& anchor);
  absl::Status JudgeAuthor(const Leaf& leaf);
  absl::Status VerifySignature(const v1::SignedEntry& leaf, const PublicKey& key);
  void CountEntry(const v1::Entry& entry);
  [[nodiscard]] bool IsNewCounter(const std::string& author, std::uint64_t counter);
  [[nodiscard]] std::string Position() const { return "leaf " + std::to_string(range_.size()); }
  [[nodiscard]] const std::string& custodian() const { return governance_ ? governance_->custodian() : own_history_.custodian(); }

  Findings& findings_;
  // Null when this is the governance log.
  const RosterHistory* governance_;
  RosterHistory own_history_;
  std::optional<RosterHistory::Cursor> cursor_;
  // Of a governance log: its own roster so far.
  AuthorRoster own_roster_;
  CompactRange range_;
  std::uint64_t anchor_size_ = 0;
  Hash anchor_root_ = EmptyRoot();
  bool governance_is_behind_ = false;
  std::uint64_t custodian_counter_ = 0;
  // By author: the counters seen as runs without a gap, first to last. An author leaves few gaps.
  std::map<std::string, std::map<std::uint64_t, std::uint64_t>> other_counters_;
  std::unique_ptr<SeenKeys> seen_;
  SubjectAuditor subjects_;
  // The batch signature verified last: all leaves of a batch share it.
  std::string verified_batch_;
};

// Reads "checkpoint" or a tile below a log's prefix, whole.
using ByteSource = std::function<absl::StatusOr<std::string>(const std::string& path)>;

struct AuditedLog {
  Checkpoint checkpoint;
  // Policy::WitnessedAt() of the checkpoint.
  absl::Time witnessed_at = absl::InfinitePast();
  // Of a governance log.
  RosterHistory history;
  bool governance_is_behind = false;
};

// Audits the log of `origin` as served: its newest checkpoint under `policy`, all tiles, all entries. `governance` is null for
// the governance log itself. Discrepancies go to `findings`; an error says that the source cannot be read, or that there is no
// checkpoint to believe (Unauthenticated), so that nothing else could be judged.
[[nodiscard]] absl::StatusOr<AuditedLog> AuditTiles(const Policy& policy, const RosterHistory* governance, const ByteSource& read,
                                                    Findings& findings);

}  // namespace custodian::ledger

#endif  // CUSTODIAN_LEDGER_AUDIT_H_

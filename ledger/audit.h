// Judges the leaves of a log one by one, in order: form, origin, kind, author and signature by the roster, counters, idempotency keys,
// anchors, maps of subjects, what tenants' nodes countersign. Pure; an auditor is used by one thread, PrepareLeaves() by any. audit_tiles.h runs it over a served log.
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
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "ledger/batch_paths.h"
#include "ledger/checkpoint.h"
#include "ledger/countersign_audit.h"
#include "ledger/entry.h"
#include "ledger/roster.h"
#include "ledger/subject_audit.h"
#include "ledger/tree.h"
#include "ledger/used_counters.h"

namespace custodian::ledger {

// What is wrong, for programs: the names that FaultName() gives are stable. A new fault gets a new name; none is used again for another.
enum class Fault {
  // A database does not hold what the entries say, or holds what they do not.
  kDatabase,
  // An entry.
  kEntryMalformed,
  kEntryOfAnotherLog,
  kEntryOfAnotherKind,
  kAuthorRefused,
  kSignatureWrong,
  kCounterSkipped,
  kCounterReused,
  kCounterMissing,
  kKeyReused,
  kAnchorWrong,
  kRosterWrong,
  kSubjectMapWrong,
  kCountersignWrong,
  // What is served.
  kBundleMissing,
  kBundleMalformed,
  kTileMissing,
  kTileWrong,
  kRootWrong,
  // A checkpoint beside what was verified before.
  kRolledBack,
  kForked,
  kFrozen,
  // What the governance log says of a log.
  kNotAdmitted,
  kLogKeyWrong,
  // There are more findings than are kept. The last.
  kMore,
};
// "counter_reused".
[[nodiscard]] std::string_view FaultName(Fault fault);

// One discrepancy. `position` is what a person can look up: "leaf 17", "tile/0/000", "checkpoint size 40", "record <hex> version
// 2".
struct Finding {
  std::string origin;
  std::string position;
  std::string message;
  Fault fault = Fault::kDatabase;
};

// Findings of one log, with a limit so that one fault early in a large log stays readable.
class Findings {
 public:
  static constexpr std::size_t kFindingsMax = 200;
  explicit Findings(std::string origin, std::size_t findings_max = kFindingsMax)
      : origin_(std::move(origin)), findings_max_(findings_max) {}
  void Add(Fault fault, std::string position, std::string message);
  void Add(std::string position, std::string message) { Add(Fault::kDatabase, std::move(position), std::move(message)); }
  [[nodiscard]] const std::string& origin() const { return origin_; }
  // Those kept so far, in order of discovery, and how many more there were.
  [[nodiscard]] const std::vector<Finding>& kept() const { return findings_; }
  [[nodiscard]] std::size_t more() const { return more_; }
  // Goes on from what an earlier audit kept, before the first Add().
  void Restore(std::vector<Finding> findings, std::size_t more);
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
  // False when it was there. `key` is a hash of author and idempotency key, of the leaf at `index`, which only grows.
  [[nodiscard]] virtual bool Insert(const Hash& key, std::uint64_t index) = 0;
};

inline constexpr char kKeyReusedMessage[] = "the idempotency key of this author was used before";

// A position as findings name it: "leaf 17".
[[nodiscard]] std::string LeafPosition(std::uint64_t index);

// Verifies leaves' signatures; all leaves of a batch share one, which is verified once while they follow each other.
class BatchVerifier {
 public:
  // Unauthenticated, or InvalidArgument for a batch path that leads nowhere.
  [[nodiscard]] absl::Status Verify(std::string_view origin, const v1::SignedEntry& leaf, const PublicKey& key);

 private:
  BatchPaths paths_;
  // The batch that verified last.
  std::string verified_;
};

// What can be known of a leaf before its turn comes.
struct PreparedLeaf {
  Hash hash{};
  absl::StatusOr<Leaf> leaf;
  // True when the author's signature verified under the key that the leaf names. Who may use that key is judged in order.
  bool signature_holds = false;
};
// Of consecutive leaves of the log of `origin`; a signature by none of `keys` is left to the auditor.
[[nodiscard]] std::vector<PreparedLeaf> PrepareLeaves(const std::string& origin, std::span<const std::string> leaves, const AuthorKeys& keys);

// What judging the next leaf of a partition needs of those before it, apart from the tree and the idempotency keys.
struct Judged {
  // Of the last anchor: size 0 and the empty root before the first.
  std::uint64_t anchor_size = 0;
  Hash anchor_root = EmptyRoot();
  std::uint64_t custodian_counter = 0;
  // By author, for all others.
  std::map<std::string, UsedCounters> counters;
  // The largest time of an entry of the custodian's, Unix milliseconds: the log's own time.
  std::int64_t log_ms = 0;
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
  // The same of a leaf that was prepared, which keeps what it says.
  void Add(const PreparedLeaf& leaf);
  // The next leaf is known only by its hash: it enters the tree unjudged (the caller has a finding for it).
  void AddUnread(const Hash& hash);

  // Goes on with a partition behind leaves that were judged before; no map of subjects is judged then. FailedPrecondition when the governance log is another than the one
  // they were judged by, or lacks entries that they name.
  [[nodiscard]] absl::Status Resume(CompactRange range, const Judged& judged);
  // Begins a partition behind leaves that are not judged: of those below `judge_from` only anchors are. The custodian's first counter
  // says where its counting is. No map of subjects is judged, unless `judge_from` is 0.
  void BeginAt(CompactRange range, std::uint64_t judge_from);

  [[nodiscard]] const CompactRange& range() const { return range_; }
  [[nodiscard]] const Judged& judged() const { return judged_; }
  // Of a governance log: the history so far.
  [[nodiscard]] const RosterHistory& history() const { return own_history_; }
  // Last counter of the custodian's author.
  [[nodiscard]] std::uint64_t custodian_counter() const { return judged_.custodian_counter; }
  // Position of the last anchor; size 0 and the empty root before the first.
  [[nodiscard]] std::uint64_t anchor_size() const { return judged_.anchor_size; }
  [[nodiscard]] const Hash& anchor_root() const { return judged_.anchor_root; }
  // True when an anchor named a governance log longer than the one audited: audit that again, then this log.
  [[nodiscard]] bool governance_is_behind() const { return governance_is_behind_; }
  // How far the log's maps of subjects go.
  [[nodiscard]] const SubjectAuditor& subjects() const { return subjects_; }
  // Counters that authors left out, as of the last leaf: no finding of a leaf, for a later one may still bring them.
  [[nodiscard]] std::vector<MissingCounters> Missing() const;
  // Not OK once the map of subjects could not be kept, or was read back damaged: a fault of where it is kept, not of the log. No later map is judged.
  [[nodiscard]] const absl::Status& failed() const { return failed_; }

 private:
  // True when the author may have written it.
  bool Judge(const Leaf& leaf, bool signature_holds);
  void Enter(const absl::StatusOr<Leaf>& leaf, const Hash& hash, bool signature_holds);
  void JudgeSubjects(const v1::Entry& entry);
  void MoveAnchor(const v1::Anchor& anchor);
  // The key that the entry's author must have signed with.
  [[nodiscard]] absl::StatusOr<PublicKey> KeyFor(const Leaf& leaf) const;
  void Append(const Hash& hash);
  void CountEntry(const v1::Entry& entry, bool allowed);
  [[nodiscard]] std::string Position() const { return LeafPosition(range_.size()); }
  [[nodiscard]] const std::string& custodian() const { return governance_ ? governance_->custodian() : own_history_.custodian(); }

  Findings& findings_;
  // Null when this is the governance log.
  const RosterHistory* governance_;
  RosterHistory own_history_;
  std::optional<RosterHistory::Cursor> cursor_;
  // Of a governance log: its own roster so far.
  AuthorRoster own_roster_;
  CompactRange range_;
  // Of those below it only anchors are judged; and whether the custodian's counter is still to be learned.
  std::uint64_t judge_from_ = 0;
  bool counter_is_unknown_ = false;
  Judged judged_;
  bool governance_is_behind_ = false;
  std::unique_ptr<SeenKeys> seen_;
  SubjectAuditor subjects_;
  CountersignAuditor countersigned_;
  absl::Status failed_;
  BatchVerifier batches_;
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
// checkpoint to believe (Unauthenticated), so that nothing else could be judged. For a log of any length: audit_tiles.h.
[[nodiscard]] absl::StatusOr<AuditedLog> AuditTiles(const Policy& policy, const RosterHistory* governance, const ByteSource& read,
                                                    Findings& findings);

}  // namespace custodian::ledger

#endif  // CUSTODIAN_LEDGER_AUDIT_H_

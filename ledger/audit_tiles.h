// Audits a served log of any length, bundle by bundle: the parts that AuditTiles() (audit.h) is made of, for callers that fetch ahead, keep
// a state between audits, or begin late. PrepareBundle() may run on any thread, in any order; a TilesAuditor takes the bundles in order,
// on one. What an audit holds in memory: the edge of the tree (at most 8 levels of 255 hashes), the counters of each author, at
// most 200 findings; and, unless told otherwise by SeenKeys and KeepSubjectsIn(), every idempotency key and the map of subjects.
#ifndef CUSTODIAN_LEDGER_AUDIT_TILES_H_
#define CUSTODIAN_LEDGER_AUDIT_TILES_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "ledger/audit.h"
#include "ledger/audit_state.pb.h"
#include "ledger/tiles.h"

namespace custodian::ledger {

struct BelievedCheckpoint {
  Checkpoint checkpoint;
  // Policy::WitnessedAt().
  absl::Time witnessed_at = absl::InfinitePast();
  // As served.
  std::string note;
};
// The newest checkpoint of the log of `origin`. Unauthenticated when it is not to be believed; else whatever `read` fails with.
[[nodiscard]] absl::StatusOr<BelievedCheckpoint> ReadCheckpoint(const Policy& policy, const std::string& origin, const ByteSource& read);

// A bundle of entries, and the tile of their hashes, as served.
struct PreparedBundle {
  TilePath path;
  // NotFound or InvalidArgument when it is no bundle of `path.width` entries; anything else: the source cannot be read.
  absl::Status status;
  std::vector<PreparedLeaf> leaves;
  absl::StatusOr<std::string> tile;
};
// Bundle `index` of a log of `size` entries.
[[nodiscard]] PreparedBundle PrepareBundle(const std::string& origin, std::uint64_t index, std::uint64_t size, const ByteSource& read,
                                           const AuthorKeys& keys);
// The largest size of the governance log that an anchor of the bundle names; 0 when there is none.
[[nodiscard]] std::uint64_t AnchoredIn(const PreparedBundle& bundle);

// The edge of the first `size` leaves, a multiple of 256, from the tiles of a log of `log_size`. It is believed once a root is made of it.
[[nodiscard]] absl::StatusOr<TreeEdge> ReadEdge(std::uint64_t size, std::uint64_t log_size, const ByteSource& read);

// Whether the tiles of a log lead from `before` to `after`, as RFC 6962's consistency proof does. FailedPrecondition when they do not; else
// whatever `read` fails with.
[[nodiscard]] absl::Status CheckConsistency(const Checkpoint& before, const Checkpoint& after, const ByteSource& read);

class TilesAuditor {
 public:
  // Called with each leaf that could be read, in order.
  using Visit = std::function<void(std::uint64_t index, const Leaf& leaf)>;

  // `governance` is null for the governance log itself. All that is borrowed outlives the auditor.
  TilesAuditor(Findings& findings, const RosterHistory* governance, const ByteSource& read, std::unique_ptr<SeenKeys> seen = nullptr,
               Visit visit = nullptr);
  TilesAuditor(const TilesAuditor&) = delete;
  TilesAuditor& operator=(const TilesAuditor&) = delete;

  // As LogAuditor's, before all else.
  void KeepSubjectsIn(std::unique_ptr<SubjectPages> pages) { auditor_.KeepSubjectsIn(std::move(pages)); }
  // As LogAuditor's, with the findings so far. InvalidArgument when the state is none that Save() wrote.
  [[nodiscard]] absl::Status Resume(const v1::AuditState& state);
  [[nodiscard]] absl::Status BeginAt(const TreeEdge& edge, std::uint64_t judge_from);

  // The bundle that size() lies in. False when it is no bundle: nothing behind it can be judged, and Finish() must not follow. An error says
  // that the source cannot be read.
  [[nodiscard]] absl::StatusOr<bool> Take(const PreparedBundle& bundle);
  // After the last bundle: compares the tiles at the edge, and the root. True when the root is the signed one.
  [[nodiscard]] absl::StatusOr<bool> Finish(const Checkpoint& checkpoint);
  // What Resume() needs; what is about keys and the checkpoint is the caller's.
  void Save(v1::AuditState& state) const;

  [[nodiscard]] std::uint64_t size() const { return auditor_.range().size(); }
  [[nodiscard]] const LogAuditor& auditor() const { return auditor_; }

 private:
  void CompareTile(const TilePath& path, const std::string& made);
  void StartAt(const TreeEdge& edge);

  Findings& findings_;
  const ByteSource& read_;
  LogAuditor auditor_;
  TileBuilder tiles_;
  Visit visit_;
  // The tile of hashes that came with the bundle taken last, until it is compared.
  std::optional<TilePath> served_path_;
  absl::StatusOr<std::string> served_tile_;
  // The source failed while tiles were compared.
  absl::Status failed_;
};

}  // namespace custodian::ledger

#endif  // CUSTODIAN_LEDGER_AUDIT_TILES_H_

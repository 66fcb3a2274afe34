// One log as a mirror holds it: its entries and tiles in a folder (log_copy.h), and the newest checkpoint of which it holds everything in
// a state file. The order of a step: entries are read and judged one by one (ledger::LogAuditor), tiles are compared with those that
// the entries make, the root with the one that is signed; then everything is put on disk; then the checkpoint is; then it is cosigned
// and served. A crash before the checkpoint is on disk leaves files that nobody is given and that the next step reads again or
// replaces. The memory of a checkpoint outlives a damaged copy: what is fetched anew must make its root.
//
// Restore(), Advance(), Judge(), CommitPushed(), CosignAgain() and Forget() are for one thread at a time; Checkpoint() and Tile() for any.
#ifndef CUSTODIAN_SERVICES_NODE_MIRRORED_LOG_H_
#define CUSTODIAN_SERVICES_NODE_MIRRORED_LOG_H_

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "ledger/audit.h"
#include "ledger/checkpoint.h"
#include "ledger/tiles.h"
#include "services/node/cosigner.h"
#include "services/node/log_copy.h"
#include "services/node/state_file.h"

namespace custodian::node {

// Lower-case hex of the SHA-256 of a log's origin: its name in URLs, state and folders.
[[nodiscard]] std::string LogName(std::string_view origin);

class MirroredLog {
 public:
  // `folder` is the log's own. `note` is its state file, or empty for a log that is new to the mirror. DataLoss when the state file
  // cannot be understood. All borrowed things outlive it.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<MirroredLog>> Open(std::string origin, const std::string& folder, const std::string& note,
                                                                         const StateDirectory& state, const Cosigner& cosigner);
  ~MirroredLog();

  // Reads the copy up to the checkpoint that is held, and judges it again; nothing happens when that was done. `governance` is null for
  // the governance log itself, and may only grow until Forget(). A damaged copy is no error: it is not served, and the next Advance() mends it.
  [[nodiscard]] absl::Status Restore(const ledger::RosterHistory* governance);
  // Goes on to a checkpoint whose signatures the caller has verified, with what `read` gives. After Restore(). DataLoss when the log is not what
  // it claims (rolled back, forked, an entry or tile that does not verify): nothing of it is cosigned, what was held before is still
  // served, and Forget() must follow. Internal when the mirror's own map of subjects is damaged, which the next Restore() makes again. Aborted when the governance log must be read further first. Cancelled once `stopped`. Whatever `read`
  // fails with: call again.
  [[nodiscard]] absl::Status Advance(const ledger::Checkpoint& target, const ledger::Note& note, const ledger::ByteSource& read,
                                     const std::atomic<bool>& stopped);
  // The two that add-entries needs (pushed_log.h), which has put entries in copy() that are proven to be the log's. Both as Advance(), without anybody to
  // read from: Internal when the copy lacks something or is damaged. Judge() the first `size` of them, Commit() to a checkpoint of as many or more.
  [[nodiscard]] absl::Status Judge(std::uint64_t size);
  [[nodiscard]] absl::Status CommitPushed(const ledger::Checkpoint& target, const ledger::Note& note);
  // Entries of a bundle of the copy, the first `count` at least, wherever they were put; NotFound when there are fewer.
  [[nodiscard]] absl::StatusOr<std::vector<std::string>> Kept(std::uint64_t bundle, std::size_t count) const;
  // The signature line of a cosignature, of now, of the checkpoint that is held and served. After Restore(), and a checkpoint.
  [[nodiscard]] absl::StatusOr<std::string> CosignAgain();
  // How many entries were read and judged since the last Forget().
  [[nodiscard]] std::uint64_t judged() const;
  // How often Forget() was called: what history() returned before it is gone.
  [[nodiscard]] std::uint64_t times_forgotten() const { return times_forgotten_; }
  [[nodiscard]] bool copy_is_damaged() const { return copy_is_damaged_; }
  [[nodiscard]] const LogCopy& copy() const { return *copy_; }
  // The state file: the checkpoint that is held, with the log's signature; empty before the first.
  [[nodiscard]] std::string HeldNote() const;

  // Drops what is in memory beyond the held checkpoint; the next Restore() reads the copy again.
  void Forget();

  // True when exactly what the held checkpoint covers was read and judged: then others may be judged by history().
  [[nodiscard]] bool IsWhole() const;
  // The first entry of a subject that no map of subjects covers yet, in what was read; none before the log's first map.
  [[nodiscard]] std::optional<std::uint64_t> FirstUncovered() const;
  // Counters that authors left out, in what was read (ledger::LogAuditor).
  [[nodiscard]] std::vector<ledger::MissingCounters> Missing() const;
  // Of a governance log, after Restore().
  [[nodiscard]] const ledger::RosterHistory& history() const;
  // A governance log begins with a ROSTER_CHANGED; by the copy.
  [[nodiscard]] bool IsGovernance() const;
  [[nodiscard]] const std::string& origin() const { return origin_; }

  // Size of the checkpoint that is held, 0 before the first.
  [[nodiscard]] std::uint64_t size() const;
  // The checkpoint with its signatures and the mirror's; NotFound before the first, Unavailable while the copy is damaged.
  [[nodiscard]] absl::StatusOr<std::string> Checkpoint() const;
  // A tlog-tiles resource of the tree that is held ("tile/0/000.p/7"). NotFound past it, InvalidArgument for a malformed path.
  [[nodiscard]] absl::StatusOr<std::string> Tile(const std::string& path) const;

 private:
  struct Reading;

  MirroredLog(std::string origin, std::unique_ptr<LogCopy> copy, const StateDirectory& state, const Cosigner& cosigner);
  [[nodiscard]] absl::StatusOr<std::unique_ptr<Reading>> NewReading() const;
  [[nodiscard]] absl::Status ReadCopy(const ledger::Checkpoint& held);
  [[nodiscard]] absl::Status GoOn(const ledger::Checkpoint& target, const ledger::Note& note, const ledger::ByteSource& read,
                                  const std::atomic<bool>& stopped);
  [[nodiscard]] absl::Status TakeBundle(std::uint64_t target_size, const ledger::ByteSource& read);
  [[nodiscard]] absl::StatusOr<std::string> FindBundle(const ledger::TilePath& path, const ledger::ByteSource& read, bool& is_local);
  [[nodiscard]] absl::Status CheckAnchors(const std::vector<std::string>& leaves, std::size_t first) const;
  [[nodiscard]] absl::Status AddLeaves(const std::vector<std::string>& leaves, std::size_t first);
  [[nodiscard]] absl::Status KeepTiles(const ledger::ByteSource& read);
  [[nodiscard]] absl::Status Commit(const ledger::Checkpoint& checkpoint, const ledger::Note& note, const ledger::ByteSource& read);
  [[nodiscard]] absl::Status Dispute(const ledger::Note& note, const std::string& why);
  [[nodiscard]] ledger::Checkpoint Held() const;

  const std::string origin_;
  const std::string name_;
  const std::unique_ptr<LogCopy> copy_;
  const StateDirectory& state_;
  const Cosigner& cosigner_;

  // Of the thread that follows.
  const ledger::RosterHistory* governance_ = nullptr;
  std::unique_ptr<Reading> reading_;
  std::uint64_t times_forgotten_ = 0;
  // What the copy holds, up to the held checkpoint and beyond it, is read again from the log.
  bool copy_is_damaged_ = false;
  bool pending_is_damaged_ = false;

  mutable absl::Mutex mutex_;
  ledger::Checkpoint held_ ABSL_GUARDED_BY(mutex_);
  // As in the state file, without our cosignature; empty before the first.
  std::string note_ ABSL_GUARDED_BY(mutex_);
  // `note_` and our cosignature; empty until the copy was read after a start.
  std::string cosigned_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace custodian::node

#endif  // CUSTODIAN_SERVICES_NODE_MIRRORED_LOG_H_

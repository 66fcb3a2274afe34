// One log as it is pushed to a mirror (C2SP tlog-mirror): its pending checkpoints, and the entries that came of them, on top of the copy that
// mirrored_log.h holds. An entry is put in the copy once it is proven to be in a pending checkpoint, judged as a mirror that fetches judges it, and only a
// checkpoint of which everything is there, judged and on disk, is committed and cosigned.
//
// A pending checkpoint is on disk before it is acknowledged, so that the mirror stays on one branch of a log that forks: nothing that contradicts it is
// taken any more. A crash at any point loses at most entries that are sent again: after a start those that lie in the copy behind the held
// checkpoint are gone on from, and if they do not make the root after all they are dropped and asked for again. For any thread, one at a time;
// what of the log's is read meanwhile (checkpoint, tiles) waits for nothing.
#ifndef CUSTODIAN_SERVICES_NODE_PUSHED_LOG_H_
#define CUSTODIAN_SERVICES_NODE_PUSHED_LOG_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "ledger/audit.h"
#include "ledger/checkpoint.h"
#include "services/node/add_checkpoint.h"
#include "services/node/add_entries.h"
#include "services/node/mirrored_log.h"
#include "services/node/state_file.h"
#include "services/rpc/http.h"
#include "tenants/clock.h"

namespace custodian::node {

class PushedLog {
 public:
  // Entries that may be sent again of those that are there, and pending checkpoints that an upload may end at (tlog-mirror leaves both to the mirror).
  static constexpr std::uint64_t kExcessMax = 32 * 256;
  static constexpr std::size_t kPendingMax = 16;

  // `note` is its state file in `state`, or empty; one that is behind what `log` holds counts for nothing. `retry`: how long a log that did not verify is left
  // alone. DataLoss when the file is damaged. All borrowed things outlive it.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<PushedLog>> Open(MirroredLog& log, const std::string& note, const StateDirectory& state,
                                                                       const Clock& clock, absl::Duration retry);

  // add-checkpoint: makes `signed_note`, the request's with the log's verified signatures alone, the pending checkpoint. Cosigns nothing.
  [[nodiscard]] rpc::HttpResponse AddCheckpoint(const node::AddCheckpoint& request, const ledger::Checkpoint& checkpoint, const ledger::Note& signed_note);
  // add-entries, from its packages on. `governance` is what entries are judged by, null for the governance log itself; as MirroredLog::Restore().
  [[nodiscard]] rpc::HttpResponse AddEntries(AddEntriesReader& request, const ledger::RosterHistory* governance);
  // As MirroredLog::Restore(), FirstUncovered() and Missing(), between requests.
  [[nodiscard]] absl::Status Restore(const ledger::RosterHistory* governance);
  [[nodiscard]] std::optional<std::uint64_t> FirstUncovered();
  [[nodiscard]] std::vector<ledger::MissingCounters> Missing();

 private:
  struct Pending {
    ledger::Checkpoint checkpoint;
    ledger::Note note;
  };
  PushedLog(MirroredLog& log, const StateDirectory& state, const Clock& clock, absl::Duration retry)
      : log_(log), state_(state), clock_(clock), retry_(retry) {}

  // Reads the copy, and where to go on, when that was not done yet.
  [[nodiscard]] absl::Status Prepare(const ledger::RosterHistory* governance) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FindNextEntry() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Removes the bundles of the copy that go past `next`, where entries are not proven.
  void Clear(std::uint64_t next) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Leaves of a bundle the file that ends at `end`, and the held checkpoint's. False when there is none.
  bool Tidy(std::uint64_t bundle, std::uint64_t end) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  [[nodiscard]] std::optional<Pending> Find(std::uint64_t size) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Proves the package and puts it in the copy. InvalidArgument when it is not in the checkpoint; else as the disk refuses.
  [[nodiscard]] absl::Status Take(const EntryPackage& package, const ledger::Checkpoint& target) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  [[nodiscard]] rpc::HttpResponse Finish(const Pending& target) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The answer when judging or committing ended so.
  [[nodiscard]] rpc::HttpResponse Failed(const absl::Status& status, std::uint64_t upload_end, const ledger::RosterHistory* governance)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  [[nodiscard]] rpc::HttpResponse Info(int status, std::uint64_t size) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  MirroredLog& log_;
  const StateDirectory& state_;
  const Clock& clock_;
  const absl::Duration retry_;

  absl::Mutex mutex_;
  // The newest last, which is the one on disk; none before the first.
  std::deque<Pending> pending_ ABSL_GUARDED_BY(mutex_);
  // The first entry that the copy does not have; unknown until the copy was read.
  std::optional<std::uint64_t> next_entry_ ABSL_GUARDED_BY(mutex_);
  // Some of what is pending was found in the copy at the start: perhaps a crash damaged it.
  bool resumed_ ABSL_GUARDED_BY(mutex_) = false;
  // Why the log is left alone until then.
  std::string refused_ ABSL_GUARDED_BY(mutex_);
  absl::Time refused_until_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
};

}  // namespace custodian::node

#endif  // CUSTODIAN_SERVICES_NODE_PUSHED_LOG_H_

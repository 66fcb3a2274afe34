// A mirror by C2SP tlog-mirror: it keeps whole copies of the governance log and of the partitions it is given, verifies every entry, tile
// and checkpoint, cosigns a checkpoint once it holds all of it on disk, and serves the same tiles. Either it fetches what it
// mirrors (the specification's "other update processes"), or the logs are pushed to it (add-checkpoint and add-entries: pushed_log.h), so that their quorum
// may need its cosignature. Follow() is for one thread, Handle() and Stop() for any. What does not verify is logged, never cosigned, and
// tried again after a minute, for a log may be mended.
#ifndef CUSTODIAN_SERVICES_NODE_MIRROR_H_
#define CUSTODIAN_SERVICES_NODE_MIRROR_H_

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "ledger/audit.h"
#include "ledger/checkpoint.h"
#include "services/node/cosigner.h"
#include "services/node/log_alarms.h"
#include "services/node/mirrored_log.h"
#include "services/node/promise_folder.h"
#include "services/node/pushed_log.h"
#include "services/node/sealed_mirror.h"
#include "services/node/state_file.h"
#include "services/rpc/http.h"
#include "tenants/clock.h"

namespace custodian::node {

class Mirror {
 public:
  // A log as it is served: its URL, for messages, and how a resource below it is read.
  struct Source {
    std::string url;
    ledger::ByteSource read;
  };
  struct Options {
    // Names the governance log, the witnesses and the quorum; the keys of partitions come from the governance log.
    ledger::Policy policy;
    Source governance;
    std::vector<Source> partitions;
    // SPIFFE ids that may read everything, beside those who may read a log at the custodian (services/log/readers.h).
    std::vector<std::string> readers;
    absl::Duration retry = absl::Minutes(1);
    // How long an entry may wait for a map of subjects to cover it; the custodian enters one every minute.
    absl::Duration uncovered_max = absl::Minutes(10);
    // Folder of promises (promise_folder.h) that the partitions are held to; empty: none.
    std::string promises = {};
    // SPIFFE id that it reads with. Of the logs of this very tenant it keeps what is sealed beside them, too.
    std::string reads_as = {};
    SealedMirror::Options sealed = {};
    // Instead of `governance` and `partitions`: the origin of the governance log, whose key the policy names. It is taken when it is pushed, and so is every log that it admits,
    // under the log's own signature alone: whoever has that key may push.
    std::string pushed_governance{};
  };
  // Checkpoints and copies live in `folder`, which no other process may use. DataLoss when a state file is damaged.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Mirror>> Create(Options options, std::unique_ptr<Cosigner> cosigner,
                                                                      const std::string& folder, const Clock& clock);

  // One step: reads the copies when that was not done yet, then goes on to the newest checkpoint of each log. The first thing that
  // went wrong, if anything did; everything else was done nevertheless. Long when a log is new.
  [[nodiscard]] absl::Status Follow();
  void Stop() { stopped_ = true; }

  // GET /<hex SHA-256 of the origin>/checkpoint for anybody; …/tile/…, …/alarms (log_alarms.h) and …/status for admitted readers; …/sealed/… for nodes of
  // the log's tenant and the readers that the options name. Where logs are pushed, POST /add-checkpoint and /add-entries for anybody who has the log's signature.
  [[nodiscard]] rpc::HttpResponse Handle(const rpc::HttpRequest& request);
  // Size of the checkpoint that is held of a log, 0 for one that is not known.
  [[nodiscard]] std::uint64_t SizeOf(std::string_view origin) const;

 private:
  struct Followed {
    Source source;
    // Empty until a checkpoint of it was believed.
    std::string origin;
    absl::Time not_before = absl::InfinitePast();
    // What size the log had when, by this mirror's clock: the oldest first, at most a dozen.
    struct Seen {
      std::uint64_t size = 0;
      absl::Time time;
    };
    std::deque<Seen> seen;
    // Said last, so that the same is not said every second.
    std::string trouble;
    std::string sealed_trouble;
  };
  struct Served {
    std::unique_ptr<MirroredLog> log;
    // Where logs are pushed.
    std::unique_ptr<PushedLog> pushed{};
    bool is_governance = false;
    std::unique_ptr<LogAlarms> alarms = std::make_unique<LogAlarms>();
    // 16 hex digits, once the governance log says whose it is.
    std::string tenant_id;
    // Null for other tenants' logs; once made, it stays.
    std::unique_ptr<SealedMirror> sealed;
  };

  Mirror(Options options, std::unique_ptr<Cosigner> cosigner, std::unique_ptr<StateDirectory> state, std::string folder,
         const Clock& clock);
  [[nodiscard]] absl::Status OpenKept();
  [[nodiscard]] absl::StatusOr<MirroredLog*> FindOrOpen(const std::string& origin, const std::string& note, bool is_governance);
  [[nodiscard]] absl::StatusOr<ledger::Note> Fetch(const Followed& followed) const;
  [[nodiscard]] absl::Status FollowGovernance(const absl::StatusOr<ledger::Note>& note);
  [[nodiscard]] absl::Status RestorePartitions();
  [[nodiscard]] absl::Status FollowPartition(Followed& followed, const ledger::Note& note);
  // FailedPrecondition when an entry of a subject was there for longer than `uncovered_max` and no map of subjects covers it: the log is held and cosigned
  // nevertheless.
  [[nodiscard]] absl::Status JudgeSubjects(Followed& followed, std::uint64_t size, std::optional<std::uint64_t> uncovered) const;
  // Alarms that keep nothing from being cosigned: counters that authors left out, and promises that are broken.
  void JudgeCounters(const std::string& origin, const std::vector<ledger::MissingCounters>& missing);
  void JudgePromises(const MirroredLog& log, const ledger::Policy& policy, const ledger::Note& note);
  // Alarms of the log of that origin from now on, each logged when it begins.
  void SetAlarms(const std::string& origin, const char* event, const std::vector<std::string>& reasons);
  // What is sealed beside a partition of the mirror's own tenant; null for others'.
  [[nodiscard]] absl::StatusOr<SealedMirror*> OpenSealed(Served& served);
  void FollowSealed(Followed& followed);
  void Remember(Followed& followed, const absl::Status& status);
  [[nodiscard]] rpc::HttpResponse Read(const rpc::HttpRequest& request) const;

  // Where logs are pushed (mirror_pushed.cc).
  [[nodiscard]] absl::Status OpenPending();
  [[nodiscard]] absl::Status FollowPushed();
  [[nodiscard]] rpc::HttpResponse Push(const rpc::HttpRequest& request);
  [[nodiscard]] rpc::HttpResponse AddCheckpoint(const std::string& body);
  [[nodiscard]] rpc::HttpResponse AddEntries(const rpc::HttpRequest& request);
  // Keys trusted for the origin, none when it is not known.
  [[nodiscard]] std::vector<ledger::NoteVerifier> KeysOf(const std::string& origin) const ABSL_SHARED_LOCKS_REQUIRED(judging_);
  [[nodiscard]] absl::StatusOr<PushedLog*> FindOrOpenPushed(const std::string& origin, const std::string& pending);
  [[nodiscard]] PushedLog* FindPushed(const std::string& origin) const;
  [[nodiscard]] rpc::HttpResponse AddGovernanceEntries(PushedLog& pushed, AddEntriesReader& entries) ABSL_EXCLUSIVE_LOCKS_REQUIRED(judging_);
  [[nodiscard]] bool MayRead(const std::string& spiffe_id, const Served& served) const;
  [[nodiscard]] bool MayReadSealed(const std::string& spiffe_id, const Served& served) const;

  const Options options_;
  const std::unique_ptr<Cosigner> cosigner_;
  const std::unique_ptr<StateDirectory> state_;
  const std::string folder_;
  const Clock& clock_;
  std::atomic<bool> stopped_ = false;

  // Where logs are pushed. Shared by those who judge partitions by the governance log, exclusive for whoever moves that.
  absl::Mutex judging_;
  std::unique_ptr<StateDirectory> pending_state_;
  // All copies were read after the start.
  std::atomic<bool> restored_ = false;
  // Of the thread that follows, by origin: what was said of each log's maps of subjects.
  std::map<std::string, Followed> judged_;

  // Of the thread that follows; governance_log_ is under judging_ where logs are pushed.
  Followed governance_;
  std::vector<Followed> partitions_;
  MirroredLog* governance_log_ = nullptr;
  std::optional<PromiseFolder> promises_;

  mutable absl::Mutex mutex_;
  // By LogName; only added to.
  std::map<std::string, Served> logs_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace custodian::node

#endif  // CUSTODIAN_SERVICES_NODE_MIRROR_H_

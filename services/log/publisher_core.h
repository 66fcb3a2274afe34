// The inside of Publisher: what its files share, publisher.cc (signing and publishing), publisher_witnesses.cc and publisher_mirrors.cc. Nobody else
// includes this.
#ifndef CUSTODIAN_SERVICES_LOG_PUBLISHER_CORE_H_
#define CUSTODIAN_SERVICES_LOG_PUBLISHER_CORE_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "services/log/due_logs.h"
#include "services/log/mirror_client.h"
#include "services/log/publisher.h"
#include "services/log/witness_client.h"

namespace custodian::log {

class Publisher::Core {
 public:
  Core(Options options, ledger::Policy policy, keys::KeyClient& keys, const rpc::HttpsClient& client)
      : options_(options), policy_(std::move(policy)), keys_(keys) {
    for (const ledger::Policy::Witness& witness : policy_.witnesses())
      witnesses_.emplace_back(witness, client, options_.mirrors.contains(witness.name));
  }

  void Add(const ledger::NoteVerifier& key, const tenants::LogReader& reader, Committed committed, const std::set<std::string>& mirrors);
  std::vector<std::function<void()>> Loops();
  void Notify(std::string_view origin);
  void Stop();
  absl::Status WaitWitnessed(std::string_view origin, std::uint64_t size, absl::Duration timeout);
  std::uint64_t WitnessedSize(std::string_view origin) {
    const absl::MutexLock lock(&mutex_);
    const Log* log = Find(origin);
    return log == nullptr ? 0 : log->witnessed_size;
  }
  const tenants::LogReader* FindReader(std::string_view origin) {
    const absl::MutexLock lock(&mutex_);
    const Log* log = Find(origin);
    return log == nullptr ? nullptr : &log->reader;
  }

 private:
  // A signed checkpoint on its way to a quorum; never changes.
  struct Candidate {
    ledger::Checkpoint checkpoint;
    // With the log's signature alone.
    ledger::Note note;
    // From what was published last, which most witnesses have.
    std::uint64_t proof_from = 0;
    std::vector<ledger::Hash> proof;
  };
  using CandidatePtr = std::shared_ptr<const Candidate>;

  // Never removed, so that a reference to one stays good.
  struct Log {
    Log(std::size_t log_index, ledger::NoteVerifier log_key, const tenants::LogReader& log_reader, Committed log_committed,
        std::set<std::string> log_mirrors)
        : index(log_index), key(std::move(log_key)), reader(log_reader), committed(std::move(log_committed)), mirrors(std::move(log_mirrors)) {}
    const std::size_t index;
    const ledger::NoteVerifier key;
    const tenants::LogReader& reader;
    const Committed committed;
    // By name, those that are sent its entries.
    const std::set<std::string> mirrors;

    // The publishing loop's that has the log at the moment.
    bool witnessed_known = false;
    absl::Time rest_until = absl::InfinitePast();
    absl::Time next_checkpoint = absl::InfinitePast();
    absl::Time refresh_at = absl::InfiniteFuture();

    // All that follows under mutex_.
    std::uint64_t witnessed_size = 0;
    // Signalled when that grows, and when all stops.
    absl::CondVar published;
    CandidatePtr candidate;
    // The same, also once it is published: mirrors that were not needed for that go on with it.
    CandidatePtr latest;
    // By index of the witness in the policy.
    std::map<std::size_t, ledger::NoteSignature> cosignatures;
    // A witness knows a larger size of ours, or the database has lost it: sign the present head instead.
    bool overtaken = false;
    // When the database was last known to have the candidate as signed.
    absl::Time stored_at = absl::InfinitePast();
  };
  // What is remembered of a log at a witness; the loop's that has the log at the moment.
  struct Memory {
    std::uint64_t size = 0;
    int failures = 0;
    absl::Time rest_until = absl::InfinitePast();
    // Sizes to try with a witness that does not say its own, the next one last.
    std::vector<std::uint64_t> guesses;
    // Of a mirror: the text of the checkpoint that it has taken as pending, its next entry, and the candidate that it has cosigned last.
    std::string pending{};
    std::uint64_t next_entry = 0;
    CandidatePtr cosigned{};
  };
  struct Witness {
    Witness(const ledger::Policy::Witness& peer, const rpc::HttpsClient& http, bool mirrors)
        : name(peer.name), is_mirror(mirrors), client(peer, http), mirror(peer, http) {}
    const std::string name;
    const bool is_mirror;
    const WitnessClient client;
    const MirrorClient mirror;
    DueLogs due;
    absl::Mutex mutex;
    // In a row; loops that fail together count once.
    int times_away ABSL_GUARDED_BY(mutex) = 0;
    absl::Time away_until ABSL_GUARDED_BY(mutex) = absl::InfinitePast();
    // References to values stay good.
    std::map<std::size_t, Memory> memories ABSL_GUARDED_BY(mutex);
  };

  Log* Find(std::string_view origin) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const auto found = by_origin_.find(origin);
    return found == by_origin_.end() ? nullptr : found->second;
  }
  Log& At(std::size_t index) {
    const absl::MutexLock lock(&mutex_);
    return logs_[index];
  }
  bool IsMet(const Log& log) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Duration RetryAfter(int failures) const;

  // Publishing: each returns when the log is to be looked at again.
  void RunPublishing();
  absl::StatusOr<absl::Time> PublishAndSign(Log& log);
  absl::Status LearnWitnessedSize(Log& log);
  absl::Status PublishIfWitnessed(Log& log);
  absl::StatusOr<absl::Time> MakeCandidate(Log& log);
  absl::StatusOr<Candidate> Sign(const Log& log, const ledger::Checkpoint& head, std::uint64_t witnessed_size);
  absl::Duration Spacing(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Witnesses.
  void RunWitness(Witness& witness, std::size_t index);
  absl::Time AskIfWanted(Witness& witness, std::size_t index, Log& log);
  // The witness's answer about the candidate, after whatever 409s it takes; what it has cosigned is put with the candidate.
  WitnessAnswer Ask(Witness& witness, std::size_t index, Log& log, const CandidatePtr& candidate, Memory& memory);
  // The candidate that it is to be asked about; none when it has cosigned that, or is not to be asked yet.
  CandidatePtr Wanted(const Witness& witness, std::size_t index, Log& log, const Memory& memory);
  absl::StatusOr<node::AddCheckpoint> MakeRequest(const Log& log, const Candidate& candidate, std::uint64_t old_size);
  // When the database had the candidate as signed: less than kStoredFor ago.
  absl::StatusOr<absl::Time> ConfirmStored(Log& log, const CandidatePtr& candidate);
  absl::Status LearnSize(const Witness& witness, const Log& log, const Candidate& candidate, Memory& memory);
  absl::Status HandleAhead(Log& log, const CandidatePtr& candidate, std::uint64_t witness_size);

  // Mirrors (publisher_mirrors.cc).
  // Whether the cosignatures of mirrors that are there would make the quorum with those of all witnesses: only then are these asked.
  bool MirrorsSuffice(const Log& log) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WarnIfNeverMet(const Log& log) const;
  // Everybody who may be asked about the candidate now is due.
  void Offer(Log& log);
  // The mirror has the candidate as pending: one request of entries, or what it takes to learn where the mirror is.
  WitnessAnswer SendEntries(Witness& mirror, std::size_t index, Log& log, const CandidatePtr& candidate, Memory& memory);
  WitnessAnswer HandleMirrorInfo(const MirrorAnswer& sent, std::uint64_t start, Log& log, const CandidatePtr& candidate, Memory& memory);
  void KeepCosignature(std::size_t witness, Log& log, const CandidatePtr& candidate, ledger::NoteSignature cosignature);
  void GiveUp(Log& log, const CandidatePtr& candidate);

  const Options options_;
  const ledger::Policy policy_;
  keys::KeyClient& keys_;
  // In the policy's order.
  std::deque<Witness> witnesses_;
  DueLogs publishing_;

  absl::Mutex mutex_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  std::deque<Log> logs_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Log*, std::less<>> by_origin_ ABSL_GUARDED_BY(mutex_);
  // Ends of the spacings of recent checkpoints: as many logs are busy.
  std::multiset<absl::Time> spacings_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace custodian::log

#endif  // CUSTODIAN_SERVICES_LOG_PUBLISHER_CORE_H_

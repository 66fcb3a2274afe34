#include "services/log/publisher.h"

#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "ledger/receipt.h"
#include "services/node/add_checkpoint.h"
#include "spdlog/spdlog.h"

namespace custodian::log {
namespace {

using ledger::Checkpoint;
using ledger::Note;
using ledger::NoteSignature;
using ledger::NoteVerifier;

// Rounds of 409 before a witness is left alone for a while.
constexpr int kConflictsMax = 3;

std::string Text(const absl::Status& status) { return std::string(status.message()); }

// The cosignature of `key` among the signature lines that a witness answered; it must verify on the checkpoint.
absl::StatusOr<NoteSignature> FindCosignature(const std::string& checkpoint_text, const NoteVerifier& key,
                                              const std::string& answer) {
  const absl::StatusOr<Note> answered = Note::Parse(checkpoint_text + "\n" + answer);
  if (!answered.ok()) return answered.status();
  for (const NoteSignature& signature : answered->signatures) {
    if (signature.name != key.name() || signature.key_id != key.key_id()) continue;
    const absl::StatusOr<absl::Time> time = ledger::VerifyCosignature(Note{checkpoint_text, {signature}}, key);
    if (!time.ok()) return time.status();
    return signature;
  }
  return absl::UnauthenticatedError("the answer has no cosignature of " + key.name());
}

}  // namespace

class Publisher::Core {
 public:
  Core(Options options, ledger::Policy policy, keys::KeyClient& keys, const rpc::HttpsClient& client)
      : options_(options), policy_(std::move(policy)), keys_(keys), client_(client) {}

  void Add(const NoteVerifier& key, const tenants::LogReader& reader) {
    const absl::MutexLock lock(&mutex_);
    logs_.try_emplace(key.name(), key, reader);
    Announce();
  }
  std::size_t witness_count() const { return policy_.witnesses().size(); }

  void RunPublishing();
  void RunWitness(std::size_t witness);
  void Notify(std::string_view origin) {
    const absl::MutexLock lock(&mutex_);
    const auto found = logs_.find(origin);
    if (found == logs_.end()) return;
    found->second.grew = true;
    Announce();
  }
  void Stop() {
    const absl::MutexLock lock(&mutex_);
    stopped_ = true;
    Announce();
  }
  absl::Status WaitWitnessed(std::string_view origin, std::uint64_t size, absl::Duration timeout);
  std::uint64_t WitnessedSize(std::string_view origin) {
    const absl::MutexLock lock(&mutex_);
    const auto found = logs_.find(origin);
    return found == logs_.end() ? 0 : found->second.witnessed_size;
  }
  const tenants::LogReader* FindReader(std::string_view origin) {
    const absl::MutexLock lock(&mutex_);
    const auto found = logs_.find(origin);
    return found == logs_.end() ? nullptr : &found->second.reader;
  }

 private:
  // A signed checkpoint on its way to a quorum.
  struct Candidate {
    Checkpoint checkpoint;
    // With the log's signature alone.
    Note note;
    // By index of the witness in the policy.
    std::map<std::size_t, NoteSignature> cosignatures;
    // A witness knows a larger size of ours: sign the present head instead.
    bool overtaken = false;
  };
  // Never removed, so that a reference to one stays good; key and reader never change.
  struct Log {
    Log(NoteVerifier log_key, const tenants::LogReader& log_reader) : key(std::move(log_key)), reader(log_reader) {}
    const NoteVerifier key;
    const tenants::LogReader& reader;
    bool witnessed_known = false;
    std::uint64_t witnessed_size = 0;
    std::optional<Candidate> candidate;
    // Since its head was read last.
    bool grew = true;
    absl::Time look_again = absl::InfinitePast();
    absl::Time rest_until = absl::InfinitePast();
    absl::Time next_checkpoint = absl::InfinitePast();
  };
  // What a witness's loop remembers of a log; only that loop uses it.
  struct Memory {
    std::uint64_t size = 0;
    absl::Time rest_until = absl::InfinitePast();
  };

  void Announce() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    ++changes_;
    changed_.SignalAll();
  }
  std::uint64_t Changes() {
    const absl::MutexLock lock(&mutex_);
    return changes_;
  }
  // Returns at once when something changed since `seen`, else after the interval; false once stopped.
  bool WaitForChange(std::uint64_t seen);
  std::vector<Log*> Logs();
  void PublishIfWitnessed(Log& log);
  absl::Status MakeCandidate(Log& log);
  // Whether the head is to be read now; then it counts as read.
  bool TakeGrowth(Log& log);
  absl::Status LearnWitnessedSize(Log& log);
  absl::Status Ask(std::size_t witness, Log& log, const Candidate& candidate, Memory& memory);
  absl::Status HandleConflict(Log& log, const Candidate& candidate, std::uint64_t witness_size);

  const Options options_;
  const ledger::Policy policy_;
  keys::KeyClient& keys_;
  const rpc::HttpsClient& client_;

  absl::Mutex mutex_;
  absl::CondVar changed_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  // Counts whatever a loop might wait for, so that nothing is missed between looking and waiting.
  std::uint64_t changes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::string, Log, std::less<>> logs_ ABSL_GUARDED_BY(mutex_);
};

std::vector<Publisher::Core::Log*> Publisher::Core::Logs() {
  const absl::MutexLock lock(&mutex_);
  std::vector<Log*> logs;
  for (auto& [origin, log] : logs_) logs.push_back(&log);
  return logs;
}

bool Publisher::Core::WaitForChange(std::uint64_t seen) {
  const absl::MutexLock lock(&mutex_);
  if (!stopped_ && changes_ == seen) changed_.WaitWithTimeout(&mutex_, options_.interval);
  return !stopped_;
}

void Publisher::Core::RunPublishing() {
  std::uint64_t seen = 0;
  do {
    seen = Changes();
    for (Log* log : Logs()) {
      if (log->rest_until > absl::Now()) continue;
      // Twice: what was published may have been overtaken by commits, and without a quorum a candidate is complete at once.
      for (int round = 0; round < 2; ++round) {
        PublishIfWitnessed(*log);
        if (const absl::Status status = MakeCandidate(*log); !status.ok()) {
          spdlog::error("event=checkpoint_not_made origin={} reason=\"{}\"", log->key.name(), Text(status));
          log->rest_until = absl::Now() + options_.retry;
          const absl::MutexLock lock(&mutex_);
          log->grew = true;
          break;
        }
      }
    }
  } while (WaitForChange(seen));
}

// Publishes the candidate once it has its quorum.
void Publisher::Core::PublishIfWitnessed(Log& log) {
  Checkpoint checkpoint;
  Note note;
  {
    const absl::MutexLock lock(&mutex_);
    if (!log.candidate) return;
    std::set<std::string> cosigned;
    for (const auto& [witness, signature] : log.candidate->cosignatures) cosigned.insert(policy_.witnesses()[witness].name);
    if (!policy_.IsMet(cosigned)) return;
    checkpoint = log.candidate->checkpoint;
    note = log.candidate->note;
    for (const auto& [witness, signature] : log.candidate->cosignatures) note.signatures.push_back(signature);
  }
  if (const absl::Status status = log.reader.Publish(checkpoint.size, note.Serialize()); !status.ok()) {
    spdlog::error("event=checkpoint_not_published origin={} size={} reason=\"{}\"", checkpoint.origin, checkpoint.size,
                  Text(status));
    log.rest_until = absl::Now() + options_.retry;
    return;
  }
  const absl::MutexLock lock(&mutex_);
  log.candidate.reset();
  log.witnessed_size = checkpoint.size;
  Announce();
}

bool Publisher::Core::TakeGrowth(Log& log) {
  const absl::Time now = absl::Now();
  const absl::MutexLock lock(&mutex_);
  if (log.candidate && !log.candidate->overtaken) return false;
  if (now < log.next_checkpoint || (!log.grew && !log.candidate && now < log.look_again)) return false;
  log.grew = false;
  log.look_again = now + options_.look_again;
  return true;
}

// Signs the head when it is past the published size, no other candidate is under way, and the last one was made long enough ago.
absl::Status Publisher::Core::MakeCandidate(Log& log) {
  if (absl::Status status = LearnWitnessedSize(log); !status.ok()) return status;
  if (!TakeGrowth(log)) return absl::OkStatus();
  const absl::StatusOr<tenants::LogReader::PendingCheckpoint> head = log.reader.Head();
  if (!head.ok()) return head.status();
  if (head->size <= log.witnessed_size) return absl::OkStatus();
  Candidate candidate;
  candidate.checkpoint = {log.key.name(), head->size, head->root};
  candidate.note.text = candidate.checkpoint.Serialize();
  absl::StatusOr<std::string> signature = keys_.SignCheckpoint(log.key.name(), head->size, head->root);
  if (!signature.ok()) return signature.status();
  candidate.note.signatures.push_back(ledger::LogSignature(log.key, *std::move(signature)));
  // Another key than the one that was announced: nobody would believe the checkpoint.
  if (const absl::StatusOr<Checkpoint> opened = ledger::OpenCheckpoint(candidate.note, log.key); !opened.ok())
    return opened.status();
  if (absl::Status status = log.reader.StoreSigned(head->size, candidate.note.Serialize()); !status.ok()) return status;
  log.next_checkpoint = absl::Now() + options_.spacing;
  const absl::MutexLock lock(&mutex_);
  log.candidate = std::move(candidate);
  Announce();
  return absl::OkStatus();
}

absl::Status Publisher::Core::LearnWitnessedSize(Log& log) {
  {
    const absl::MutexLock lock(&mutex_);
    if (log.witnessed_known) return absl::OkStatus();
  }
  std::uint64_t size = 0;
  const absl::StatusOr<std::string> published = log.reader.PublishedCheckpoint();
  if (published.ok()) {
    const absl::StatusOr<Note> note = Note::Parse(*published);
    const absl::StatusOr<Checkpoint> checkpoint = note.ok() ? Checkpoint::Parse(note->text) : note.status();
    if (!checkpoint.ok()) return absl::DataLossError("the published checkpoint cannot be read");
    size = checkpoint->size;
  } else if (!absl::IsNotFound(published.status())) {
    return published.status();
  }
  const absl::MutexLock lock(&mutex_);
  log.witnessed_known = true;
  log.witnessed_size = size;
  Announce();
  return absl::OkStatus();
}

void Publisher::Core::RunWitness(std::size_t witness) {
  std::map<const Log*, Memory> memories;
  const std::string& name = policy_.witnesses()[witness].name;
  std::uint64_t seen = 0;
  do {
    seen = Changes();
    for (Log* log : Logs()) {
      Memory& memory = memories[log];
      std::optional<Candidate> candidate;
      {
        const absl::MutexLock lock(&mutex_);
        if (stopped_) return;
        if (log->candidate && !log->candidate->overtaken && !log->candidate->cosignatures.contains(witness))
          candidate = log->candidate;
      }
      if (!candidate || memory.rest_until > absl::Now()) continue;
      if (const absl::Status status = Ask(witness, *log, *candidate, memory); !status.ok()) {
        spdlog::warn("event=witness_failed witness={} origin={} size={} reason=\"{}\"", name, log->key.name(),
                     candidate->checkpoint.size, Text(status));
        memory.rest_until = absl::Now() + options_.retry;
      }
    }
  } while (WaitForChange(seen));
}

absl::Status Publisher::Core::Ask(std::size_t witness, Log& log, const Candidate& candidate, Memory& memory) {
  const ledger::Policy::Witness& peer = policy_.witnesses()[witness];
  for (int round = 0; round <= kConflictsMax; ++round) {
    node::AddCheckpoint request{memory.size, {}, candidate.note};
    if (memory.size > 0) {
      absl::StatusOr<std::vector<ledger::Hash>> proof = log.reader.ConsistencyProof(memory.size, candidate.checkpoint.size);
      if (!proof.ok()) return proof.status();
      request.proof = *std::move(proof);
    }
    const std::string url = peer.url + (peer.url.ends_with('/') ? "" : "/") + "add-checkpoint";
    const absl::StatusOr<rpc::HttpResponse> response =
        client_.Send("POST", url, {{"content-type", "text/plain; charset=utf-8"}}, request.Serialize());
    if (!response.ok()) return response.status();
    if (response->status == 200) {
      absl::StatusOr<NoteSignature> cosignature = FindCosignature(candidate.note.text, peer.key, response->body);
      if (!cosignature.ok()) return cosignature.status();
      memory.size = candidate.checkpoint.size;
      const absl::MutexLock lock(&mutex_);
      if (log.candidate && log.candidate->note.text == candidate.note.text) {
        log.candidate->cosignatures.insert_or_assign(witness, *std::move(cosignature));
        Announce();
      }
      return absl::OkStatus();
    }
    if (response->status != 409) return absl::UnavailableError("the witness answered " + std::to_string(response->status));
    std::string_view body = response->body;
    if (body.ends_with('\n')) body.remove_suffix(1);
    const absl::StatusOr<std::uint64_t> size = ledger::ParseDecimal(body);
    if (!size.ok()) return absl::UnavailableError("the witness answered 409 without its size");
    if (*size > candidate.checkpoint.size) return HandleConflict(log, candidate, *size);
    memory.size = *size;
  }
  return absl::UnavailableError("the witness's size changes under us; does another process publish this log?");
}

// A witness says that it knows a larger size than the candidate's. Only our own signature on that size makes it true: otherwise
// one witness that lies would have every candidate discarded, whatever the others cosign.
absl::Status Publisher::Core::HandleConflict(Log& log, const Candidate& candidate, std::uint64_t witness_size) {
  const absl::StatusOr<tenants::LogReader::PendingCheckpoint> head = log.reader.Head();
  if (!head.ok()) return head.status();
  // The database is behind what was witnessed: it was rolled back. Nothing that is signed now could be consistent.
  if (head->size < witness_size)
    return absl::DataLossError("the witness says that it knows size " + std::to_string(witness_size) + ", the database only " +
                               std::to_string(head->size) + ": restore the log before writing");
  const absl::StatusOr<std::string> stored = log.reader.SignedCheckpoint(witness_size);
  if (!stored.ok() && !absl::IsNotFound(stored.status())) return stored.status();
  const absl::StatusOr<Note> note = stored.ok() ? Note::Parse(*stored) : stored.status();
  if (!note.ok() || !ledger::OpenCheckpoint(*note, log.key).ok())
    return absl::UnavailableError("the witness claims size " + std::to_string(witness_size) + ", which was never signed");
  const absl::MutexLock lock(&mutex_);
  if (log.candidate && log.candidate->note.text == candidate.note.text) {
    log.candidate->overtaken = true;
    Announce();
  }
  return absl::OkStatus();
}

absl::Status Publisher::Core::WaitWitnessed(std::string_view origin, std::uint64_t size, absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  const absl::MutexLock lock(&mutex_);
  const auto found = logs_.find(origin);
  if (found == logs_.end()) return absl::NotFoundError("no such log");
  while (found->second.witnessed_size < size) {
    if (stopped_) return absl::UnavailableError("stopping");
    if (absl::Now() >= deadline)
      return absl::DeadlineExceededError("size " + std::to_string(size) + " is not witnessed yet, only " +
                                         std::to_string(found->second.witnessed_size));
    changed_.WaitWithDeadline(&mutex_, deadline);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Publisher>> Publisher::Create(Options options, ledger::Policy policy, keys::KeyClient& keys,
                                                             const rpc::HttpsClient& client) {
  for (const ledger::Policy::Witness& witness : policy.witnesses())
    if (witness.url.empty()) return absl::InvalidArgumentError("witness " + witness.name + " of the policy has no URL");
  return std::unique_ptr<Publisher>(new Publisher(std::make_unique<Core>(options, std::move(policy), keys, client)));
}

Publisher::Publisher(std::unique_ptr<Core> core) : core_(std::move(core)) {}
Publisher::~Publisher() = default;

void Publisher::Add(const NoteVerifier& key, const tenants::LogReader& reader) { core_->Add(key, reader); }

std::vector<std::function<void()>> Publisher::Loops() {
  std::vector<std::function<void()>> loops = {[core = core_.get()] { core->RunPublishing(); }};
  for (std::size_t witness = 0; witness < core_->witness_count(); ++witness)
    loops.emplace_back([core = core_.get(), witness] { core->RunWitness(witness); });
  return loops;
}

void Publisher::Notify(std::string_view origin) { core_->Notify(origin); }
void Publisher::Stop() { core_->Stop(); }

absl::Status Publisher::WaitWitnessed(std::string_view origin, std::uint64_t size, absl::Duration timeout) const {
  return core_->WaitWitnessed(origin, size, timeout);
}

std::uint64_t Publisher::WitnessedSize(std::string_view origin) const { return core_->WitnessedSize(origin); }

absl::StatusOr<std::string> Publisher::MakeReceipt(std::string_view origin, std::uint64_t index) const {
  const tenants::LogReader* reader = core_->FindReader(origin);
  if (reader == nullptr) return absl::NotFoundError("no such log");
  return ReceiptOf(*reader, index);
}

absl::StatusOr<std::string> ReceiptOf(const tenants::LogReader& reader, std::uint64_t index) {
  const absl::StatusOr<tenants::LogReader::PendingCheckpoint> head = reader.Head();
  if (!head.ok()) return head.status();
  if (index >= head->size) return absl::NotFoundError("the log has no entry " + std::to_string(index) + " yet");
  absl::StatusOr<std::string> checkpoint = reader.CheckpointCovering(index + 1);
  if (absl::IsNotFound(checkpoint.status()))
    return absl::UnavailableError("entry " + std::to_string(index) + " is not witnessed yet");
  if (!checkpoint.ok()) return checkpoint.status();
  const absl::StatusOr<Note> note = Note::Parse(*checkpoint);
  const absl::StatusOr<Checkpoint> parsed = note.ok() ? Checkpoint::Parse(note->text) : note.status();
  if (!parsed.ok()) return absl::DataLossError("a published checkpoint cannot be read");
  absl::StatusOr<std::vector<std::string>> leaves = reader.Leaves(index, 1);
  if (!leaves.ok()) return leaves.status();
  if (leaves->size() != 1) return absl::DataLossError("the log has no leaf " + std::to_string(index));
  absl::StatusOr<std::vector<ledger::Hash>> proof = reader.InclusionProof(index, parsed->size);
  if (!proof.ok()) return proof.status();
  return ledger::Receipt{std::move(leaves->front()), index, *std::move(proof), *std::move(checkpoint)}.Serialize();
}

}  // namespace custodian::log

#include "services/log/publisher.h"

#include <algorithm>
#include <optional>

#include "absl/time/clock.h"
#include "services/log/publisher_core.h"
#include "spdlog/spdlog.h"

namespace custodian::log {
namespace {

using ledger::Checkpoint;
using ledger::Note;
using ledger::NoteVerifier;

std::string Text(const absl::Status& status) { return std::string(status.message()); }

}  // namespace

void Publisher::Core::Add(const NoteVerifier& key, const tenants::LogReader& reader, Committed committed, const std::set<std::string>& mirrors) {
  std::size_t index = 0;
  {
    const absl::MutexLock lock(&mutex_);
    if (by_origin_.contains(key.name())) return;
    index = logs_.size();
    by_origin_.emplace(key.name(), &logs_.emplace_back(index, key, reader, std::move(committed), mirrors));
    WarnIfNeverMet(logs_.back());
  }
  publishing_.Add(index, absl::Now());
}

void Publisher::Core::Notify(std::string_view origin) {
  std::size_t index = 0;
  {
    const absl::MutexLock lock(&mutex_);
    const Log* log = Find(origin);
    if (log == nullptr) return;
    index = log->index;
  }
  publishing_.Add(index, absl::Now());
}

void Publisher::Core::Stop() {
  publishing_.Stop();
  for (Witness& witness : witnesses_) witness.due.Stop();
  const absl::MutexLock lock(&mutex_);
  stopped_ = true;
  for (Log& log : logs_) log.published.SignalAll();
}

std::vector<std::function<void()>> Publisher::Core::Loops() {
  std::vector<std::function<void()>> loops;
  for (int i = 0; i < options_.publishing_loops; ++i) loops.emplace_back([this] { RunPublishing(); });
  for (std::size_t index = 0; index < witnesses_.size(); ++index)
    for (int i = 0; i < options_.witness_loops; ++i) loops.emplace_back([this, index] { RunWitness(witnesses_[index], index); });
  return loops;
}

bool Publisher::Core::IsMet(const Log& log) {
  std::set<std::string> cosigned;
  for (const auto& [witness, signature] : log.cosignatures) cosigned.insert(policy_.witnesses()[witness].name);
  return policy_.IsMet(cosigned);
}

absl::Duration Publisher::Core::RetryAfter(int failures) const {
  absl::Duration rest = options_.retry;
  for (int i = 1; i < failures && rest < options_.retry_max; ++i) rest *= 2;
  return std::min(rest, options_.retry_max);
}

void Publisher::Core::RunPublishing() {
  while (const std::optional<std::size_t> index = publishing_.Take()) {
    Log& log = At(*index);
    absl::Time next = log.rest_until;
    if (next <= absl::Now()) {
      const absl::StatusOr<absl::Time> done = PublishAndSign(log);
      if (done.ok()) {
        next = *done;
      } else {
        spdlog::error("event=checkpoint_not_published origin={} reason=\"{}\"", log.key.name(), Text(done.status()));
        next = log.rest_until = absl::Now() + options_.retry;
      }
    }
    publishing_.Done(*index, next);
  }
}

absl::StatusOr<absl::Time> Publisher::Core::PublishAndSign(Log& log) {
  if (absl::Status status = LearnWitnessedSize(log); !status.ok()) return status;
  if (absl::Status status = PublishIfWitnessed(log); !status.ok()) return status;
  absl::StatusOr<absl::Time> next = MakeCandidate(log);
  // Where no quorum is wanted it is complete at once.
  if (next.ok())
    if (absl::Status status = PublishIfWitnessed(log); !status.ok()) return status;
  return next;
}

absl::Status Publisher::Core::LearnWitnessedSize(Log& log) {
  if (log.witnessed_known) return absl::OkStatus();
  const absl::StatusOr<std::string> published = log.reader.PublishedCheckpoint();
  if (!published.ok() && !absl::IsNotFound(published.status())) return published.status();
  if (published.ok()) {
    const absl::StatusOr<Note> note = Note::Parse(*published);
    const absl::StatusOr<Checkpoint> checkpoint = note.ok() ? Checkpoint::Parse(note->text) : note.status();
    if (!checkpoint.ok()) return absl::DataLossError("the published checkpoint cannot be read");
    const absl::StatusOr<absl::Time> witnessed_at = policy_.WitnessedAt(*note);
    // A mirror may be new: it is sent a log that does not grow, too.
    log.refresh_at = log.mirrors.empty() ? (witnessed_at.ok() ? *witnessed_at : absl::Now()) + options_.refresh : absl::InfinitePast();
    const absl::MutexLock lock(&mutex_);
    log.witnessed_size = checkpoint->size;
    log.published.SignalAll();
  }
  log.witnessed_known = true;
  return absl::OkStatus();
}

// Publishes the candidate once it has its quorum.
absl::Status Publisher::Core::PublishIfWitnessed(Log& log) {
  CandidatePtr candidate;
  Note note;
  {
    const absl::MutexLock lock(&mutex_);
    if (log.candidate == nullptr || !IsMet(log)) return absl::OkStatus();
    candidate = log.candidate;
    note = candidate->note;
    for (const auto& [witness, signature] : log.cosignatures) note.signatures.push_back(signature);
  }
  if (absl::Status status = log.reader.Publish(candidate->checkpoint.size, note.Serialize()); !status.ok()) return status;
  log.refresh_at = absl::Now() + options_.refresh;
  const absl::MutexLock lock(&mutex_);
  log.candidate = nullptr;
  log.witnessed_size = candidate->checkpoint.size;
  log.published.SignalAll();
  return absl::OkStatus();
}

// Signs the committed head when it is past the published size, or that is due for a refresh, no other candidate is under way, and the
// last one was made long enough ago.
absl::StatusOr<absl::Time> Publisher::Core::MakeCandidate(Log& log) {
  const absl::Time now = absl::Now();
  const Checkpoint head = log.committed();
  std::uint64_t witnessed_size = 0;
  {
    const absl::MutexLock lock(&mutex_);
    // A cosignature brings it back here, and a candidate that is overtaken is followed by a larger one.
    if (log.candidate != nullptr && (!log.overtaken || head.size <= log.candidate->checkpoint.size)) return now + options_.look_again;
    witnessed_size = log.witnessed_size;
  }
  if (head.size < witnessed_size || (head.size == witnessed_size && now < log.refresh_at)) return now + options_.look_again;
  if (head.size == 0) return now + options_.look_again;
  if (now < log.next_checkpoint) return log.next_checkpoint;
  absl::StatusOr<Candidate> candidate = Sign(log, head, witnessed_size);
  if (!candidate.ok()) return candidate.status();
  {
    const absl::MutexLock lock(&mutex_);
    log.candidate = log.latest = std::make_shared<const Candidate>(*std::move(candidate));
    log.cosignatures.clear();
    log.overtaken = false;
    log.stored_at = now;
    log.next_checkpoint = now + Spacing(now);
  }
  Offer(log);
  return now + options_.look_again;
}

// Between this checkpoint and the next of the same log.
absl::Duration Publisher::Core::Spacing(absl::Time now) {
  spacings_.erase(spacings_.begin(), spacings_.lower_bound(now));
  const absl::Duration spacing = std::max(options_.spacing, options_.spacing_overall * static_cast<double>(spacings_.size() + 1));
  spacings_.insert(now + spacing);
  return spacing;
}

// Signed, and stored as signed in a transaction that the synchronous standby confirms, before it is offered to anybody.
absl::StatusOr<Publisher::Core::Candidate> Publisher::Core::Sign(const Log& log, const Checkpoint& head,
                                                                 std::uint64_t witnessed_size) {
  Candidate candidate;
  candidate.checkpoint = head;
  candidate.note.text = head.Serialize();
  absl::StatusOr<std::string> signature = keys_.SignCheckpoint(log.key.name(), head.size, head.root);
  if (!signature.ok()) return signature.status();
  candidate.note.signatures.push_back(ledger::LogSignature(log.key, *std::move(signature)));
  // Another key than the one that was announced: nobody would believe the checkpoint.
  if (const absl::StatusOr<Checkpoint> opened = ledger::OpenCheckpoint(candidate.note, log.key); !opened.ok())
    return opened.status();
  // Refused when the database has another root of that size.
  if (absl::Status status = log.reader.StoreSigned(head.size, candidate.note.Serialize()); !status.ok()) return status;
  candidate.proof_from = witnessed_size;
  if (witnessed_size > 0 && witnessed_size < head.size && !witnesses_.empty()) {
    absl::StatusOr<std::vector<ledger::Hash>> proof = log.reader.ConsistencyProof(witnessed_size, head.size);
    if (!proof.ok()) return proof.status();
    candidate.proof = *std::move(proof);
  }
  return candidate;
}

absl::Status Publisher::Core::WaitWitnessed(std::string_view origin, std::uint64_t size, absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  const absl::MutexLock lock(&mutex_);
  Log* log = Find(origin);
  if (log == nullptr) return absl::NotFoundError("no such log");
  while (log->witnessed_size < size) {
    if (stopped_) return absl::UnavailableError("stopping");
    if (absl::Now() >= deadline)
      return absl::DeadlineExceededError("size " + std::to_string(size) + " is not witnessed yet, only " +
                                         std::to_string(log->witnessed_size));
    log->published.WaitWithDeadline(&mutex_, deadline);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Publisher>> Publisher::Create(Options options, ledger::Policy policy, keys::KeyClient& keys,
                                                             const rpc::HttpsClient& client) {
  for (const ledger::Policy::Witness& witness : policy.witnesses())
    if (witness.url.empty()) return absl::InvalidArgumentError("witness " + witness.name + " of the policy has no URL");
  for (const std::string& mirror : options.mirrors)
    if (std::none_of(policy.witnesses().begin(), policy.witnesses().end(), [&](const auto& witness) { return witness.name == mirror; }))
      return absl::InvalidArgumentError("mirror " + mirror + " is none of the policy's witnesses");
  return std::unique_ptr<Publisher>(new Publisher(std::make_unique<Core>(options, std::move(policy), keys, client)));
}

Publisher::Publisher(std::unique_ptr<Core> core) : core_(std::move(core)) {}
Publisher::~Publisher() = default;

void Publisher::Add(const NoteVerifier& key, const tenants::LogReader& reader, Committed committed, const std::set<std::string>& mirrors) {
  core_->Add(key, reader, std::move(committed), mirrors);
}
std::vector<std::function<void()>> Publisher::Loops() { return core_->Loops(); }
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

}  // namespace custodian::log

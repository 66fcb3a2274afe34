#include "tenants/partition_writer.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <deque>
#include <pqxx/pqxx>
#include <set>
#include <span>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "fmt/format.h"
#include "spdlog/spdlog.h"
#include "tenants/commit_plan.h"
#include "tenants/commit_promises.h"
#include "tenants/log_state.h"
#include "tenants/patient_changes.h"
#include "tenants/queued_write.h"
#include "tenants/retry_after.h"

namespace custodian::tenants {
namespace {

// Of one commit; a single larger write still gets a commit of its own.
constexpr std::size_t kBatchBytesMax = 8 << 20;
constexpr std::size_t kQueueBytesMax = 256 << 20;
// Fewer writes than that are not worth waiting for.
constexpr double kExpectedMin = 2;
// Of the last batch, in what is expected of the next.
constexpr double kNewShare = 0.2;
// A server that restarts is waited for this long before its writes are given back.
constexpr absl::Duration kRetryFor = absl::Seconds(20);
constexpr absl::Duration kSettleFor = absl::Seconds(30);
constexpr absl::Duration kBackoff = absl::Milliseconds(50);
constexpr absl::Duration kBackoffMax = absl::Seconds(1);
// What who finds the queue full is told to wait, at least and at most.
constexpr absl::Duration kRetryAfterMin = absl::Milliseconds(100);
constexpr absl::Duration kRetryAfterMax = absl::Seconds(10);

// May be cured by waiting, and surely changed nothing.
bool IsTransient(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsAborted(status) || absl::IsDeadlineExceeded(status);
}

// An epoch that no writer ever had: by chance, since a log that went back (a restored backup, a standby that lacked the last commits) has also
// forgotten which epochs were given out.
std::int64_t NewEpochAfter(std::int64_t epoch) {
  std::uint32_t jump = 0;
  std::memcpy(&jump, RandomBytes(sizeof(jump)).data(), sizeof(jump));
  return epoch + 1 + jump;
}

// The server refused what one of the writes brought along.
bool IsPoison(const absl::Status& status) {
  return absl::IsAlreadyExists(status) || absl::IsInvalidArgument(status) || absl::IsFailedPrecondition(status) ||
         absl::IsInternal(status) || absl::IsPermissionDenied(status);
}

}  // namespace

class PartitionWriter::Core {
 public:
  Core(Options options, const Database& database, const ledger::Signer& signer, const Roster& roster, const Clock& network_clock,
       LogState state)
      : options_(std::move(options)),
        database_(database),
        signer_(signer),
        roster_(roster),
        clock_(network_clock),
        state_(std::move(state)),
        changes_(state_.size()),
        size_(state_.size()),
        committed_{options_.origin, state_.size(), state_.Root()} {}

  ~Core() { FailQueue(absl::UnavailableError("the partition writer has stopped")); }

  void Submit(Write write, Done done);
  void Run();
  void Stop() {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  void OnCommit(std::function<void()> callback) {
    absl::MutexLock lock(&mutex_);
    callbacks_.push_back(std::move(callback));
  }
  void Fence(absl::Status why) {
    spdlog::error("event=writer_fenced alarm=true partition={} reason=\"{}\"", options_.origin, std::string(why.message()));
    absl::MutexLock lock(&mutex_);
    fenced_ = std::move(why);
  }
  [[nodiscard]] const std::string& origin() const { return options_.origin; }
  [[nodiscard]] std::uint64_t size() const { return size_.load(std::memory_order_acquire); }
  [[nodiscard]] ledger::Checkpoint committed() const {
    absl::MutexLock lock(&committed_mutex_);
    return committed_;
  }
  [[nodiscard]] bool IsUnchangedSince(const PatientId& patient, std::uint64_t position) const { return changes_.IsUnchangedSince(patient, position); }
  [[nodiscard]] RecentSubjects& subjects() { return subjects_; }

 private:
  using Writes = std::span<QueuedWrite* const>;

  // Not OK when nothing more is taken now.
  absl::Status HasRoom(std::size_t bytes) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::vector<std::unique_ptr<QueuedWrite>> TakeBatch();
  void FailQueue(const absl::Status& status);
  bool Ready() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stopping_ || !queue_.empty(); }
  bool Gathered() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stopping_ || queue_.size() >= std::min(last_writes_, options_.gather_writes); }
  void NoteBatch(std::size_t writes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // The rest is the writer thread's own.
  void Commit(Writes writes);
  // The status of one try: OK (answers are given), or what went wrong.
  absl::Status Try(Writes writes);
  // AlreadyExists, without answers: nothing was changed, and they must be looked up.
  absl::Status TryPlan(Writes writes, bool with_answers);
  absl::Status Execute(const CommitPlan& plan);
  // Learns what a COMMIT in doubt did: true when the log is as the plan left it, false when it is as before.
  absl::StatusOr<bool> Settle(const CommitPlan& plan);
  absl::Status Reload();
  void Deliver(Writes writes, std::vector<absl::StatusOr<Admitted>> outcomes);
  void Refuse(Writes writes, const absl::Status& status);
  void MoveTo(LogState state);
  bool Pause(absl::Duration duration);
  absl::Status fenced() {
    absl::MutexLock lock(&mutex_);
    return fenced_;
  }

  const Options options_;
  const Database& database_;
  const ledger::Signer& signer_;
  const Roster& roster_;
  const Clock& clock_;

  absl::Mutex mutex_;
  std::deque<std::unique_ptr<QueuedWrite>> queue_ ABSL_GUARDED_BY(mutex_);
  std::size_t queue_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  // Why nothing is written any more; OK as long as something is.
  absl::Status fenced_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::function<void()>> callbacks_ ABSL_GUARDED_BY(mutex_);

  // What is to be expected: how many writes the last batch was of, and how many came in a second, of late.
  std::size_t last_writes_ ABSL_GUARDED_BY(mutex_) = 0;
  double writes_per_second_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Time last_batch_ ABSL_GUARDED_BY(mutex_) = absl::Now();

  LogState state_;
  // False after a doubt that could not be settled: the next commit begins with Reload().
  bool state_known_ = true;
  KnownConsents consents_;
  // Of our own too: what Settle() gives a head that is as before, which it may have got although nobody answered; 0 when there is none.
  std::int64_t settling_epoch_ = 0;
  PatientChanges changes_;
  RecentSubjects subjects_;
  std::atomic<std::uint64_t> size_;
  mutable absl::Mutex committed_mutex_;
  ledger::Checkpoint committed_ ABSL_GUARDED_BY(committed_mutex_);
};

absl::Status PartitionWriter::Core::HasRoom(std::size_t bytes) const {
  if (!fenced_.ok()) return fenced_;
  if (stopping_ || finished_) return absl::UnavailableError("the partition writer has stopped");
  if (queue_.size() < options_.queue_max && queue_bytes_ + bytes <= kQueueBytesMax) return absl::OkStatus();
  const absl::Duration drained = absl::Seconds(static_cast<double>(queue_.size()) / std::max(writes_per_second_, 1.0));
  const absl::Duration wait = std::clamp(drained, kRetryAfterMin, kRetryAfterMax);
  return WithRetryAfter(absl::ResourceExhaustedError(fmt::format("the write queue of {} is full; retry after {} ms", options_.origin,
                                                                 absl::ToInt64Milliseconds(wait))),
                        wait);
}

void PartitionWriter::Core::Submit(Write write, Done done) {
  absl::Status refused;
  {
    // What finds no room is not worth checking.
    const absl::MutexLock lock(&mutex_);
    refused = HasRoom(0);
  }
  if (!refused.ok()) return done(refused);
  auto queued = CheckWrite(std::move(write), options_, signer_.public_key(), roster_);
  if (!queued.ok()) return done(queued.status());
  {
    const absl::MutexLock lock(&mutex_);
    refused = HasRoom((*queued)->bytes);
    if (refused.ok()) {
      (*queued)->done = std::move(done);
      queue_bytes_ += (*queued)->bytes;
      queue_.push_back(*std::move(queued));
      return;
    }
  }
  done(refused);
}

std::vector<std::unique_ptr<QueuedWrite>> PartitionWriter::Core::TakeBatch() {
  std::vector<std::unique_ptr<QueuedWrite>> batch;
  // The first key of each write so far, and its author: the key first, which tells two apart sooner.
  std::set<std::pair<std::string_view, std::string_view>> keys;
  std::size_t entries = 0;
  std::size_t bytes = 0;
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(this, &Core::Ready));
  if (last_writes_ > 1 && writes_per_second_ * absl::ToDoubleSeconds(options_.gather) >= kExpectedMin)
    mutex_.AwaitWithTimeout(absl::Condition(this, &Core::Gathered), options_.gather);
  while (!queue_.empty()) {
    const QueuedWrite& next = *queue_.front();
    if (!batch.empty() && (entries + next.entries() > options_.batch_entries_max || batch.size() >= options_.batch_entries_max ||
                           bytes + next.bytes > kBatchBytesMax)) {
      break;
    }
    // The second of two equal writes waits for the next commit, where it finds the first one's answer. Writes that have only some key in common do
    // not get into one commit either: the key is unique in the database, and they are bisected.
    if (!keys.emplace(next.items.front().key, next.items.front().author).second) break;
    entries += next.entries();
    bytes += next.bytes;
    queue_bytes_ -= next.bytes;
    batch.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  NoteBatch(batch.size());
  return batch;
}

void PartitionWriter::Core::NoteBatch(std::size_t writes) {
  const absl::Time now = absl::Now();
  // A clock that was set back ends nothing but the estimate.
  const double seconds = std::max(absl::ToDoubleSeconds(now - last_batch_), 1e-4);
  last_batch_ = now;
  last_writes_ = writes;
  writes_per_second_ += kNewShare * (static_cast<double>(writes) / seconds - writes_per_second_);
}

void PartitionWriter::Core::FailQueue(const absl::Status& status) {
  std::deque<std::unique_ptr<QueuedWrite>> refused;
  {
    absl::MutexLock lock(&mutex_);
    refused.swap(queue_);
    queue_bytes_ = 0;
  }
  for (const auto& write : refused) write->done(status);
}

void PartitionWriter::Core::Run() {
  while (true) {
    const auto batch = TakeBatch();
    // Stop() lets what was accepted finish.
    if (batch.empty()) break;
    std::vector<QueuedWrite*> writes;
    for (const auto& write : batch) writes.push_back(write.get());
    Commit(writes);
  }
  {
    absl::MutexLock lock(&mutex_);
    finished_ = true;
  }
  FailQueue(absl::UnavailableError("the partition writer has stopped"));
}

void PartitionWriter::Core::Commit(Writes writes) {
  const absl::Time deadline = absl::Now() + kRetryFor;
  absl::Duration backoff = kBackoff;
  while (true) {
    const absl::Status status = Try(writes);
    if (status.ok()) return;
    if (IsTransient(status) && absl::Now() < deadline && Pause(backoff)) {
      backoff = std::min(backoff * 2, kBackoffMax);
      continue;
    }
    if (!IsPoison(status) || writes.size() == 1) return Refuse(writes, status);
    // One of them is at fault: each half gets a commit, and indexes, of its own.
    const std::size_t half = writes.size() / 2;
    Commit(writes.first(half));
    Commit(writes.subspan(half));
    return;
  }
}

absl::Status PartitionWriter::Core::Try(Writes writes) {
  if (!state_known_) {
    if (absl::Status status = Reload(); !status.ok()) return status;
  }
  if (absl::Status why = fenced(); !why.ok()) {
    Refuse(writes, why);
    return absl::OkStatus();
  }
  absl::Status status = TryPlan(writes, /*with_answers=*/false);
  if (absl::IsAlreadyExists(status)) status = TryPlan(writes, /*with_answers=*/true);
  return status;
}

absl::Status PartitionWriter::Core::TryPlan(Writes writes, bool with_answers) {
  const auto lookups = LookUp(database_, writes, with_answers, consents_);
  if (!lookups.ok()) return lookups.status();
  const PlanContext context{options_, signer_, roster_, clock_.Now(), absl::Now()};
  auto plan = MakePlan(context, state_, writes, *lookups);
  if (!plan.ok()) {
    Refuse(writes, plan.status());
    return absl::OkStatus();
  }
  // What would be refused now may have been admitted before.
  if (!with_answers && std::ranges::any_of(plan->outcomes, [](const auto& outcome) { return !outcome.ok(); }))
    return absl::AlreadyExistsError("one of the writes may have been answered before");
  if (plan->changes) {
    if (absl::Status status = Execute(*plan); !status.ok()) return status;
    for (const auto& [patient, version] : plan->consent_versions) consents_.Set(patient, version);
    // Rows without an entry do not move the log: then it counts as changed until it has moved.
    changes_.Note(plan->changed_charts, plan->next.size() + (plan->leaves.empty() ? 1 : 0));
    subjects_.Note(plan->size_before, std::move(plan->subjects));
    MoveTo(std::move(plan->next));
  }
  Deliver(writes, std::move(plan->outcomes));
  return absl::OkStatus();
}

absl::Status PartitionWriter::Core::Execute(const CommitPlan& plan) {
  bool lost_head = false;
  absl::Status status = ExecutePlan(database_, plan, lost_head);
  if (lost_head) {
    changes_.Forget();
    consents_.Forget();
    state_known_ = false;
    return status;
  }
  if (!absl::IsUnknown(status)) return status;
  changes_.Forget();
  consents_.Forget();
  spdlog::warn("partition {}: a COMMIT is in doubt, reading the head", options_.origin);
  const auto committed = Settle(plan);
  if (!committed.ok()) {
    state_known_ = false;
    return absl::UnknownError(fmt::format("the outcome of a write to {} is in doubt; send it again with the same idempotency key",
                                          options_.origin));
  }
  if (*committed) return absl::OkStatus();
  return absl::AbortedError("the commit did not take place");
}

absl::StatusOr<bool> PartitionWriter::Core::Settle(const CommitPlan& plan) {
  if (settling_epoch_ == 0) settling_epoch_ = NewEpochAfter(state_.epoch);
  const absl::Time deadline = absl::Now() + kSettleFor;
  absl::Duration backoff = kBackoff;
  while (true) {
    // Waits for the head's row lock, so that a commit that has it has ended when the head is read. One that is still on its way to the head comes too
    // late: its epoch is over.
    absl::StatusOr<LogState> found = absl::UnknownError("not read");
    bool committed = false;
    const absl::Status status = database_.Write([&](WriteTransaction& transaction) -> absl::Status {
      found = LogState::LoadLocked(transaction);
      if (!found.ok()) return found.status();
      if (found->epoch != state_.epoch) return absl::OkStatus();
      committed = found->size() == plan.next.size() && found->Root() == plan.next.Root() && plan.next.size() != plan.size_before;
      if (!committed) transaction.sql().exec_params("UPDATE ledger.head SET epoch = $1", settling_epoch_);
      return absl::OkStatus();
    });
    if (status.ok()) {
      // As before, or another writer's: whatever is stored, equal writes find their answers in it.
      if (!committed) state_known_ = false;
      return committed;
    }
    if (absl::IsDataLoss(status) || absl::Now() >= deadline) return status;
    absl::SleepFor(backoff);
    backoff = std::min(backoff * 2, kBackoffMax);
  }
}

absl::Status PartitionWriter::Core::Reload() {
  absl::StatusOr<LogState> found = absl::UnavailableError("not read");
  const absl::Status status = database_.Write([&found](WriteTransaction& transaction) -> absl::Status {
    found = LogState::LoadLocked(transaction);
    return found.status();
  });
  if (!status.ok()) {
    return absl::IsUnknown(status) ? absl::UnavailableError("the head of the log could not be read") : status;
  }
  if (found->epoch != state_.epoch && found->epoch != settling_epoch_) {
    Fence(absl::UnavailableError(fmt::format("another writer has taken over {}", options_.origin)));
    return absl::OkStatus();
  }
  // What was committed is not there any more: writing on would fork what was signed and promised.
  if (found->size() < state_.size() || (found->size() == state_.size() && found->Root() != state_.Root())) {
    Fence(absl::DataLossError(fmt::format("log {} has {} entries, and had {}: its database went back to an earlier state; refill it before writing",
                                          options_.origin, found->size(), state_.size())));
    return absl::OkStatus();
  }
  MoveTo(*std::move(found));
  state_known_ = true;
  settling_epoch_ = 0;
  return absl::OkStatus();
}

void PartitionWriter::Core::MoveTo(LogState state) {
  state_ = std::move(state);
  {
    absl::MutexLock lock(&committed_mutex_);
    committed_ = {options_.origin, state_.size(), state_.Root()};
  }
  size_.store(state_.size(), std::memory_order_release);
}

void PartitionWriter::Core::Deliver(Writes writes, std::vector<absl::StatusOr<Admitted>> outcomes) {
  AddPromises(options_, signer_, writes, outcomes);
  for (std::size_t i = 0; i < writes.size(); ++i) writes[i]->done(std::move(outcomes[i]));
  std::vector<std::function<void()>> callbacks;
  {
    absl::MutexLock lock(&mutex_);
    callbacks = callbacks_;
  }
  for (const auto& callback : callbacks) callback();
}

void PartitionWriter::Core::Refuse(Writes writes, const absl::Status& status) {
  for (QueuedWrite* write : writes) write->done(status);
}

// False when the writer is stopping: what was accepted gets its answer now.
bool PartitionWriter::Core::Pause(absl::Duration duration) {
  absl::MutexLock lock(&mutex_);
  return !mutex_.AwaitWithTimeout(absl::Condition(&stopping_), duration);
}

PartitionWriter::PartitionWriter(std::unique_ptr<Core> core) : core_(std::move(core)) {}
PartitionWriter::~PartitionWriter() = default;

absl::StatusOr<std::unique_ptr<PartitionWriter>> PartitionWriter::Create(Options options, const Database& database,
                                                                         const ledger::Signer& signer, const Roster& roster,
                                                                         const Clock& network_clock) {
  absl::StatusOr<LogState> state = absl::UnavailableError("not read");
  const absl::Status status = database.Write([&state](WriteTransaction& transaction) -> absl::Status {
    state = LogState::LoadLocked(transaction);
    if (!state.ok()) return state.status();
    // From here on a writer that started earlier finds another epoch than its own.
    state->epoch = NewEpochAfter(state->epoch);
    transaction.sql().exec_params("UPDATE ledger.head SET epoch = $1", state->epoch);
    return absl::OkStatus();
  });
  if (!status.ok()) return absl::Status(status.code(), fmt::format("log {}: {}", options.origin, std::string(status.message())));
  return std::unique_ptr<PartitionWriter>(new PartitionWriter(
      std::make_unique<Core>(std::move(options), database, signer, roster, network_clock, *std::move(state))));
}

void PartitionWriter::Submit(Write write, Done done) { core_->Submit(std::move(write), std::move(done)); }
std::future<absl::StatusOr<Admitted>> PartitionWriter::Submit(Write write) {
  auto promise = std::make_shared<std::promise<absl::StatusOr<Admitted>>>();
  auto answer = promise->get_future();
  core_->Submit(std::move(write), [promise](absl::StatusOr<Admitted> admitted) { promise->set_value(std::move(admitted)); });
  return answer;
}
absl::StatusOr<Admitted> PartitionWriter::Apply(Write write) { return Submit(std::move(write)).get(); }
void PartitionWriter::Run() { core_->Run(); }
void PartitionWriter::Stop() { core_->Stop(); }
void PartitionWriter::Fence(absl::Status why) { core_->Fence(std::move(why)); }
const std::string& PartitionWriter::origin() const { return core_->origin(); }
std::uint64_t PartitionWriter::size() const { return core_->size(); }
ledger::Checkpoint PartitionWriter::committed() const { return core_->committed(); }
bool PartitionWriter::IsUnchangedSince(const PatientId& patient, std::uint64_t position) const { return core_->IsUnchangedSince(patient, position); }
RecentSubjects& PartitionWriter::subjects() { return core_->subjects(); }
void PartitionWriter::OnCommit(std::function<void()> callback) { core_->OnCommit(std::move(callback)); }

}  // namespace custodian::tenants

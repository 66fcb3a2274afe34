#include "services/log/subject_index.h"

#include <algorithm>
#include <chrono>
#include <future>
#include <utility>
#include <vector>

#include "ledger/entry.h"
#include "ledger/subject_audit.h"
#include "ledger/subject_list.h"
#include "spdlog/spdlog.h"

namespace custodian::log {
namespace {

// Taken in by one transaction, which bounds memory.
constexpr std::uint64_t kTakenAtOnce = 4'000;
// A map that would leave more uncovered is brought on first; verifiers allow twice as many.
constexpr std::uint64_t kLagMax = ledger::kSubjectMapLagMax / 2;

std::string Digest(const std::string& text) { return std::string(ledger::AsBytes(ledger::Sha256(text))); }

absl::Status Unreadable(std::uint64_t index) {
  return absl::InternalError("entry " + std::to_string(index) + " cannot be read, so its subject is not known");
}

absl::Status Stopped() { return absl::CancelledError("the map of subjects is brought on at the next start"); }

// The SUBJECT_MAP entry at `index` is the newest, unless it is one that verifiers refuse, and after which none is held against it.
void Remember(const ledger::v1::SubjectMap& map, std::uint64_t index, SubjectMapState& state) {
  const auto root = ledger::HashFromBytes(map.root());
  if (root.ok() && map.size() <= index && (!state.entered || map.size() > state.entered->size)) state.entered = {map.size(), *root, index};
}

absl::Status NotYet(const char* why) { return absl::UnavailableError(std::string("no list of this log's subjects can be proved now: ") + why); }

}  // namespace

absl::Status SubjectIndex::Step() {
  const absl::Status status = entering_ ? Conclude(absl::ZeroDuration()) : StepOn();
  if (!status.ok()) {
    state_.reset();
    // Due at once.
    stepped_ = absl::InfinitePast();
  }
  return status;
}

absl::Status SubjectIndex::StepOn() {
  if (is_damaged_.exchange(false)) return BeginAnew(absl::DataLossError("a list could not be proved by it"));
  if (!state_) {
    const absl::Status status = database_.ReadOne([this](tenants::ReadTransaction& transaction) -> absl::Status {
      auto state = ReadSubjectMap(transaction);
      if (state.ok()) state_ = *state;
      return state.status();
    });
    if (absl::IsDataLoss(status)) return BeginAnew(status);
    if (!status.ok()) return status;
  }
  const std::uint64_t size = writer_.size();
  const bool is_entered = state_->root == (state_->entered ? state_->entered->root : ledger::EmptySubjectRoot());
  if (size == state_->size && is_entered) return absl::OkStatus();
  const absl::Time now = clock_.Now();
  // A clock that is set back holds nothing up.
  if (stepped_ <= now && now - stepped_ < options_.period && size < state_->size + options_.entries_max) return absl::OkStatus();
  absl::Status status = size < state_->size ? JudgeLonger() : BringOn();
  if (status.ok()) stepped_ = now;
  return status;
}

// All entries are passed before a map is entered: among them may be one that was entered and not remembered, or that covers more than what was
// taken in so far.
absl::Status SubjectIndex::BringOn() {
  if (absl::Status status = CatchUp(); !status.ok()) return status;
  return Enter();
}

// The map covers more than this process's writer knows of.
absl::Status SubjectIndex::JudgeLonger() const {
  const auto head = log_.Head();
  if (!head.ok()) return head.status();
  if (head->size >= state_->size) return absl::AbortedError("another process writes this log");
  return BeginAnew(absl::DataLossError("it covers more entries than the log has"));
}

absl::Status SubjectIndex::CatchUp() {
  do {
    for (const std::uint64_t target = writer_.size(); state_->size < target;) {
      if (options_.stopped()) return Stopped();
      if (absl::Status status = TakeIn(std::min(kTakenAtOnce, target - state_->size)); !status.ok()) return status;
    }
  } while (writer_.size() > state_->size + kLagMax);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<tenants::RecentSubjects::Subject>> SubjectIndex::Subjects(std::uint64_t count) const {
  if (auto recent = writer_.subjects().Take(state_->size, count)) return *std::move(recent);
  const auto leaves = log_.Leaves(state_->size, count);
  if (!leaves.ok()) return leaves.status();
  std::vector<tenants::RecentSubjects::Subject> subjects;
  for (std::uint64_t i = 0; i < leaves->size(); ++i) {
    const auto leaf = ledger::ParseLeaf((*leaves)[i]);
    if (!leaf.ok()) return Unreadable(state_->size + i);
    subjects.push_back(leaf->entry.has_subject_map() ? std::nullopt : tenants::RecentSubjects::Subject(leaf->entry.subject()));
  }
  return subjects;
}

absl::StatusOr<ledger::v1::Entry> SubjectIndex::ReadEntry(std::uint64_t index) const {
  const auto leaves = log_.Leaves(index, 1);
  if (!leaves.ok()) return leaves.status();
  auto leaf = leaves->empty() ? absl::StatusOr<ledger::Leaf>(Unreadable(index)) : ledger::ParseLeaf(leaves->front());
  if (!leaf.ok()) return Unreadable(index);
  return std::move(leaf->entry);
}

absl::Status SubjectIndex::TakeIn(std::uint64_t count) {
  const auto subjects = Subjects(count);
  if (!subjects.ok()) return subjects.status();
  ledger::SubjectChanges changes;
  std::vector<std::pair<std::string, std::uint64_t>> entries;
  SubjectMapState next = *state_;
  for (std::uint64_t i = 0; i < subjects->size(); ++i) {
    const tenants::RecentSubjects::Subject& subject = (*subjects)[i];
    const std::uint64_t index = state_->size + i;
    if (!subject) {
      const auto entry = ReadEntry(index);
      if (!entry.ok()) return entry.status();
      Remember(entry->subject_map(), index, next);
    }
    if (!subject || subject->empty()) continue;
    ledger::SubjectValue& value = changes[ledger::SubjectKey(*subject)];
    ++value.count;
    value.last_index = index;
    entries.emplace_back(*subject, index);
  }
  const absl::Status status = database_.Write([&](tenants::WriteTransaction& transaction) -> absl::Status {
    const auto stored = LockSubjectMap(transaction);
    if (!stored.ok()) return stored.status();
    if (stored->size != state_->size || stored->root != state_->root) return absl::AbortedError("another process brought the map of subjects on");
    StoredSubjectPages pages(transaction);
    const auto root = ledger::ApplySubjectChanges(pages, state_->root, changes);
    if (!root.ok()) return root.status();
    AddSubjectEntries(transaction, entries);
    next.root = *root;
    next.size = state_->size + subjects->size();
    StoreSubjectMap(transaction, next);
    return absl::OkStatus();
  });
  if (absl::IsDataLoss(status)) return BeginAnew(status);
  if (status.ok()) state_ = next;
  return status;
}

absl::Status SubjectIndex::BeginAnew(absl::Status why) const {
  spdlog::error("event=subject_map_damaged origin={} reason=\"{}\"", writer_.origin(), std::string(why.message()));
  why.Update(database_.Write([](tenants::WriteTransaction& transaction) {
    ClearSubjectMap(transaction);
    return absl::OkStatus();
  }));
  return why;
}

absl::Status SubjectIndex::Enter() {
  const SubjectMapState& next = *state_;
  if (next.root == (next.entered ? next.entered->root : ledger::EmptySubjectRoot())) return absl::OkStatus();
  if (next.entered && next.size <= next.entered->size) return BeginAnew(absl::DataLossError("a map of subjects is remembered that the log has not"));
  tenants::Write write;
  ledger::v1::Entry entry;
  entry.set_kind(ledger::v1::KIND_SUBJECT_MAP);
  entry.mutable_subject_map()->set_size(next.size);
  entry.mutable_subject_map()->set_root(std::string(ledger::AsBytes(next.root)));
  write.request_digest = Digest("custodian/subject-map/v1\n" + writer_.origin() + "\n" + entry.subject_map().SerializeAsString());
  write.idempotency_key = write.request_digest;
  write.entries.push_back(std::move(entry));
  entering_.emplace(Entering{next, writer_.Submit(std::move(write))});
  return Conclude(options_.wait);
}

// A writer that waits for its database takes its time, and must not hold up the maps of others: what it answers later, a later step takes.
absl::Status SubjectIndex::Conclude(absl::Duration wait) {
  if (entering_->answer.wait_for(absl::ToChronoMilliseconds(wait)) != std::future_status::ready) return absl::OkStatus();
  SubjectMapState next = entering_->state;
  const auto admitted = entering_->answer.get();
  entering_.reset();
  if (!admitted.ok()) return admitted.status();
  next.entered = {next.size, next.root, admitted->first_index};
  const absl::Status status = database_.Write([&](tenants::WriteTransaction& transaction) -> absl::Status {
    const auto stored = LockSubjectMap(transaction);
    if (!stored.ok()) return stored.status();
    if (stored->size != next.size || stored->root != next.root) return absl::AbortedError("another process brought the map of subjects on");
    StoreSubjectMap(transaction, next);
    return absl::OkStatus();
  });
  if (status.ok()) state_ = next;
  return status;
}

namespace {

// The map's part of a list, in one snapshot: proof, and which entries to show.
struct Listed {
  ledger::SubjectMapProof map;
  std::uint64_t map_index = 0;
  std::vector<std::uint64_t> indexes;
};

const absl::Status& TooLong() {
  static const absl::Status& status = *new absl::Status(absl::FailedPreconditionError("this subject has more entries than one list may show"));
  return status;
}

// DataLoss when the map and the places of the entries do not fit together.
absl::StatusOr<Listed> ReadListed(const tenants::Database& database, const std::string& subject) {
  Listed listed;
  const absl::Status status = database.Read([&](tenants::ReadTransaction& transaction) -> absl::Status {
    const auto state = ReadSubjectMap(transaction);
    if (!state.ok()) return state.status();
    if (!state->entered) return NotYet("its map of subjects is not made yet");
    if (state->root != state->entered->root) return NotYet("its map of subjects is being brought up to date");
    StoredSubjectPages pages(transaction);
    auto proof = ledger::ProveSubject(pages, state->root, subject);
    if (!proof.ok()) return proof.status();
    const auto value = proof->Verify(state->root, subject);
    if (!value.ok()) return absl::DataLossError(value.status().message());
    if (value->count > ledger::kSubjectListEntriesMax) return TooLong();
    listed.map = *std::move(proof);
    listed.map_index = state->entered->index;
    listed.indexes = SubjectEntries(transaction, subject, state->entered->size, ledger::kSubjectListEntriesMax + 1);
    if (listed.indexes.size() != value->count) return absl::DataLossError("the places of a subject's entries are not as many as its map counts");
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return listed;
}

absl::StatusOr<ledger::SubjectList::Entry> ReadEntry(const tenants::LogReader& log, std::uint64_t index, std::uint64_t size) {
  auto leaves = log.Leaves(index, 1);
  if (!leaves.ok()) return leaves.status();
  if (leaves->size() != 1) return absl::DataLossError("the log has no leaf " + std::to_string(index));
  auto proof = log.InclusionProof(index, size);
  if (!proof.ok()) return proof.status();
  return ledger::SubjectList::Entry{index, std::move(leaves->front()), *std::move(proof)};
}

}  // namespace

absl::StatusOr<std::string> MakeSubjectList(const tenants::Database& database, const tenants::LogReader& log, std::string_view subject,
                                            const std::function<void()>& found_damaged) {
  if (subject.size() != ledger::kSubjectBytes) return absl::InvalidArgumentError("a subject has 16 bytes");
  ledger::SubjectList list;
  list.subject = std::string(subject);
  auto listed = ReadListed(database, list.subject);
  if (absl::IsDataLoss(listed.status())) found_damaged();
  if (!listed.ok()) return listed.status();
  list.map = std::move(listed->map);
  auto checkpoint = log.PublishedCheckpoint();
  if (absl::IsNotFound(checkpoint.status())) return NotYet("nothing of it is witnessed yet");
  if (!checkpoint.ok()) return checkpoint.status();
  const auto note = ledger::Note::Parse(*checkpoint);
  const auto parsed = note.ok() ? ledger::Checkpoint::Parse(note->text) : note.status();
  if (!parsed.ok()) return absl::DataLossError("a published checkpoint cannot be read");
  if (parsed->size <= listed->map_index) return NotYet("its newest map of subjects is not witnessed yet");
  list.checkpoint = *std::move(checkpoint);
  auto map_entry = ReadEntry(log, listed->map_index, parsed->size);
  if (!map_entry.ok()) return map_entry.status();
  list.map_entry = *std::move(map_entry);
  std::size_t bytes = 0;
  for (const std::uint64_t index : listed->indexes) {
    auto entry = ReadEntry(log, index, parsed->size);
    if (!entry.ok()) return entry.status();
    // In Base64, with the hashes of its proof.
    bytes += entry->leaf.size() * 4 / 3 + 64 * 46;
    if (bytes > ledger::kSubjectListBytesMax - ledger::kLeafBytesMax * 2) return TooLong();
    list.entries.push_back(*std::move(entry));
  }
  return list.Serialize();
}

}  // namespace custodian::log

#include "services/node/pushed_log.h"

#include <algorithm>
#include <filesystem>
#include <utility>
#include <vector>

#include "ledger/tiles.h"
#include "ledger/tree.h"
#include "services/node/judge_checkpoint.h"
#include "spdlog/spdlog.h"

namespace custodian::node {
namespace {

using ledger::Checkpoint;
using ledger::kTileWidth;
using ledger::Note;
using ledger::TilePath;

std::string Text(const absl::Status& status) { return std::string(status.message()); }

absl::StatusOr<Checkpoint> Open(const std::string& bytes, const std::string& origin) {
  const absl::StatusOr<Note> note = Note::Parse(bytes);
  absl::StatusOr<Checkpoint> checkpoint = note.ok() ? Checkpoint::Parse(note->text) : note.status();
  if (!checkpoint.ok() || checkpoint->origin != origin)
    return absl::DataLossError("the pending checkpoint " + LogName(origin) +
                               " is damaged; nothing of it is cosigned yet: remove that file while the mirror is down");
  return checkpoint;
}

}  // namespace

absl::StatusOr<std::unique_ptr<PushedLog>> PushedLog::Open(MirroredLog& log, const std::string& note, const StateDirectory& state, const Clock& clock,
                                                           absl::Duration retry) {
  std::unique_ptr<PushedLog> pushed(new PushedLog(log, state, clock, retry));
  const absl::MutexLock lock(&pushed->mutex_);
  // What is held is the least that is pending: nothing that contradicts it may come.
  for (const std::string& bytes : {log.HeldNote(), note}) {
    if (bytes.empty()) continue;
    absl::StatusOr<Checkpoint> checkpoint = node::Open(bytes, log.origin());
    if (!checkpoint.ok()) return checkpoint.status();
    if (pushed->pending_.empty() || checkpoint->size > pushed->pending_.back().checkpoint.size)
      pushed->pending_.push_back({*std::move(checkpoint), *Note::Parse(bytes)});
  }
  return pushed;
}

rpc::HttpResponse PushedLog::AddCheckpoint(const node::AddCheckpoint& request, const Checkpoint& checkpoint, const Note& signed_note) {
  const absl::MutexLock lock(&mutex_);
  // Compare and persist are one step, as a witness's.
  const Checkpoint latest = pending_.empty() ? Checkpoint{log_.origin(), 0, ledger::EmptyRoot()} : pending_.back().checkpoint;
  if (std::optional<rpc::HttpResponse> refused = WhyNotAfter(request, checkpoint, latest)) return *std::move(refused);
  const std::string bytes = signed_note.Serialize();
  if (pending_.empty() || pending_.back().note.Serialize() != bytes) {
    // Old or new may be on disk after a failure: the new one is consistent with the old, and may be added again.
    if (const absl::Status status = state_.Write(LogName(log_.origin()), bytes); !status.ok()) {
      spdlog::error("event=state_not_stored origin={} reason=\"{}\"", log_.origin(), Text(status));
      return Refuse(500, "the mirror cannot store its pending checkpoint");
    }
    if (!pending_.empty() && latest.size == checkpoint.size) pending_.pop_back();
    pending_.push_back({checkpoint, signed_note});
    if (pending_.size() > kPendingMax) pending_.pop_front();
  }
  return {.status = 200, .headers = {{"content-type", "text/plain; charset=utf-8"}}, .body = ""};
}

rpc::HttpResponse PushedLog::AddEntries(AddEntriesReader& request, const ledger::RosterHistory* governance) {
  const absl::MutexLock lock(&mutex_);
  if (pending_.empty()) return Refuse(422, "no checkpoint of the log was added yet");
  if (clock_.Now() < refused_until_) return Refuse(422, refused_);
  if (const absl::Status status = Prepare(governance); !status.ok()) return Failed(status, pending_.back().checkpoint.size, governance);
  const AddEntriesHead& head = request.head();
  const std::optional<Pending> target = Find(head.upload_end);
  // What was judged beyond it belongs to a newer one.
  if (!target || head.upload_end < log_.size() || head.upload_end < log_.judged()) return Info(409, pending_.back().checkpoint.size);
  if (head.upload_start > *next_entry_ || std::min(head.upload_end, *next_entry_) - head.upload_start > kExcessMax) return Info(409, head.upload_end);
  std::size_t packages = 0;
  while (const std::optional<EntryPackage> package = request.Next()) {
    const absl::Status status = Take(*package, target->checkpoint);
    if (absl::IsInvalidArgument(status)) return Refuse(422, Text(status));
    if (!status.ok()) return Failed(status, head.upload_end, governance);
    ++packages;
  }
  if (packages == 0 && head.upload_start < head.upload_end) return Refuse(400, "the request ends before its first package");
  if (*next_entry_ >= head.upload_end) {
    const absl::Status status = log_.CommitPushed(target->checkpoint, target->note);
    return status.ok() ? Finish(*target) : Failed(status, head.upload_end, governance);
  }
  absl::Status status = log_.copy().Sync();
  // Each request bears its own. The governance log is judged when it is whole: others are judged by what is held of it.
  if (status.ok() && governance != nullptr) status = log_.Judge(*next_entry_);
  return status.ok() ? Info(202, head.upload_end) : Failed(status, head.upload_end, governance);
}

absl::Status PushedLog::Take(const EntryPackage& package, const Checkpoint& target) {
  const PackageRange& range = package.range;
  std::vector<std::string> leaves;
  if (range.start > range.first) {
    absl::StatusOr<std::vector<std::string>> kept = log_.Kept(range.first / kTileWidth, range.start - range.first);
    if (absl::IsNotFound(kept.status())) return absl::InternalError(Text(kept.status()));
    if (!kept.ok()) return kept.status();
    leaves = *std::move(kept);
    leaves.resize(range.start - range.first);
  }
  leaves.insert(leaves.end(), package.entries.begin(), package.entries.end());
  std::vector<ledger::Hash> hashes;
  for (const std::string& leaf : leaves) hashes.push_back(ledger::LeafHash(leaf));
  const absl::Status proven =
      ledger::VerifySubtreeConsistency(range.first, range.end, target.size, package.proof, ledger::RootOf(hashes), target.root);
  if (!proven.ok())
    return absl::InvalidArgumentError("entries " + std::to_string(range.start) + " to " + std::to_string(range.end) + " are not those of the checkpoint of size " +
                                      std::to_string(target.size) + ": " + Text(proven));
  if (range.end <= *next_entry_) return absl::OkStatus();
  const auto width = static_cast<unsigned>(range.end - range.first);
  const absl::StatusOr<std::string> bundle = ledger::EncodeBundle(leaves);
  const absl::Status status = bundle.ok() ? log_.copy().Write({true, 0, range.first / kTileWidth, width}, *bundle) : bundle.status();
  if (!status.ok()) return absl::UnavailableError(Text(status));
  next_entry_ = range.end;
  static_cast<void>(Tidy(range.first / kTileWidth, range.end));
  return absl::OkStatus();
}

rpc::HttpResponse PushedLog::Finish(const Pending& target) {
  const absl::StatusOr<std::string> line = log_.CosignAgain();
  if (!line.ok()) return Refuse(500, "the mirror cannot sign");
  resumed_ = resumed_ && *next_entry_ > target.checkpoint.size;
  return {.status = 200, .headers = {{"content-type", "text/plain; charset=utf-8"}}, .body = *line};
}

rpc::HttpResponse PushedLog::Failed(const absl::Status& status, std::uint64_t upload_end, const ledger::RosterHistory* governance) {
  if (absl::IsAborted(status)) {
    // An anchor names entries of the governance log that are not here yet. This log waits; others need not.
    rpc::HttpResponse response = Refuse(429, Text(status));
    response.headers.emplace_back("retry-after", "1");
    return response;
  }
  const bool is_own_fault = absl::IsInternal(status) || (absl::IsDataLoss(status) && resumed_);
  if (is_own_fault) {
    spdlog::error("event=copy_damaged origin={} reason=\"{}\"", log_.origin(), Text(status));
    log_.Forget();
    // What is held is read again, and found to be damaged if it is.
    Clear(log_.size());
    next_entry_.reset();
    if (Prepare(governance).ok()) return Info(409, upload_end);
  } else if (absl::IsDataLoss(status)) {
    spdlog::error("event=log_refused origin={} reason=\"{}\"", log_.origin(), Text(status));
    log_.Forget();
    refused_ = Text(status);
    refused_until_ = clock_.Now() + retry_;
    return Refuse(422, refused_);
  } else {
    spdlog::error("event=entries_not_stored origin={} reason=\"{}\"", log_.origin(), Text(status));
  }
  return Refuse(500, "the mirror cannot store the entries");
}

rpc::HttpResponse PushedLog::Info(int status, std::uint64_t size) const {
  // Past pending checkpoints are remembered here: no ticket is needed.
  return {.status = status, .headers = {{"content-type", kMirrorInfoType}}, .body = MirrorInfo{size, *next_entry_, ""}.Serialize()};
}

std::optional<PushedLog::Pending> PushedLog::Find(std::uint64_t size) const {
  const auto found = std::find_if(pending_.begin(), pending_.end(), [size](const Pending& pending) { return pending.checkpoint.size == size; });
  if (found != pending_.end()) return *found;
  // What is held stays good to upload to, however many came after it.
  const auto held = Note::Parse(log_.HeldNote());
  if (!held.ok() || size != log_.size()) return std::nullopt;
  return Pending{*Checkpoint::Parse(held->text), *held};
}

absl::Status PushedLog::Restore(const ledger::RosterHistory* governance) {
  const absl::MutexLock lock(&mutex_);
  return Prepare(governance);
}

std::optional<std::uint64_t> PushedLog::FirstUncovered() {
  const absl::MutexLock lock(&mutex_);
  return next_entry_ ? log_.FirstUncovered() : std::nullopt;
}

std::vector<ledger::MissingCounters> PushedLog::Missing() {
  const absl::MutexLock lock(&mutex_);
  return log_.Missing();
}

absl::Status PushedLog::Prepare(const ledger::RosterHistory* governance) {
  if (absl::Status status = log_.Restore(governance); !status.ok()) return status;
  if (!next_entry_) FindNextEntry();
  return absl::OkStatus();
}

void PushedLog::FindNextEntry() {
  resumed_ = false;
  // Everything is asked for. What there is may still be of use to somebody, and is replaced bundle by bundle.
  next_entry_ = 0;
  if (log_.copy_is_damaged()) return;
  const std::uint64_t limit = pending_.empty() ? 0 : pending_.back().checkpoint.size;
  std::uint64_t next = log_.size();
  while (next < limit) {
    const std::uint64_t bundle = next / kTileWidth;
    const auto kept = log_.Kept(bundle, next % kTileWidth + 1);
    if (!kept.ok() || bundle * kTileWidth + kept->size() > limit) break;
    next = bundle * kTileWidth + kept->size();
    if (next % kTileWidth != 0) break;
  }
  resumed_ = next > log_.size();
  next_entry_ = next;
  Clear(next);
}

void PushedLog::Clear(std::uint64_t next) const {
  for (std::uint64_t bundle = next / kTileWidth; Tidy(bundle, next); ++bundle) continue;
}

bool PushedLog::Tidy(std::uint64_t bundle, std::uint64_t end) const {
  const std::uint64_t first = bundle * kTileWidth;
  const std::uint64_t held = log_.copy_is_damaged() ? 0 : log_.size();
  const LogCopy& copy = log_.copy();
  const TilePath whole{true, 0, bundle, kTileWidth};
  std::error_code none;
  bool found = std::filesystem::exists(copy.folder() + "/" + whole.ToString(), none);
  if (found && end < first + kTileWidth) copy.Remove(whole);
  for (const unsigned width : copy.PartialBundles(bundle)) {
    found = true;
    if (first + width != end && first + width != held) copy.Remove({true, 0, bundle, width});
  }
  return found;
}

}  // namespace custodian::node

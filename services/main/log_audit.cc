#include "services/main/log_audit.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "services/main/commands.h"
#include "services/main/progress_bar.h"
#include "services/main/verify_report.h"
#include "services/node/bundle_queue.h"
#include "services/node/page_table.h"

namespace custodian::main {
namespace {

using ledger::Fault;
using ledger::kTileWidth;

// An interruption costs the entries read since.
constexpr absl::Duration kSaveEvery = absl::Seconds(5);

std::string At(const ledger::Checkpoint& checkpoint) { return "checkpoint size " + std::to_string(checkpoint.size); }

// Threads that prepare bundles, until they are left.
class Workers {
 public:
  Workers(node::BundleQueue& queue, int count) : queue_(queue) {
    for (int i = 0; i < count; ++i) threads_.emplace_back([&queue] { queue.Work(); });
  }
  ~Workers() {
    queue_.Stop();
    for (std::thread& thread : threads_) thread.join();
  }
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

 private:
  node::BundleQueue& queue_;
  std::vector<std::thread> threads_;
};

// The bundle of the last anchor before entry `index`, or of that entry: who may write it is said there. What is read here is not believed: a
// log that hides an anchor is read, and judged, from the wrong bundle on, and the root shows what lies in it.
std::uint64_t BundleOfLastAnchor(std::uint64_t index, const std::string& origin, std::uint64_t size, const ledger::ByteSource& read) {
  for (std::uint64_t bundle = std::min(index, size - 1) / kTileWidth;; --bundle) {
    ledger::PreparedBundle leaves = ledger::PrepareBundle(origin, bundle, size, read, {});
    if (bundle * kTileWidth + leaves.leaves.size() > index + 1) leaves.leaves.resize(index + 1 - bundle * kTileWidth);
    if (bundle == 0 || ledger::AnchoredIn(leaves) > 0) return bundle;
  }
}

}  // namespace

void LogAudit::Run(const ledger::BelievedCheckpoint& believed, const GovernAgain& govern_again) {
  if (!options_.state.empty() && !LoadState(believed)) {
    // Nothing of it is read.
    judged_from_ = read_from_ = believed.checkpoint.size;
    state_.reset();
    return;
  }
  Begin(believed.checkpoint);
  Finish(believed, ReadBundles(believed, govern_again));
}

bool LogAudit::LoadState(const ledger::BelievedCheckpoint& believed) {
  auto file = node::AuditFile::Open(options_.state);
  Check(file.status());
  file_ = *std::move(file);
  auto state = file_->Load(findings_.origin());
  Check(state.status());
  state_ = *std::move(state);
  if (!state_) return true;
  const auto note = ledger::Note::Parse(state_->checkpoint());
  const auto seen = note.ok() ? ledger::Checkpoint::Parse(note->text) : note.status();
  if (!seen.ok() || seen->origin != findings_.origin() || seen->size < state_->size() ||
      (state_->is_complete() && (seen->size != state_->size() || ledger::AsBytes(seen->root) != state_->root())))
    throw CommandFailed{1, "the state file " + options_.state + " does not fit its own checkpoint; remove it and verify the whole log"};
  seen_ = *seen;
  const ledger::Checkpoint& now = believed.checkpoint;
  if (now.size > seen_.size || (now.size == seen_.size && now.root == seen_.root)) return true;
  Check(file_->KeepDisputed(believed.note));
  if (now.size < seen_.size)
    findings_.Add(Fault::kRolledBack, At(now),
                  "the log was verified up to a checkpoint of size " + std::to_string(seen_.size) +
                      ": this is an old state of it, or it was rolled back (kept in " + file_->disputed_path() + ")");
  else
    findings_.Add(Fault::kForked, At(now),
                  "another checkpoint of this size was verified before: the log has two histories (kept in " + file_->disputed_path() + ")");
  return false;
}

void LogAudit::Begin(const ledger::Checkpoint& checkpoint) {
  judged_from_ = state_ ? state_->size() : options_.judge_from;
  read_from_ = judged_from_;
  if (!state_ && options_.judge_from > 0)
    read_from_ = kTileWidth * BundleOfLastAnchor(options_.judge_from, checkpoint.origin, checkpoint.size, read_);
  const auto sha256 = ledger::HashFromBytes(state_ ? state_->keys_sha256() : std::string(32, '\0'));
  Check(sha256.status());
  auto keys = file_ != nullptr ? node::KeyJournal::Open(file_->keys_path(), read_from_, *sha256)
                               : node::KeyJournal::CreateNameless(std::filesystem::temp_directory_path(), read_from_);
  if (!keys.ok()) throw CommandFailed{1, "the idempotency keys: " + std::string(keys.status().message())};
  keys_ = keys->get();
  auditor_ = std::make_unique<ledger::TilesAuditor>(findings_, &governance_, read_, *std::move(keys), options_.visit);
  auto subjects = node::PageTable::Create(std::filesystem::temp_directory_path());
  if (!subjects.ok()) throw CommandFailed{1, "the map of subjects: " + std::string(subjects.status().message())};
  auditor_->KeepSubjectsIn(*std::move(subjects));
  if (state_) {
    keys_compared_ = state_->keys_compared();
    const absl::Status resumed = auditor_->Resume(*state_);
    if (!resumed.ok()) throw CommandFailed{1, "the state file " + options_.state + ": " + std::string(resumed.message())};
  } else if (options_.judge_from > 0) {
    const auto edge = ledger::ReadEdge(read_from_, checkpoint.size, read_);
    Check(edge.status());
    Check(auditor_->BeginAt(*edge, options_.judge_from));
  }
}

bool LogAudit::ReadBundles(const ledger::BelievedCheckpoint& believed, const GovernAgain& govern_again) {
  const std::uint64_t size = believed.checkpoint.size;
  const ledger::AuthorKeys keys = governance_.Keys();
  const ledger::AuthorKeys no_keys;
  const auto prepare = [&](std::uint64_t index) {
    const bool is_judged = (index + 1) * kTileWidth > options_.judge_from;
    return ledger::PrepareBundle(findings_.origin(), index, size, read_, is_judged ? keys : no_keys);
  };
  node::BundleQueue queue(prepare, auditor_->size() / kTileWidth, (size + kTileWidth - 1) / kTileWidth,
                          2 * static_cast<std::uint64_t>(options_.jobs) + 2);
  const Workers workers(queue, options_.jobs - 1);
  ProgressBar bar("verifying", "entries", isatty(STDERR_FILENO) != 1);
  absl::Time saved = absl::Now();
  while (auditor_->size() < size) {
    const ledger::PreparedBundle bundle = queue.Next();
    AwaitGovernance(ledger::AnchoredIn(bundle), govern_again);
    const auto taken = auditor_->Take(bundle);
    // What was read is kept, for when the source is there again.
    if (!taken.ok() && file_ != nullptr && !bundle.status.ok()) Save(believed, false);
    Check(taken.status());
    if (!*taken) return false;
    bar.Show(static_cast<std::int64_t>(auditor_->size()), static_cast<std::int64_t>(size));
    if (file_ == nullptr || absl::Now() - saved < kSaveEvery) continue;
    Save(believed, false);
    saved = absl::Now();
  }
  return true;
}

// An anchor may name governance entries that came after our reading of that log.
void LogAudit::AwaitGovernance(std::uint64_t size, const GovernAgain& govern_again) {
  for (; size > governance_.size() && waits_ < kRoundsMax; ++waits_) {
    absl::SleepFor(absl::Seconds(1));
    absl::StatusOr<ledger::RosterHistory> longer = govern_again();
    Check(longer.status());
    // The auditor refers to the history; it goes on with one that begins alike.
    const auto root = longer->RootAt(governance_.size());
    if (root.ok() && *root == governance_.RootAt(governance_.size()).value()) governance_ = *std::move(longer);
  }
}

void LogAudit::Finish(const ledger::BelievedCheckpoint& believed, bool is_read) {
  bool holds = false;
  if (is_read) {
    const auto finished = auditor_->Finish(believed.checkpoint);
    Check(finished.status());
    holds = *finished;
  }
  CompareKeys();
  if (file_ == nullptr) return;
  if (holds) {
    Save(believed, true);
    return;
  }
  // What was read is not what is signed; the next audit goes on from what was.
  Check(file_->DropPart());
  if (!is_read || seen_.size == 0) return;
  const absl::Status consistent = ledger::CheckConsistency(seen_, believed.checkpoint, read_);
  if (consistent.ok()) return;
  Check(file_->KeepDisputed(believed.note));
  findings_.Add(Fault::kForked, At(believed.checkpoint),
                "the log does not show that it still begins with the " + std::to_string(seen_.size) +
                    " entries that were verified before: it was rewritten, or has two histories (kept in " + file_->disputed_path() + ")");
}

void LogAudit::CompareKeys() {
  Check(keys_->Flush(auditor_->size()).status());
  const auto more = keys_->FindRepeats(keys_compared_, ledger::Findings::kFindingsMax, [this](std::uint64_t index) {
    findings_.Add(Fault::kKeyReused, ledger::LeafPosition(index), ledger::kKeyReusedMessage);
  });
  Check(more.status());
  if (*more > 0) findings_.Add(Fault::kKeyReused, "log", std::to_string(*more) + " more idempotency keys were used before");
  keys_compared_ = auditor_->size();
}

void LogAudit::Save(const ledger::BelievedCheckpoint& believed, bool is_complete) {
  // The keys first: a crash between leaves more keys than the state speaks of, which are dropped.
  const auto sha256 = keys_->Flush(auditor_->size());
  Check(sha256.status());
  ledger::v1::AuditState state;
  auditor_->Save(state);
  state.set_checkpoint(believed.note);
  state.set_is_complete(is_complete);
  state.set_keys_compared(keys_compared_);
  state.set_keys_sha256(std::string(ledger::AsBytes(*sha256)));
  Check(is_complete ? file_->SaveComplete(state) : file_->SavePart(state));
}

}  // namespace custodian::main

#include "services/node/admitted_logs.h"

#include <string>
#include <utility>
#include <vector>

#include "spdlog/spdlog.h"

namespace custodian::node {
namespace {

std::string Text(const absl::Status& status) { return std::string(status.message()); }

// The log that the served checkpoint says it is of, under the keys that the file names for it; no quorum.
absl::StatusOr<ledger::Policy> PolicyFor(KnownLogs& known, const std::string& origin) {
  absl::StatusOr<ledger::Policy> policy = ledger::Policy::Parse("quorum none\n");
  const std::vector<ledger::NoteVerifier> keys = known.FindInFile(origin);
  if (keys.size() != 1) return absl::NotFoundError("the file of logs must name one key of the governance log " + origin);
  return policy.ok() ? policy->WithLog(keys.front()) : policy;
}

}  // namespace

void AdmittedLogs::Run() {
  std::string reason;
  while (true) {
    {
      const absl::MutexLock lock(&mutex_);
      const auto due = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return asked_ || stopped_; };
      mutex_.Await(absl::Condition(&due));
      if (stopped_) return;
      asked_ = false;
    }
    const absl::Status status = Refresh();
    // Once for each reason: whoever publishes an unknown log asks again and again.
    if (!status.ok() && Text(status) != reason) spdlog::warn("event=governance_log_not_read reason=\"{}\"", Text(status));
    reason = Text(status);
    const absl::MutexLock lock(&mutex_);
    mutex_.AwaitWithTimeout(absl::Condition(&stopped_), spacing_);
  }
}

void AdmittedLogs::Ask() {
  const absl::MutexLock lock(&mutex_);
  asked_ = true;
}

void AdmittedLogs::Stop() {
  const absl::MutexLock lock(&mutex_);
  stopped_ = true;
}

absl::Status AdmittedLogs::Refresh() {
  const absl::StatusOr<std::string> bytes = read_("checkpoint");
  if (!bytes.ok()) return bytes.status();
  const absl::StatusOr<ledger::Note> note = ledger::Note::Parse(*bytes);
  const absl::StatusOr<ledger::Checkpoint> claimed = note.ok() ? ledger::Checkpoint::Parse(note->text) : note.status();
  if (!claimed.ok()) return claimed.status();
  if (claimed->size == size_ && claimed->root == root_) return absl::OkStatus();
  const absl::StatusOr<ledger::Policy> policy = PolicyFor(known_, claimed->origin);
  if (!policy.ok()) return policy.status();
  ledger::Findings findings(claimed->origin);
  // The checkpoint that was just read, though a newer one may be there by now.
  const ledger::ByteSource read = [this, &bytes](const std::string& path) { return path == "checkpoint" ? bytes : read_(path); };
  const absl::StatusOr<ledger::AuditedLog> audited = ledger::AuditTiles(*policy, nullptr, read, findings);
  if (!audited.ok()) return audited.status();
  if (!findings.empty()) {
    const ledger::Finding first = findings.Take().front();
    return absl::DataLossError("the governance log " + first.origin + ", " + first.position + ": " + first.message);
  }
  if (audited->checkpoint.size < size_) return absl::OkStatus();  // an answer that was on its way while a newer one was read
  const absl::StatusOr<ledger::Hash> before = audited->history.RootAt(size_);
  if (!before.ok() || *before != root_) return absl::DataLossError("the governance log " + claimed->origin + " was rewritten");
  LogKeys admitted;
  for (const auto& [origin, tenant] : audited->history.admitted()) {
    const absl::StatusOr<ledger::NoteVerifier> key = ledger::NoteVerifier::Parse(tenant.log_vkey());
    if (key.ok() && key->name() == origin) admitted.emplace(origin, *key);
  }
  spdlog::info("event=governance_log_read size={} logs={}", audited->checkpoint.size, admitted.size());
  known_.SetAdmitted(std::move(admitted));
  size_ = audited->checkpoint.size;
  root_ = audited->checkpoint.root;
  return absl::OkStatus();
}

}  // namespace custodian::node

// The audit of one partition's log from its tiles, as `custodian verify` does it: bundles are fetched and prepared by several threads and
// judged in order on the calling one, in memory that does not grow with the log; from a state of an earlier audit, or from a later
// entry on. Starts threads, which end before Run() returns.
#ifndef CUSTODIAN_SERVICES_MAIN_LOG_AUDIT_H_
#define CUSTODIAN_SERVICES_MAIN_LOG_AUDIT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "ledger/audit_tiles.h"
#include "services/node/audit_file.h"
#include "services/node/key_journal.h"

namespace custodian::main {

class LogAudit {
 public:
  struct Options {
    // At least 1; the calling thread is one of them.
    int jobs = 1;
    // File of the state; empty: none.
    std::string state;
    // Entries below it are hashed only, and below the bundle of the last anchor before it they are not read.
    std::uint64_t judge_from = 0;
    // Called with each leaf that is read and not of a state, in order.
    ledger::TilesAuditor::Visit visit;
  };
  // Reads the governance log again: a history that begins as the one before. May fail or give the same.
  using GovernAgain = std::function<absl::StatusOr<ledger::RosterHistory>()>;

  // All that is borrowed outlives it. `read` is thread-safe.
  LogAudit(Options options, ledger::RosterHistory& governance, const ledger::ByteSource& read, ledger::Findings& findings)
      : options_(std::move(options)), governance_(governance), read_(read), findings_(findings) {}

  // Throws CommandFailed when the source or a disk cannot be read, or the state is not to be used.
  void Run(const ledger::BelievedCheckpoint& believed, const GovernAgain& govern_again);

  // As LogAuditor's, of what was read; after Run().
  [[nodiscard]] std::vector<ledger::MissingCounters> missing() const {
    return auditor_ == nullptr ? std::vector<ledger::MissingCounters>() : auditor_->auditor().Missing();
  }
  // The first entry that was read, and the first that was judged: both 0 for a whole log, the size of the state when there was one.
  [[nodiscard]] std::uint64_t read_from() const { return read_from_; }
  [[nodiscard]] std::uint64_t judged_from() const { return judged_from_; }
  // Those before it were read and judged by earlier runs.
  [[nodiscard]] bool is_resumed() const { return state_.has_value(); }

 private:
  // False, and a finding, when the checkpoint contradicts the state's.
  bool LoadState(const ledger::BelievedCheckpoint& believed);
  void Begin(const ledger::Checkpoint& checkpoint);
  // False when not all of them could be read.
  bool ReadBundles(const ledger::BelievedCheckpoint& believed, const GovernAgain& govern_again);
  void AwaitGovernance(std::uint64_t size, const GovernAgain& govern_again);
  void Finish(const ledger::BelievedCheckpoint& believed, bool is_read);
  void Save(const ledger::BelievedCheckpoint& believed, bool is_complete);
  void CompareKeys();

  const Options options_;
  ledger::RosterHistory& governance_;
  const ledger::ByteSource& read_;
  ledger::Findings& findings_;

  std::unique_ptr<node::AuditFile> file_;
  std::optional<ledger::v1::AuditState> state_;
  // What the state was made with; size 0 without one.
  ledger::Checkpoint seen_;
  std::unique_ptr<ledger::TilesAuditor> auditor_;
  // Of the auditor.
  node::KeyJournal* keys_ = nullptr;
  std::uint64_t keys_compared_ = 0;
  std::uint64_t read_from_ = 0;
  std::uint64_t judged_from_ = 0;
  int waits_ = 0;
};

}  // namespace custodian::main

#endif  // CUSTODIAN_SERVICES_MAIN_LOG_AUDIT_H_

// One commit of a partition, made in three steps so that nothing is signed inside a transaction: look up what the writes ask about,
// decide and sign (no SQL), execute in one transaction. Used by the partition's writer thread only.
#ifndef CUSTODIAN_TENANTS_COMMIT_PLAN_H_
#define CUSTODIAN_TENANTS_COMMIT_PLAN_H_

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "ledger/signature.h"
#include "ledger/tree.h"
#include "tenants/database.h"
#include "tenants/log_state.h"
#include "tenants/partition_writer.h"
#include "tenants/queued_write.h"
#include "tenants/recent_subjects.h"
#include "tenants/row_insert.h"

namespace custodian::tenants {

// What is stored about a set of writes: earlier answers to their idempotency keys, and their patients' consent versions.
struct Lookups {
  struct Answer {
    std::string digest;
    std::uint64_t first_index = 0;
    std::uint64_t count = 0;
    std::int64_t time_ms = 0;
    std::int64_t witnessed_by_ms = 0;
    std::vector<ledger::Hash> leaf_hashes;
  };
  // By author and key.
  std::map<std::pair<std::string, std::string>, Answer> answers;
  // False: neither earlier answers nor counters were looked for.
  bool with_answers = true;
  // Author and counter of entries that are in the log.
  std::set<std::pair<std::string, std::int64_t>> counters;
  // By patient id; absent is 0.
  std::map<std::string, std::int64_t> consent_versions;
};

// Consent versions that this writer has read or written, by patient id; to be forgotten where LookUp()'s reason does not hold: while a commit is in doubt,
// and when the head was not as expected. The writer thread's own.
class KnownConsents {
 public:
  // Null when it is not known.
  [[nodiscard]] const std::int64_t* Find(const std::string& patient) const {
    const auto found = versions_.find(patient);
    return found == versions_.end() ? nullptr : &found->second;
  }
  void Set(const std::string& patient, std::int64_t version) {
    if (versions_.size() >= kPatientsMax) versions_.clear();
    versions_.insert_or_assign(patient, version);
  }
  void Forget() { versions_.clear(); }

 private:
  static constexpr std::size_t kPatientsMax = 20'000;
  std::unordered_map<std::string, std::int64_t> versions_;
};

// Only this partition's writer changes what is looked up, and a newer writer makes the commit's compare-and-swap fail: a read
// before the transaction is as good as one inside. Most writes are new: their answers are looked up only when a commit without them found one.
// `consents` is asked for those it does not know, and learns them.
[[nodiscard]] absl::StatusOr<Lookups> LookUp(const Database& database, std::span<QueuedWrite* const> writes, bool with_answers, KnownConsents& consents);

struct CommitPlan {
  // The log after the commit.
  LogState next;
  std::uint64_t size_before = 0;
  // One for each write, in order: its answer if the commit succeeds, or why it was refused.
  std::vector<absl::StatusOr<Admitted>> outcomes;
  // Nothing to execute when false: every write was refused or answered before.
  bool changes = false;
  // Made without looking for earlier answers: holds only if there are none.
  bool if_unanswered = false;
  std::vector<std::string> leaves;
  std::vector<ledger::Hash> leaf_hashes;
  std::vector<RecentSubjects::Subject> subjects;
  std::vector<FullTile> tiles;
  struct NewAnswer {
    const IdempotencyItem* item;
    std::uint64_t first_index;
  };
  std::vector<NewAnswer> answers;
  std::int64_t witnessed_by_ms = 0;
  // New versions by patient id.
  std::map<std::string, std::int64_t> consent_versions;
  RowInsert rows;
  // Patients whose chart or consent version the plan changes.
  std::set<PatientId> changed_charts;
};

struct PlanContext {
  const PartitionWriter::Options& options;
  const ledger::Signer& signer;
  const Roster& roster;
  // Network time, and the machine's.
  absl::Time now;
  absl::Time machine_now;
};

// Decides each write in order, each seeing what those before it change; the custodian's entries of all of them are one author batch.
// Non-OK only when signing failed.
[[nodiscard]] absl::StatusOr<CommitPlan> MakePlan(const PlanContext& context, const LogState& state,
                                                  std::span<QueuedWrite* const> writes, const Lookups& lookups);

// In one transaction. `lost_head` tells that the head was not as the plan found it, and nothing was changed. AlreadyExists when nothing was changed
// because of what is stored, or because that may be so: of a plan `if_unanswered`.
[[nodiscard]] absl::Status ExecutePlan(const Database& database, const CommitPlan& plan, bool& lost_head);

// The same within a transaction of the caller's, which holds several.
[[nodiscard]] absl::Status ExecutePlanIn(WriteTransaction& transaction, const CommitPlan& plan, bool& lost_head);

}  // namespace custodian::tenants

#endif  // CUSTODIAN_TENANTS_COMMIT_PLAN_H_

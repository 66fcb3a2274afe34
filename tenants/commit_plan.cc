#include "tenants/commit_plan.h"

#include <algorithm>
#include <optional>

#include "fmt/format.h"
#include "ledger/entry.h"

namespace custodian::tenants {
namespace {

constexpr int kRosterRetriesMax = 8;

// The custodian's entry with the fields that are the writer's to fill in.
std::string FillIn(ledger::v1::Entry entry, const PartitionWriter::Options& options, std::int64_t counter, std::int64_t time_ms,
                   std::string idempotency_key) {
  entry.set_origin(options.origin);
  entry.set_author(options.author);
  entry.set_counter(static_cast<std::uint64_t>(counter));
  entry.mutable_time()->set_seconds(time_ms / 1000);
  entry.mutable_time()->set_nanos(static_cast<std::int32_t>(time_ms % 1000) * 1'000'000);
  entry.set_idempotency_key(std::move(idempotency_key));
  return entry.SerializeAsString();
}

// The first answer when all of the write was seen before; nullopt when none of it was; AlreadyExists otherwise.
absl::StatusOr<std::optional<Admitted>> FindAnswer(const QueuedWrite& write, const Lookups& lookups) {
  if (lookups.answers.empty()) return std::nullopt;
  Admitted admitted;
  std::size_t seen = 0;
  for (const IdempotencyItem& item : write.items) {
    const auto found = lookups.answers.find({item.author, item.key});
    if (found == lookups.answers.end()) continue;
    const Lookups::Answer& answer = found->second;
    if (answer.digest != item.digest) return absl::AlreadyExistsError("same idempotency key with other content");
    if (seen == 0) {
      admitted.first_index = answer.first_index - item.offset;
      admitted.time = absl::FromUnixMillis(answer.time_ms);
      admitted.witnessed_by = absl::FromUnixMillis(answer.witnessed_by_ms);
    }
    if (answer.first_index != admitted.first_index + item.offset) {
      return absl::AlreadyExistsError("entries of this batch were admitted in other batches");
    }
    ++seen;
    admitted.leaf_hashes.insert(admitted.leaf_hashes.end(), answer.leaf_hashes.begin(), answer.leaf_hashes.end());
  }
  if (seen == 0) return std::nullopt;
  if (seen != write.items.size()) return absl::AlreadyExistsError("a part of this batch was admitted before, in another batch");
  admitted.replayed = true;
  return admitted;
}

// Builds a plan from the writes that are accepted one after the other.
class Planner {
 public:
  Planner(const PlanContext& context, const LogState& state, const Lookups& lookups)
      : context_(context), lookups_(lookups), position_(context.roster.Position()) {
    plan_.next = state;
    plan_.size_before = state.size();
    plan_.if_unanswered = !lookups.with_answers;
    // A clock that was set back between two runs must not turn the log's time around.
    plan_.next.time_ms = std::max(state.time_ms, absl::ToUnixMillis(context.now));
    const absl::Time witnessed_by = context.machine_now + context.options.witness_promise;
    plan_.witnessed_by_ms = absl::ToUnixMillis(witnessed_by);
  }

  void Decide(QueuedWrite& write) {
    auto answer = FindAnswer(write, lookups_);
    if (!answer.ok()) {
      plan_.outcomes.push_back(answer.status());
    } else if (answer->has_value()) {
      plan_.outcomes.push_back(**std::move(answer));
    } else if (absl::Status refused = Refusal(write); !refused.ok()) {
      plan_.outcomes.push_back(refused);
    } else {
      Accept(write);
    }
  }

  // Signs, hashes and hands out the plan.
  absl::StatusOr<CommitPlan> Finish();

  // False when the roster moved while the writes were judged by it.
  [[nodiscard]] bool RosterStoodStill() const { return context_.roster.Position() == position_; }

 private:
  struct Slot {
    bool own = false;
    std::size_t index = 0;
    const std::string* leaf = nullptr;
    const ledger::Hash* hash = nullptr;
  };

  absl::Status Refusal(const QueuedWrite& write) const;
  absl::Status MayWriteOwn(ledger::v1::Kind kind) const;
  [[nodiscard]] bool AnchorDue() const {
    return context_.options.anchors && (position_.first != plan_.next.anchor_size || position_.second != plan_.next.anchor_root);
  }
  void AppendAnchor();
  void AppendOwn(const ledger::v1::Entry& entry, std::string idempotency_key);
  void Accept(QueuedWrite& write);
  std::int64_t ConsentVersion(const PatientId& patient) const;

  const PlanContext& context_;
  const Lookups& lookups_;
  const std::pair<std::uint64_t, ledger::Hash> position_;
  CommitPlan plan_;
  // Of the writes accepted so far.
  std::set<std::pair<std::int64_t, std::string_view>> counters_;
  std::vector<std::string> own_entries_;
  std::vector<Slot> slots_;
  // Outcomes whose leaf hashes are known once everything is signed: outcome, first slot, count.
  struct Accepted {
    std::size_t outcome;
    std::size_t first_slot;
    std::size_t count;
  };
  std::vector<Accepted> accepted_;
};

std::int64_t Planner::ConsentVersion(const PatientId& patient) const {
  for (const auto* versions : {&plan_.consent_versions, &lookups_.consent_versions}) {
    if (const auto found = versions->find(patient.bytes()); found != versions->end()) return found->second;
  }
  return 0;
}

absl::Status Planner::MayWriteOwn(ledger::v1::Kind kind) const {
  return context_.roster.MayWrite(context_.options.author, context_.signer.public_key().key_id(), context_.options.origin, kind);
}

absl::Status Planner::Refusal(const QueuedWrite& write) const {
  for (const ExpectConsentVersion& expected : write.write.expectations) {
    if (ConsentVersion(expected.patient) != expected.version) return absl::FailedPreconditionError("the patient's consent has changed");
  }
  if (write.entries() != 0 && AnchorDue()) {
    if (absl::Status status = MayWriteOwn(ledger::v1::KIND_ANCHOR); !status.ok()) return status;
  }
  for (const ledger::v1::Entry& entry : write.write.entries) {
    if (absl::Status status = MayWriteOwn(entry.kind()); !status.ok()) return status;
  }
  for (const IdempotencyItem& item : write.items) {
    if (!item.counter) continue;
    if (lookups_.counters.contains({item.author, *item.counter}) || counters_.contains({*item.counter, item.author})) {
      return absl::AlreadyExistsError(fmt::format("the author has used counter {} before", *item.counter));
    }
  }
  if (write.signed_by) {
    for (const ledger::v1::Kind kind : write.signed_by->kinds) {
      absl::Status status = context_.roster.MayWrite(write.signed_by->author, write.signed_by->key_id, context_.options.origin, kind);
      if (!status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

void Planner::AppendOwn(const ledger::v1::Entry& entry, std::string idempotency_key) {
  slots_.push_back({.own = true, .index = own_entries_.size()});
  plan_.subjects.push_back(entry.has_subject_map() ? std::nullopt : RecentSubjects::Subject(entry.subject()));
  own_entries_.push_back(FillIn(entry, context_.options, ++plan_.next.author_counter, plan_.next.time_ms, std::move(idempotency_key)));
}

void Planner::AppendAnchor() {
  ledger::v1::Entry anchor;
  anchor.set_kind(ledger::v1::KIND_ANCHOR);
  anchor.mutable_anchor()->set_governance_size(position_.first);
  anchor.mutable_anchor()->set_governance_root(std::string(ledger::AsBytes(position_.second)));
  const auto key = ledger::Sha256(fmt::format("custodian/anchor-key/v1\n{}\n{}\n{}", context_.options.origin, position_.first,
                                              plan_.next.author_counter + 1));
  AppendOwn(anchor, std::string(ledger::AsBytes(key)));
  plan_.next.anchor_size = position_.first;
  plan_.next.anchor_root = position_.second;
}

void Planner::Accept(QueuedWrite& write) {
  plan_.changes = true;
  if (write.entries() != 0 && AnchorDue()) AppendAnchor();
  const std::size_t first_slot = slots_.size();
  Admitted admitted;
  admitted.first_index = plan_.size_before + first_slot;
  admitted.time = absl::FromUnixMillis(plan_.next.time_ms);
  admitted.witnessed_by = absl::FromUnixMillis(plan_.witnessed_by_ms);
  for (std::size_t i = 0; i < write.write.entries.size(); ++i) {
    AppendOwn(write.write.entries[i], EntryIdempotencyKey(write.write.idempotency_key, i));
  }
  for (std::size_t i = 0; i < write.write.signed_leaves.size(); ++i)
    slots_.push_back({.own = false, .leaf = &write.write.signed_leaves[i], .hash = &write.leaf_hashes[i]});
  plan_.subjects.insert(plan_.subjects.end(), write.leaf_subjects.begin(), write.leaf_subjects.end());
  for (const IdempotencyItem& item : write.items) {
    plan_.answers.push_back({&item, admitted.first_index + item.offset});
    // Otherwise the database finds the second of two, as it finds one that was used before.
    if (item.counter && lookups_.with_answers) counters_.emplace(*item.counter, item.author);
  }
  for (const PatientId& patient : write.write.consent_changed) {
    plan_.consent_versions[patient.bytes()] = ConsentVersion(patient) + 1;
    plan_.changed_charts.insert(patient);
  }
  for (const Row& row : write.write.rows)
    if (row.chart) plan_.changed_charts.insert(*row.chart);
  plan_.rows.Add(write.write.rows, admitted.first_index, plan_.next.time_ms);
  accepted_.push_back({plan_.outcomes.size(), first_slot, write.entries()});
  plan_.outcomes.push_back(std::move(admitted));
}

absl::StatusOr<CommitPlan> Planner::Finish() {
  std::vector<std::string> own_leaves;
  if (!own_entries_.empty()) {
    auto leaves = ledger::SignBatch(context_.options.origin, own_entries_, context_.signer);
    if (!leaves.ok()) return leaves.status();
    own_leaves = *std::move(leaves);
  }
  for (const Slot& slot : slots_) {
    plan_.leaves.push_back(slot.own ? std::move(own_leaves[slot.index]) : *slot.leaf);
    plan_.leaf_hashes.push_back(slot.own ? ledger::LeafHash(plan_.leaves.back()) : *slot.hash);
    plan_.next.Append(plan_.leaf_hashes.back(), plan_.tiles);
  }
  for (const Accepted& accepted : accepted_) {
    const auto begin = plan_.leaf_hashes.begin() + static_cast<std::ptrdiff_t>(accepted.first_slot);
    plan_.outcomes[accepted.outcome]->leaf_hashes.assign(begin, begin + static_cast<std::ptrdiff_t>(accepted.count));
  }
  return std::move(plan_);
}

}  // namespace

absl::StatusOr<CommitPlan> MakePlan(const PlanContext& context, const LogState& state, std::span<QueuedWrite* const> writes,
                                    const Lookups& lookups) {
  for (int attempt = 0; attempt < kRosterRetriesMax; ++attempt) {
    Planner planner(context, state, lookups);
    for (QueuedWrite* write : writes) planner.Decide(*write);
    // The anchor names the roster by which every entry was judged, so judging and naming must be of one position.
    if (planner.RosterStoodStill()) return planner.Finish();
  }
  return absl::UnavailableError("the roster keeps moving; retry after 1 s");
}

}  // namespace custodian::tenants

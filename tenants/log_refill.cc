#include "tenants/log_refill.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <map>
#include <pqxx/pqxx>
#include <set>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "ledger/tree.h"
#include "tenants/commit_plan.h"
#include "tenants/execute.h"
#include "tenants/ids.h"
#include "tenants/log_state.h"
#include "tenants/queued_write.h"

namespace custodian::tenants {
namespace {

std::int64_t Milliseconds(const google::protobuf::Timestamp& time) { return time.seconds() * 1000 + time.nanos() / 1'000'000; }

class Refiller {
 public:
  Refiller(WriteTransaction& transaction, const Refill& refill) : transaction_(transaction), refill_(refill) {}

  absl::StatusOr<Refilled> Run(const NextLeaf& next);

 private:
  // What one Write put there.
  struct WriteOfLeaves {
    IdempotencyItem item;
    std::uint64_t first_index = 0;
    std::set<std::string> consents;
  };

  absl::Status TakeEpoch();
  absl::Status CheckPrefix() const;
  absl::Status Take(RefillLeaf leaf);
  [[nodiscard]] bool BelongsToLastWrite(const ledger::v1::Entry& entry) const;
  void NoteWrite(const RefillLeaf& leaf, std::uint64_t index);
  void EndWrite();
  absl::Status Commit();
  absl::Status Finish();

  WriteTransaction& transaction_;
  const Refill& refill_;
  LogState state_;
  Refilled result_;
  // Of every leaf taken.
  ledger::CompactRange range_;
  std::optional<WriteOfLeaves> write_;
  // By patient id, over the whole log.
  std::map<std::string, std::int64_t> consent_versions_;

  // The commit that is being made.
  std::vector<std::string> leaves_;
  std::vector<ledger::Hash> hashes_;
  std::deque<IdempotencyItem> items_;
  std::vector<CommitPlan::NewAnswer> answers_;
  std::map<std::string, std::int64_t> changed_versions_;
  // Of the author's batch that the last leaf was part of.
  std::string signature_;
};

absl::StatusOr<Refilled> Refiller::Run(const NextLeaf& next) {
  auto state = LogState::LoadLocked(transaction_);
  if (!state.ok()) return state.status();
  state_ = *std::move(state);
  result_.size_before = state_.size();
  result_.size = refill_.checkpoint.size;
  if (state_.size() > refill_.checkpoint.size)
    return absl::FailedPreconditionError(fmt::format("the database holds {} entries, the mirror {}: there is nothing to refill", state_.size(),
                                                     refill_.checkpoint.size));
  if (absl::Status status = TakeEpoch(); !status.ok()) return status;
  while (range_.size() < refill_.checkpoint.size) {
    if (absl::Status status = CheckPrefix(); !status.ok()) return status;
    auto leaf = next();
    if (!leaf.ok()) return leaf.status();
    if (!leaf->has_value()) return absl::DataLossError(fmt::format("the mirror's log ends at {} entries, its checkpoint is of {}", range_.size(),
                                                                   refill_.checkpoint.size));
    if (absl::Status status = Take(**std::move(leaf)); !status.ok()) return status;
  }
  if (absl::Status status = CheckPrefix(); !status.ok()) return status;
  if (absl::Status status = Finish(); !status.ok()) return status;
  return result_;
}

// By chance, so that no writer of a time before a restore has the same.
absl::Status Refiller::TakeEpoch() {
  std::uint32_t jump = 0;
  std::memcpy(&jump, RandomBytes(sizeof jump).data(), sizeof jump);
  state_.epoch += 1 + jump;
  Execute(transaction_, "UPDATE ledger.head SET epoch = $1", state_.epoch);
  return absl::OkStatus();
}

absl::Status Refiller::CheckPrefix() const {
  if (range_.size() != result_.size_before || range_.Root() == state_.Root()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      fmt::format("the {} entries that the database holds are not the first of the mirror's: one of the two was rewritten", result_.size_before));
}

bool Refiller::BelongsToLastWrite(const ledger::v1::Entry& entry) const {
  return write_ && entry.author() == refill_.custodian && write_->item.author == refill_.custodian &&
         entry.idempotency_key() == EntryIdempotencyKey(write_->item.key, write_->item.count);
}

absl::Status Refiller::Take(RefillLeaf leaf) {
  const ledger::v1::Entry& entry = leaf.leaf.entry;
  const bool own = entry.author() == refill_.custodian;
  const bool lost = range_.size() >= result_.size_before;
  if (!BelongsToLastWrite(entry)) EndWrite();
  // Nobody knows where the commits ended, but none ended within an author's batch: so one ends wherever they did, and perhaps elsewhere.
  if (leaf.leaf.signed_entry.signature() != signature_) {
    if (absl::Status status = Commit(); !status.ok()) return status;
    signature_ = leaf.leaf.signed_entry.signature();
  }
  NoteWrite(leaf, range_.size());
  const ledger::Hash hash = ledger::LeafHash(leaf.bytes);
  range_.Append(hash);
  if (!lost) return absl::OkStatus();
  if (own) {
    state_.author_counter = static_cast<std::int64_t>(entry.counter());
    state_.time_ms = std::max(state_.time_ms, Milliseconds(entry.time()));
    result_.sealed += static_cast<std::uint64_t>(entry.record_sha256_size());
    result_.wrapped_keys += entry.has_key_stored() ? 1 : 0;
    result_.rows += static_cast<std::uint64_t>(entry.row_sha256_size());
  }
  if (entry.has_anchor()) {
    auto root = ledger::HashFromBytes(entry.anchor().governance_root());
    if (!root.ok()) return root.status();
    state_.anchor_size = entry.anchor().governance_size();
    state_.anchor_root = *root;
  }
  leaves_.push_back(std::move(leaf.bytes));
  hashes_.push_back(hash);
  return absl::OkStatus();
}

void Refiller::NoteWrite(const RefillLeaf& leaf, std::uint64_t index) {
  const ledger::v1::Entry& entry = leaf.leaf.entry;
  // The writer's own, which answers nobody.
  if (entry.has_anchor()) return;
  const bool own = entry.author() == refill_.custodian;
  if (!write_) {
    write_.emplace();
    write_->first_index = index;
    write_->item.author = entry.author();
    write_->item.key = entry.idempotency_key();
    // Of our own write nobody knows any more what was asked: a digest that nothing has, so that what is sent again is refused.
    const ledger::Hash digest =
        ledger::Sha256(own ? "custodian/refilled/v1\n" + entry.idempotency_key() : leaf.leaf.signed_entry.entry_bytes());
    write_->item.digest = std::string(ledger::AsBytes(digest));
    if (!own) write_->item.counter = static_cast<std::int64_t>(entry.counter());
  }
  ++write_->item.count;
  if (own && entry.kind() == ledger::v1::KIND_CONSENT_SET) write_->consents.insert(entry.subject());
}

void Refiller::EndWrite() {
  if (!write_) return;
  const bool lost = write_->first_index >= result_.size_before;
  for (const std::string& patient : write_->consents) {
    const std::int64_t version = ++consent_versions_[patient];
    if (lost) changed_versions_[patient] = version;
  }
  if (lost) {
    items_.push_back(std::move(write_->item));
    answers_.push_back({&items_.back(), write_->first_index});
  }
  write_.reset();
}

absl::Status Refiller::Commit() {
  if (leaves_.empty()) return absl::OkStatus();
  CommitPlan plan;
  plan.size_before = state_.size();
  plan.leaves = std::move(leaves_);
  plan.leaf_hashes = std::move(hashes_);
  for (const ledger::Hash& hash : plan.leaf_hashes) state_.Append(hash, plan.tiles);
  plan.next = state_;
  plan.answers = std::move(answers_);
  plan.witnessed_by_ms = absl::ToUnixMillis(refill_.now);
  plan.consent_versions = std::move(changed_versions_);
  bool lost_head = false;
  const absl::Status status = ExecutePlanIn(transaction_, plan, lost_head);
  leaves_.clear();
  hashes_.clear();
  answers_.clear();
  items_.clear();
  changed_versions_.clear();
  return status;
}

absl::Status Refiller::Finish() {
  EndWrite();
  if (absl::Status status = Commit(); !status.ok()) return status;
  if (state_.Root() != refill_.checkpoint.root) return absl::DataLossError("the mirror's entries do not make the root of its checkpoint");
  Execute(transaction_, "UPDATE ledger.checkpoint SET signed_note = $2, published_note = CASE WHEN $3 THEN $2 END WHERE size = $1 AND published_note IS NULL",
          static_cast<std::int64_t>(refill_.checkpoint.size), refill_.note, refill_.is_witnessed);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Refilled> RefillLog(const Database& database, const Refill& refill, const NextLeaf& next) {
  absl::StatusOr<Refilled> refilled;
  const absl::Status status = database.Write([&](WriteTransaction& transaction) -> absl::Status {
    refilled = Refiller(transaction, refill).Run(next);
    return refilled.status();
  });
  if (!status.ok()) return status;
  return refilled;
}

}  // namespace custodian::tenants

#include "ledger/countersign_audit.h"

#include <string>
#include <utility>

namespace custodian::ledger {
namespace {

absl::Status Wrong(const std::string& what) { return absl::InvalidArgumentError(what); }

}  // namespace

void CountersignAuditor::BeginAt(CompactRange range) {
  base_ = std::move(range);
  checked_ = base_;
  recent_.clear();
}

void CountersignAuditor::Append(const Hash& leaf_hash) {
  recent_.push_back(leaf_hash);
  if (recent_.size() <= kCountersignLagMax) return;
  base_.Append(recent_.front());
  recent_.pop_front();
}

absl::Status CountersignAuditor::Check(const v1::Entry& entry) {
  if (entry.has_countersigned()) return CheckRange(entry.countersigned());
  if (entry.has_disputed()) return CheckDispute(entry.disputed());
  return absl::OkStatus();
}

absl::Status CountersignAuditor::CheckRange(const v1::Countersigned& range) {
  if (range.end() > size()) return Wrong("it countersigns " + std::to_string(range.end()) + " entries, and " + std::to_string(size()) + " stand before it");
  if (size() - range.end() > kCountersignLagMax)
    return Wrong("it countersigns up to entry " + std::to_string(range.end()) + ", more than 16,384 entries before it");
  if (range.end() < base_.size()) return absl::OkStatus();
  if (checked_.size() < base_.size() || checked_.size() > range.end()) checked_ = base_;
  while (checked_.size() < range.end()) checked_.Append(recent_[checked_.size() - base_.size()]);
  if (range.root() != AsBytes(checked_.Root()))
    return Wrong("it countersigns another root than the log has at size " + std::to_string(range.end()));
  return absl::OkStatus();
}

absl::Status CountersignAuditor::CheckDispute(const v1::Disputed& disputed) const {
  if (disputed.index() >= size()) return Wrong("it disputes entry " + std::to_string(disputed.index()) + ", and " + std::to_string(size()) + " stand before it");
  if (disputed.index() < base_.size()) return absl::OkStatus();
  if (disputed.leaf_hash() != AsBytes(recent_[disputed.index() - base_.size()]))
    return Wrong("it disputes another entry than the log has at " + std::to_string(disputed.index()));
  return absl::OkStatus();
}

}  // namespace custodian::ledger

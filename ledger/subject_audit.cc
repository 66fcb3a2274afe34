#include "ledger/subject_audit.h"

#include <string>

namespace custodian::ledger {
namespace {

// Subjects taken in at once: bounds memory when a map covers a long log.
constexpr std::size_t kChangesMax = 50'000;

}  // namespace

SubjectAuditor::SubjectAuditor(std::unique_ptr<SubjectPages> pages)
    : pages_(pages != nullptr ? std::move(pages) : NewSubjectPagesInMemory()) {}

absl::Status SubjectAuditor::Add(std::uint64_t index, const v1::Entry& entry) {
  absl::Status status = entry.has_subject_map() ? Check(index, entry.subject_map()) : absl::OkStatus();
  if (!entry.subject().empty()) uncovered_.emplace_back(index, SubjectKey(entry.subject()));
  // No map may leave the oldest out any more. Many at once: each call makes a path of pages anew.
  if (uncovered_.size() >= kSubjectMapLagMax + kChangesMax) status.Update(Cover(index - kSubjectMapLagMax));
  return status;
}

absl::Status SubjectAuditor::Check(std::uint64_t index, const v1::SubjectMap& map) {
  const std::string size = std::to_string(map.size());
  if (map.size() > index) return absl::InvalidArgumentError("the subject map covers " + size + " entries, more than stand before it");
  if (map.size() <= covered_)
    return absl::InvalidArgumentError("the subject map covers " + size + " entries, the one before it " + std::to_string(covered_));
  if (index - map.size() > kSubjectMapLagMax)
    return absl::InvalidArgumentError("the subject map covers " + size + " entries only: it leaves out too many");
  if (absl::Status status = Cover(map.size()); !status.ok()) return status;
  covered_ = map.size();
  if (!is_blind_ && map.root() != AsBytes(root_))
    return absl::InvalidArgumentError("the subject map is not the one that the first " + size + " entries make");
  return absl::OkStatus();
}

absl::Status SubjectAuditor::Cover(std::uint64_t size) {
  // Of a map that is not judged nothing needs to be made.
  while (is_blind_ && !uncovered_.empty() && uncovered_.front().first < size) uncovered_.pop_front();
  while (!uncovered_.empty() && uncovered_.front().first < size) {
    SubjectChanges changes;
    std::size_t taken = 0;
    for (; taken < uncovered_.size() && uncovered_[taken].first < size && changes.size() < kChangesMax; ++taken) {
      SubjectValue& value = changes[uncovered_[taken].second];
      ++value.count;
      value.last_index = uncovered_[taken].first;
    }
    const absl::StatusOr<Hash> root = ApplySubjectChanges(*pages_, root_, changes);
    if (!root.ok()) return root.status();
    root_ = *root;
    uncovered_.erase(uncovered_.begin(), uncovered_.begin() + static_cast<std::ptrdiff_t>(taken));
  }
  return absl::OkStatus();
}

}  // namespace custodian::ledger

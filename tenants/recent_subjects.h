// Whom the newest entries of a log are about, as its writer knows it: so that whoever follows the log for their sake need not read it again.
// Bounded: of entries of long ago, or of before a doubt, it cannot tell. Thread-safe.
#ifndef CUSTODIAN_TENANTS_RECENT_SUBJECTS_H_
#define CUSTODIAN_TENANTS_RECENT_SUBJECTS_H_

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace custodian::tenants {

class RecentSubjects {
 public:
  // Of one entry: 16 bytes, or empty; none where the entry itself must be read (a SUBJECT_MAP).
  using Subject = std::optional<std::string>;

  // Of the entries that were committed from `first` on.
  void Note(std::uint64_t first, std::vector<Subject> subjects) ABSL_LOCKS_EXCLUDED(mutex_) {
    const absl::MutexLock lock(&mutex_);
    if (first != first_ + subjects_.size()) {
      subjects_.clear();
      first_ = first;
    }
    for (Subject& subject : subjects) subjects_.push_back(std::move(subject));
    DropLocked(subjects_.size() > kEntriesMax ? subjects_.size() - kEntriesMax : 0);
  }
  // Those of entries [first, first + count), if it knows them. What is before `first` is not asked for again.
  [[nodiscard]] std::optional<std::vector<Subject>> Take(std::uint64_t first, std::uint64_t count) ABSL_LOCKS_EXCLUDED(mutex_) {
    const absl::MutexLock lock(&mutex_);
    if (first < first_ || count > subjects_.size() || first - first_ > subjects_.size() - count) return std::nullopt;
    DropLocked(first - first_);
    return std::vector<Subject>(subjects_.begin(), subjects_.begin() + static_cast<std::ptrdiff_t>(count));
  }

 private:
  // Some 80 bytes each.
  static constexpr std::size_t kEntriesMax = 30'000;

  void DropLocked(std::uint64_t count) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    subjects_.erase(subjects_.begin(), subjects_.begin() + static_cast<std::ptrdiff_t>(count));
    first_ += count;
  }

  absl::Mutex mutex_;
  std::uint64_t first_ ABSL_GUARDED_BY(mutex_) = 0;
  std::deque<Subject> subjects_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace custodian::tenants

#endif  // CUSTODIAN_TENANTS_RECENT_SUBJECTS_H_

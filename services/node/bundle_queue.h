// The bundles of a log, fetched and prepared by any number of threads and taken by one in order. Memory is bounded: no thread works further
// ahead than `ahead` bundles of the one that is taken next. The threads are the caller's, who runs Work() on each.
#ifndef CUSTODIAN_SERVICES_NODE_BUNDLE_QUEUE_H_
#define CUSTODIAN_SERVICES_NODE_BUNDLE_QUEUE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "ledger/audit_tiles.h"

namespace custodian::node {

class BundleQueue {
 public:
  // Makes the bundle at an index. Thread-safe.
  using Prepare = std::function<ledger::PreparedBundle(std::uint64_t index)>;

  // Bundles from `first` up to, not including, `end`.
  BundleQueue(Prepare prepare, std::uint64_t first, std::uint64_t end, std::uint64_t ahead)
      : prepare_(std::move(prepare)), end_(end), ahead_(ahead), taken_(first), claimed_(first) {}

  // Prepares bundles until none is left, or Stop().
  void Work();
  // The next bundle, while there is one; prepares it itself when no thread has begun to.
  [[nodiscard]] ledger::PreparedBundle Next();
  void Stop();

 private:
  [[nodiscard]] bool MayClaim() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopped_ || claimed_ >= end_ || claimed_ < taken_ + ahead_;
  }
  [[nodiscard]] bool NextIsReady() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return ready_.contains(taken_); }

  const Prepare prepare_;
  const std::uint64_t end_;
  const std::uint64_t ahead_;
  absl::Mutex mutex_;
  // The next bundles to be taken, and to be begun.
  std::uint64_t taken_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t claimed_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<std::uint64_t, ledger::PreparedBundle> ready_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace custodian::node

#endif  // CUSTODIAN_SERVICES_NODE_BUNDLE_QUEUE_H_

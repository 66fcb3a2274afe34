#include "services/node/bundle_queue.h"

namespace custodian::node {

void BundleQueue::Work() {
  for (;;) {
    std::uint64_t index = 0;
    {
      const absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(this, &BundleQueue::MayClaim));
      if (stopped_ || claimed_ >= end_) return;
      index = claimed_++;
    }
    ledger::PreparedBundle bundle = prepare_(index);
    const absl::MutexLock lock(&mutex_);
    ready_.emplace(index, std::move(bundle));
  }
}

ledger::PreparedBundle BundleQueue::Next() {
  std::uint64_t index = 0;
  {
    const absl::MutexLock lock(&mutex_);
    if (claimed_ > taken_) {
      mutex_.Await(absl::Condition(this, &BundleQueue::NextIsReady));
      return std::move(ready_.extract(taken_++).mapped());
    }
    index = claimed_++;
    ++taken_;
  }
  return prepare_(index);
}

void BundleQueue::Stop() {
  const absl::MutexLock lock(&mutex_);
  stopped_ = true;
}

}  // namespace custodian::node

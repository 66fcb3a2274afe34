#include "services/rpc/errands.h"

#include <utility>

namespace custodian::rpc {

bool Errands::Add(std::function<void()> errand) {
  const absl::MutexLock lock(&mutex_);
  if (stopped_ || waiting_.size() >= waiting_max_) return false;
  waiting_.push_back(std::move(errand));
  return true;
}

void Errands::Work() {
  while (true) {
    std::function<void()> next;
    {
      const absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(this, &Errands::Ready));
      if (waiting_.empty()) return;
      next = std::move(waiting_.front());
      waiting_.pop_front();
    }
    next();
  }
}

void Errands::Stop() {
  const absl::MutexLock lock(&mutex_);
  stopped_ = true;
}

}  // namespace custodian::rpc

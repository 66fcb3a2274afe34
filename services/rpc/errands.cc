#include "services/rpc/errands.h"

#include <algorithm>
#include <utility>

namespace custodian::rpc {

bool Errands::Add(const TenantId& tenant, std::function<void()> errand) {
  const absl::MutexLock lock(&mutex_);
  if (stopped_ || waiting_.size() >= waiting_max_) return false;
  waiting_.push_back({tenant, std::move(errand)});
  return true;
}

bool Errands::Ready() const {
  return (stopped_ && waiting_.empty()) ||
         std::any_of(waiting_.begin(), waiting_.end(), [this](const Errand& each)
                                                           ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return RunningOf(each.tenant) < tenant_at_once_max_; });
}

int Errands::RunningOf(const TenantId& tenant) const {
  const auto found = running_.find(tenant);
  return found == running_.end() ? 0 : found->second;
}

std::deque<Errands::Errand>::iterator Errands::Next() {
  auto next = waiting_.begin();
  for (auto each = next; each != waiting_.end(); ++each)
    if (RunningOf(each->tenant) < RunningOf(next->tenant)) next = each;
  return next;
}

void Errands::Work() {
  absl::ReleasableMutexLock begin(&mutex_);
  ++workers_;
  begin.Release();
  while (true) {
    Errand next;
    {
      const absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(this, &Errands::Ready));
      if (waiting_.empty()) {
        --workers_;
        return;
      }
      const auto found = Next();
      next = std::move(*found);
      waiting_.erase(found);
      ++running_[next.tenant];
    }
    next.run();
    const absl::MutexLock lock(&mutex_);
    if (--running_[next.tenant] == 0) running_.erase(next.tenant);
  }
}

void Errands::Stop() {
  const absl::MutexLock lock(&mutex_);
  stopped_ = true;
}

bool Errands::has_workers() const {
  const absl::MutexLock lock(&mutex_);
  return workers_ > 0;
}

}  // namespace custodian::rpc

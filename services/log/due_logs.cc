#include "services/log/due_logs.h"

#include <algorithm>

#include "absl/time/clock.h"

namespace custodian::log {

void DueLogs::Bring(std::size_t log, State& state, absl::Time when) {
  if (when >= state.due) return;
  if (!state.taken) {
    waiting_.erase({state.due, log});
    waiting_.emplace(when, log);
    changed_.Signal();
  }
  state.due = when;
}

void DueLogs::Add(std::size_t log, absl::Time when) {
  const absl::MutexLock lock(&mutex_);
  Bring(log, states_[log], when);
}

std::optional<std::size_t> DueLogs::Take() {
  const absl::MutexLock lock(&mutex_);
  while (!stopped_) {
    const absl::Time due = waiting_.empty() ? absl::InfiniteFuture() : std::max(waiting_.begin()->first, rest_until_);
    if (due <= absl::Now()) {
      const std::size_t log = waiting_.begin()->second;
      waiting_.erase(waiting_.begin());
      states_[log] = {absl::InfiniteFuture(), true};
      return log;
    }
    changed_.WaitWithDeadline(&mutex_, due);
  }
  return std::nullopt;
}

void DueLogs::Done(std::size_t log, absl::Time next) {
  const absl::MutexLock lock(&mutex_);
  State& state = states_[log];
  const absl::Time due = std::min(state.due, next);
  state = {};
  Bring(log, state, due);
}

void DueLogs::RestUntil(absl::Time time) {
  const absl::MutexLock lock(&mutex_);
  rest_until_ = std::max(rest_until_, time);
}

void DueLogs::Stop() {
  const absl::MutexLock lock(&mutex_);
  stopped_ = true;
  changed_.SignalAll();
}

}  // namespace custodian::log

// Which log is due when, for one kind of work that several threads share: a log is given to one of them at a time, and what falls
// due meanwhile is not forgotten. Costs the same however many logs there are that nothing happens to. Thread-safe.
#ifndef CUSTODIAN_SERVICES_LOG_DUE_LOGS_H_
#define CUSTODIAN_SERVICES_LOG_DUE_LOGS_H_

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace custodian::log {

class DueLogs {
 public:
  // The log is due at `when`, or earlier when that was said before.
  void Add(std::size_t log, absl::Time when);
  // Waits for a log that is due and not being worked on, the longest due first; nothing once stopped.
  [[nodiscard]] std::optional<std::size_t> Take();
  // The log that Take() gave is due again at `next`, or earlier when Add() said so meanwhile; InfiniteFuture: not by itself.
  void Done(std::size_t log, absl::Time next);
  // Nothing is given out before.
  void RestUntil(absl::Time time);
  void Stop();

 private:
  struct State {
    absl::Time due = absl::InfiniteFuture();
    bool taken = false;
  };
  void Bring(std::size_t log, State& state, absl::Time when) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  absl::Mutex mutex_;
  absl::CondVar changed_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Time rest_until_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  std::map<std::size_t, State> states_ ABSL_GUARDED_BY(mutex_);
  // Those with a due time that are not taken.
  std::set<std::pair<absl::Time, std::size_t>> waiting_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace custodian::log

#endif  // CUSTODIAN_SERVICES_LOG_DUE_LOGS_H_

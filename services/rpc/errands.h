// Work that waits (for the database) and that no thread of gRPC's callbacks may do: handed to a few threads of services/main. Bounded; thread-safe.
#ifndef CUSTODIAN_SERVICES_RPC_ERRANDS_H_
#define CUSTODIAN_SERVICES_RPC_ERRANDS_H_

#include <cstddef>
#include <deque>
#include <functional>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace custodian::rpc {

class Errands {
 public:
  explicit Errands(std::size_t waiting_max) : waiting_max_(waiting_max) {}

  // False, and it is not done, when so many wait already or after Stop(). It must not throw.
  [[nodiscard]] bool Add(std::function<void()> errand);
  // Does them, in order, until Stop(), and what was added before it; by any number of threads.
  void Work();
  void Stop();

 private:
  [[nodiscard]] bool Ready() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stopped_ || !waiting_.empty(); }

  const std::size_t waiting_max_;
  absl::Mutex mutex_;
  std::deque<std::function<void()>> waiting_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace custodian::rpc

#endif  // CUSTODIAN_SERVICES_RPC_ERRANDS_H_

// Work for a tenant that waits (for a database, or for keys) and that its caller does not wait for itself, or not without an end: handed to a few
// threads of services/main. Of those that wait the tenant goes first for whom the fewest are being done, and no tenant ever has more than its share of the
// threads: what hangs for one leaves the others theirs. Bounded; thread-safe.
#ifndef CUSTODIAN_SERVICES_RPC_ERRANDS_H_
#define CUSTODIAN_SERVICES_RPC_ERRANDS_H_

#include <cstddef>
#include <deque>
#include <functional>
#include <limits>
#include <map>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "tenants/ids.h"

namespace custodian::rpc {

class Errands {
 public:
  // Those that wait, in all; those of one tenant that are being done at once.
  explicit Errands(std::size_t waiting_max, int tenant_at_once_max = std::numeric_limits<int>::max())
      : waiting_max_(waiting_max), tenant_at_once_max_(tenant_at_once_max) {}

  // False, and it is not done, when so many wait already or after Stop(). It must not throw.
  [[nodiscard]] bool Add(const TenantId& tenant, std::function<void()> errand);
  // Does them, a tenant's in order, until Stop(), and what was added before it; by any number of threads.
  void Work();
  void Stop();
  // Whether a thread does them.
  [[nodiscard]] bool has_workers() const;

 private:
  struct Errand {
    TenantId tenant;
    std::function<void()> run;
  };
  [[nodiscard]] bool Ready() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  [[nodiscard]] int RunningOf(const TenantId& tenant) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The first of the tenant with the fewest; the end when every tenant that waits has its share.
  [[nodiscard]] std::deque<Errand>::iterator Next() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::size_t waiting_max_;
  const int tenant_at_once_max_;
  mutable absl::Mutex mutex_;
  std::deque<Errand> waiting_ ABSL_GUARDED_BY(mutex_);
  // Of each tenant that has any.
  std::map<TenantId, int> running_ ABSL_GUARDED_BY(mutex_);
  int workers_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace custodian::rpc

#endif  // CUSTODIAN_SERVICES_RPC_ERRANDS_H_

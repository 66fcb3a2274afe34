// What one client, and all clients of one tenant together, may have of a server: requests under way at once, and requests a second (a bucket that fills
// again, as large as two seconds' worth). Asked once it is known who calls, so that nobody spends another's share. Thread-safe.
#ifndef CUSTODIAN_SERVICES_RPC_SHARES_H_
#define CUSTODIAN_SERVICES_RPC_SHARES_H_

#include <functional>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/rpc/http.h"
#include "tenants/clock.h"
#include "tenants/ids.h"

namespace custodian::rpc {

class Shares {
 public:
  struct Limits {
    int tenant_at_once = std::numeric_limits<int>::max();
    int client_at_once = std::numeric_limits<int>::max();
    // 0: as many as come.
    int client_per_second = 0;
  };
  // One request under way, until it is destroyed.
  class Taken {
   public:
    Taken() = default;
    Taken(Taken&& other) noexcept : shares_(std::exchange(other.shares_, nullptr)), tenant_(std::move(other.tenant_)), client_(std::move(other.client_)) {}
    Taken& operator=(Taken other) noexcept {
      std::swap(shares_, other.shares_);
      std::swap(tenant_, other.tenant_);
      std::swap(client_, other.client_);
      return *this;
    }
    ~Taken() {
      if (shares_ != nullptr) shares_->GiveBack(tenant_, client_);
    }

   private:
    friend class Shares;
    Taken(Shares* shares, TenantId tenant, std::string client) : shares_(shares), tenant_(std::move(tenant)), client_(std::move(client)) {}
    Shares* shares_ = nullptr;
    TenantId tenant_;
    std::string client_;
  };

  // `machine_clock` is borrowed.
  Shares(Limits limits, const Clock& machine_clock) : limits_(limits), clock_(machine_clock) {}

  // `tenant` is the client's own; the empty one for who is of no tenant, and then it is no limit. `client`: a registered one, for it is remembered.
  // ResourceExhausted, saying which limit it is; a second later there is something again.
  [[nodiscard]] absl::StatusOr<Taken> Take(const TenantId& tenant, std::string_view client) ABSL_LOCKS_EXCLUDED(mutex_);
  // The same before a handler whose clients show certificates; past a limit the answer is 429 with Retry-After. Whoever shows none is not counted: nothing but
  // a refusal costs him anything. Borrows this.
  [[nodiscard]] HttpHandler Protect(HttpHandler handler);

 private:
  struct Client {
    int at_once = 0;
    double left = 0;
    absl::Time filled = absl::InfinitePast();
  };
  void GiveBack(const TenantId& tenant, const std::string& client) ABSL_LOCKS_EXCLUDED(mutex_);

  const Limits limits_;
  const Clock& clock_;
  absl::Mutex mutex_;
  // Of each tenant that has any.
  std::map<TenantId, int> tenants_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Client, std::less<>> clients_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace custodian::rpc

#endif  // CUSTODIAN_SERVICES_RPC_SHARES_H_

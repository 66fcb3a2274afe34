// Locator tokens that were made a short while ago, so that a patient who is registered again, or corrected, costs the token no second
// signature a value. Each tenant's are its own: how long a call takes says nothing of what others asked. Thread-safe.
#ifndef CUSTODIAN_SERVICES_KEYS_RECENT_TOKENS_H_
#define CUSTODIAN_SERVICES_KEYS_RECENT_TOKENS_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "tenants/ids.h"

namespace custodian::keys {

class RecentTokens {
 public:
  // Holds up to twice `tokens_max`, the older half of them at most as long as that many newer ones take to come.
  explicit RecentTokens(std::size_t tokens_max);

  [[nodiscard]] std::optional<std::string> Find(const TenantId& tenant, std::string_view value) const;
  void Keep(const TenantId& tenant, std::string_view value, std::string token);
  // The key that made them may be another from now on.
  void Forget();

 private:
  // Values are health data: they are known by their SHA-256 under a salt of this process only.
  [[nodiscard]] std::string NameOf(const TenantId& tenant, std::string_view value) const;

  const std::size_t tokens_max_;
  const std::string salt_;
  mutable absl::Mutex mutex_;
  absl::flat_hash_map<std::string, std::string> newer_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, std::string> older_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace custodian::keys

#endif  // CUSTODIAN_SERVICES_KEYS_RECENT_TOKENS_H_

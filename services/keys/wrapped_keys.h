// Wrapped keys as the key process hands them to who backs them up: never unwrapped, the token is not asked. A narrow client of its own, so that who may
// read what is stored need not be able to unwrap it. Thread-safe; not under a lock or inside a transaction.
#ifndef CUSTODIAN_SERVICES_KEYS_WRAPPED_KEYS_H_
#define CUSTODIAN_SERVICES_KEYS_WRAPPED_KEYS_H_

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tenants/ids.h"

namespace custodian::keys {

// Of one call.
inline constexpr std::size_t kWrappedKeysPerCallMax = 256;

struct KeyName {
  // "shard" or "patient".
  std::string what;
  // 16 bytes.
  std::string key_id;
};

class WrappedKeys {
 public:
  virtual ~WrappedKeys() = default;
  // `socket_path` of `custodian keys`.
  [[nodiscard]] static std::unique_ptr<WrappedKeys> Connect(const std::string& socket_path);

  // The bytes as stored of 1 to 256 keys, in the order asked; empty where there is no such key.
  [[nodiscard]] virtual absl::StatusOr<std::vector<std::string>> ReadWrapped(const TenantId& tenant, std::span<const KeyName> names) = 0;
};

}  // namespace custodian::keys

#endif  // CUSTODIAN_SERVICES_KEYS_WRAPPED_KEYS_H_

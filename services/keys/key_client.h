// The key process as others see it. Thread-safe; each call may take a token call's time (250 ms at most), so never under a lock
// or inside a transaction. Implemented over gRPC on a Unix socket (KeyClient::Connect) and in tests by a real key process.
#ifndef CUSTODIAN_SERVICES_KEYS_KEY_CLIENT_H_
#define CUSTODIAN_SERVICES_KEYS_KEY_CLIENT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "ledger/entry.pb.h"
#include "ledger/tree.h"
#include "services/keys/secret.h"
#include "tenants/ids.h"

namespace custodian::keys {

// What KEY_STORED records.
struct StoredKey {
  std::string what;
  std::string key_id;
  ledger::Hash wrapped_sha256;
  // Of a patient key: its shard.
  std::string shard_id;
  std::uint64_t epoch = 0;
};
[[nodiscard]] ::ledger::v1::KeyStored KeyStoredOf(const StoredKey& key);

// Where a tenant's key store lies: cell of the configuration, and database.
struct KeyPlacement {
  std::string cell;
  std::string key_database;

  bool operator==(const KeyPlacement&) const = default;
};

struct KeyStatus {
  // False when the token cannot be used at all, e.g. after a refused PIN.
  bool ready = false;
  // Tenants whose root, epoch key or key store cannot be reached.
  std::vector<std::string> dark_tenants;
};

// Of one call.
inline constexpr std::size_t kPatientsPerCallMax = 64;

class KeyClient {
 public:
  virtual ~KeyClient() = default;
  // `socket_path` of `custodian keys`.
  [[nodiscard]] static std::unique_ptr<KeyClient> Connect(const std::string& socket_path);

  // Ed25519 public key (32 bytes) of the tenant's log. Its key-store database must be migrated before. Idempotent;
  // FailedPrecondition when the tenant was made before with another origin or placement.
  [[nodiscard]] virtual absl::StatusOr<std::string> CreateTenant(const TenantId& tenant, std::string_view origin,
                                                                 const KeyPlacement& placement) = 0;
  // Ed25519 public key (32 bytes) of a log that is no tenant's (the governance log). Idempotent.
  [[nodiscard]] virtual absl::StatusOr<std::string> CreateLogKey(std::string_view origin) = 0;
  // For 1 to 64 patients, what the caller must record as KEY_STORED: the patients' shards, then the patients' keys in the order asked.
  // Asked again, the same answer; the shards are always named, so that a crash between the answer and the entry loses nothing: give
  // each entry an idempotency key made of `what` and `key_id` and repeats cost nothing. DataLoss when a stored key was altered.
  [[nodiscard]] virtual absl::StatusOr<std::vector<StoredKey>> CreatePatientKeys(const TenantId& tenant,
                                                                                 std::span<const PatientId> patients) = 0;
  [[nodiscard]] absl::StatusOr<std::vector<StoredKey>> CreatePatientKey(const TenantId& tenant, const PatientId& patient) {
    return CreatePatientKeys(tenant, {&patient, 1});
  }
  // One secret per patient asked (1 to 64); NotFound naming none when one has no key.
  [[nodiscard]] virtual absl::StatusOr<std::vector<Secret>> UnwrapPatientKeys(const TenantId& tenant,
                                                                              std::span<const PatientId> patients,
                                                                              std::string_view purpose) = 0;
  // 32 bytes each.
  [[nodiscard]] virtual absl::StatusOr<std::vector<std::string>> LocatorTokens(const TenantId& tenant,
                                                                               std::span<const std::string> values) = 0;
  [[nodiscard]] virtual absl::StatusOr<Secret> IndexKey(const TenantId& tenant) = 0;
  // 64 bytes of Ed25519 over the checkpoint text.
  // FailedPrecondition for a smaller size than was signed before, or another root for the same size.
  [[nodiscard]] virtual absl::StatusOr<std::string> SignCheckpoint(std::string_view origin, std::uint64_t size,
                                                                   const ledger::Hash& root) = 0;
  [[nodiscard]] virtual absl::StatusOr<KeyStatus> Status() = 0;
};

}  // namespace custodian::keys

#endif  // CUSTODIAN_SERVICES_KEYS_KEY_CLIENT_H_

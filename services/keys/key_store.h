// A tenant's key store: shard secrets sealed by the epoch key in the token, patient keys sealed by the secret of their shard
// (DESIGN, section 6). Thread-safe. No transaction is open during a token call; nothing unwrapped is kept. Every wrapped key is
// opened before it is vouched for, so that an altered one is refused (DataLoss) instead of recorded.
#ifndef CUSTODIAN_SERVICES_KEYS_KEY_STORE_H_
#define CUSTODIAN_SERVICES_KEYS_KEY_STORE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/keys/key_client.h"
#include "services/keys/pkcs11_token.h"
#include "services/keys/secret.h"
#include "services/keys/wrapped_keys.h"
#include "tenants/database.h"
#include "tenants/ids.h"

namespace custodian::keys {

inline constexpr std::size_t kPatientsPerShard = 1'024;
// Erasure makes further epochs.
inline constexpr std::uint64_t kFirstEpoch = 1;

class KeyStore {
 public:
  KeyStore(TenantId tenant, std::unique_ptr<tenants::Database> database, Pkcs11Token& token,
           std::size_t patients_per_shard = kPatientsPerShard);

  // Makes the first shard if there is none.
  [[nodiscard]] absl::Status Prepare();
  // OK when the database answers and has the store's tables.
  [[nodiscard]] absl::Status Check();
  // Makes the keys of the patients that have none, durable before this returns; the shards' StoredKeys, then the patients' in the order
  // asked.
  [[nodiscard]] absl::StatusOr<std::vector<StoredKey>> CreatePatientKeys(std::span<const PatientId> patients);
  // In the order asked; an empty Secret where a patient has no key.
  [[nodiscard]] absl::StatusOr<std::vector<Secret>> Unwrap(std::span<const PatientId> patients);
  // As stored, in the order asked; empty where there is no such key.
  [[nodiscard]] absl::StatusOr<std::vector<std::string>> ReadWrapped(std::span<const KeyName> names);

 private:
  struct Shard {
    std::string key_id;
    std::uint64_t epoch = 0;
    std::string wrapped;
    std::uint64_t patients = 0;
  };
  struct WrappedKey {
    std::string patient_id;
    std::string wrapped;
    Shard shard;
  };

  [[nodiscard]] absl::StatusOr<std::vector<WrappedKey>> Find(std::span<const PatientId> patients);
  // The newest shard, with its number of patients.
  [[nodiscard]] absl::StatusOr<std::optional<Shard>> NewestShard();
  // Adds a shard, unless another thread made one after `newest`.
  [[nodiscard]] absl::Status AddShard(const std::optional<Shard>& newest);
  // Adds keys of these patients to the shard, unless it has no room for all by now; a patient that has one keeps it.
  [[nodiscard]] absl::Status AddPatientKeys(std::span<const PatientId> patients, const Shard& shard);
  // What is stored, each key opened before it is vouched for.
  [[nodiscard]] absl::StatusOr<std::vector<StoredKey>> Vouch(std::span<const PatientId> patients, const std::vector<WrappedKey>& found);
  [[nodiscard]] absl::StatusOr<Secret> UnwrapShard(const Shard& shard);
  [[nodiscard]] absl::StatusOr<Secret> UnwrapPatient(const Secret& shard_secret, const WrappedKey& key);
  [[nodiscard]] std::string ShardAad(const std::string& key_id, std::uint64_t epoch) const;
  [[nodiscard]] std::string PatientAad(const std::string& patient_id, std::uint64_t epoch) const;

  const TenantId tenant_;
  const std::unique_ptr<tenants::Database> database_;
  Pkcs11Token& token_;
  const std::size_t patients_per_shard_;
};

}  // namespace custodian::keys

#endif  // CUSTODIAN_SERVICES_KEYS_KEY_STORE_H_

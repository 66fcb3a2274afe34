// Seals and opens what is stored about a patient: record key = HKDF-SHA-256(patient key, record id, version), AES-256-GCM,
// random 96-bit IV, AAD = tenant, patient, record, version (DESIGN, section 6). Holds unwrapped patient keys for at most 60 s or
// 1,000 uses. Thread-safe; holds no lock across a call to the key process.
#ifndef CUSTODIAN_SERVICES_KEYS_SEALER_H_
#define CUSTODIAN_SERVICES_KEYS_SEALER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "ledger/tree.h"
#include "services/keys/key_client.h"
#include "tenants/clock.h"
#include "tenants/ids.h"

namespace custodian::keys {

struct Sealed {
  // IV || ciphertext || tag.
  std::string ciphertext;
  // SHA-256 of `ciphertext`, as the ledger records it.
  ledger::Hash sha256;
};

// What a sealed thing is: bound into the key and the AAD.
struct SealName {
  TenantId tenant;
  PatientId patient;
  // 16 bytes: a RecordId, or a random id for details of ledger entries.
  std::string record;
  std::uint64_t version = 1;
};

class Sealer {
 public:
  Sealer(KeyClient& keys, const Clock& machine_clock, absl::Duration lease = absl::Seconds(60), int uses_max = 1'000);
  ~Sealer();

  // `purpose` names why, for the use account.
  [[nodiscard]] absl::StatusOr<Sealed> Seal(const SealName& name, std::string_view plaintext, std::string_view purpose);
  // DataLoss when the ciphertext was altered or belongs to another name.
  [[nodiscard]] absl::StatusOr<std::string> Open(const SealName& name, std::string_view ciphertext, std::string_view purpose);

  // Leases the keys of many patients with few calls, before their records are opened one by one. NotFound when one has no key.
  [[nodiscard]] absl::Status Prefetch(const TenantId& tenant, std::span<const PatientId> patients, std::string_view purpose);
  // Whether that key is held: nothing waits for the key process.
  [[nodiscard]] bool Holds(const TenantId& tenant, const PatientId& patient) const;
  // Wipes leases that have expired. Called every second by a thread of services/main, so that an idle process holds no key longer
  // than the lease; every Seal and Open does it too.
  void DropExpired();
  // Keys held now.
  [[nodiscard]] std::size_t held() const;

  // HMAC-SHA-256 under the tenant's index key, 32 bytes: for record ids and idempotency keys.
  [[nodiscard]] absl::StatusOr<std::string> IndexToken(const TenantId& tenant, std::string_view value);
  // First 16 bytes of the index token of "<type>/<id>".
  [[nodiscard]] absl::StatusOr<RecordId> RecordIdOf(const TenantId& tenant, std::string_view type, std::string_view id);

 private:
  class Leases;
  [[nodiscard]] absl::StatusOr<std::shared_ptr<const Secret>> PatientKey(const SealName& name, std::string_view purpose);

  KeyClient& keys_;
  std::unique_ptr<Leases> leases_;
};

}  // namespace custodian::keys

#endif  // CUSTODIAN_SERVICES_KEYS_SEALER_H_

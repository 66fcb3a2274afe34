// What `custodian keys` does, without its transport: tenants' keys in the token, their key stores, the locator, and checkpoint
// signatures. Thread-safe; holds no lock across a token, database or file operation. Trusts nobody's arguments: every limit is
// checked here.
#ifndef CUSTODIAN_SERVICES_KEYS_KEY_SERVICE_H_
#define CUSTODIAN_SERVICES_KEYS_KEY_SERVICE_H_

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "services/keys/key_client.h"
#include "services/keys/key_store.h"
#include "services/keys/pkcs11_token.h"
#include "services/keys/recent_tokens.h"
#include "services/keys/signing_states.h"
#include "services/keys/wrapped_keys.h"
#include "tenants/database.h"
#include "tenants/ids.h"

namespace custodian::keys {

inline constexpr std::size_t kLocatorValuesMax = 256;
inline constexpr std::size_t kLocatorValueBytesMax = 512;
inline constexpr std::size_t kNameBytesMax = 255;

class KeyService final : public KeyClient, public WrappedKeys {
 public:
  // How to connect to the key store at a placement.
  using Connections = std::function<absl::StatusOr<tenants::ConnectionSpec>(const KeyPlacement& placement)>;

  // With mode 0700, unless it is there.
  [[nodiscard]] static absl::Status MakeStateDirectory(const std::string& state_directory);
  // Reads the tenants and signing states kept in `state_directory`, which is made when missing. FailedPrecondition when
  // another key process uses the directory: two could sign against each other. A tenant whose keys are missing does not stop the
  // others; it is dark.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<KeyService>> Create(Pkcs11Token& token, std::string state_directory,
                                                                          Connections connections);
  ~KeyService() override;

  [[nodiscard]] absl::StatusOr<std::string> CreateTenant(const TenantId& tenant, std::string_view origin,
                                                         const KeyPlacement& placement) override;
  [[nodiscard]] absl::StatusOr<std::string> CreateLogKey(std::string_view origin) override;
  [[nodiscard]] absl::StatusOr<std::vector<StoredKey>> CreatePatientKeys(const TenantId& tenant,
                                                                         std::span<const PatientId> patients) override;
  // An empty Secret where a patient has no key; KeyClient::Connect makes NotFound of it.
  [[nodiscard]] absl::StatusOr<std::vector<Secret>> UnwrapPatientKeys(const TenantId& tenant, std::span<const PatientId> patients,
                                                                      std::string_view purpose) override;
  [[nodiscard]] absl::StatusOr<std::vector<std::string>> LocatorTokens(const TenantId& tenant,
                                                                       std::span<const std::string> values) override;
  [[nodiscard]] absl::StatusOr<Secret> IndexKey(const TenantId& tenant) override;
  [[nodiscard]] absl::StatusOr<std::string> SignCheckpoint(std::string_view origin, std::uint64_t size,
                                                           const ledger::Hash& root) override;
  [[nodiscard]] absl::StatusOr<KeyStatus> Status() override;
  [[nodiscard]] absl::StatusOr<std::vector<std::string>> ReadWrapped(const TenantId& tenant, std::span<const KeyName> names) override;

 private:
  struct Tenant {
    std::string origin;
    KeyPlacement placement;
    std::unique_ptr<KeyStore> store;
  };
  // Holds the directory for this process.
  class DirectoryLock;

  KeyService(Pkcs11Token& token, std::string state_directory, Connections connections, std::unique_ptr<DirectoryLock> lock);
  [[nodiscard]] absl::Status LoadTenants();
  [[nodiscard]] absl::StatusOr<std::unique_ptr<KeyStore>> OpenStore(const TenantId& tenant, const KeyPlacement& placement);
  // Null when unknown. Tenants are never removed, so the pointer stays good.
  [[nodiscard]] Tenant* Find(const TenantId& tenant);
  // NotFound, naming the tenant, when unknown.
  [[nodiscard]] absl::StatusOr<Tenant*> Known(const TenantId& tenant);

  Pkcs11Token& token_;
  const std::string state_directory_;
  const Connections connections_;
  const std::unique_ptr<DirectoryLock> directory_lock_;
  SigningStates states_;
  RecentTokens recent_tokens_;
  absl::Mutex mutex_;
  std::map<TenantId, std::unique_ptr<Tenant>> tenants_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace custodian::keys

#endif  // CUSTODIAN_SERVICES_KEYS_KEY_SERVICE_H_

// A key process inside a test: a real SoftHSM token, a real key-store database per tenant, and a client that reaches it over gRPC
// on a Unix socket. Link test_support_keys. Thread-safe but for AddTenant, Stop and Start.
#ifndef CUSTODIAN_TESTS_SUPPORT_KEYS_KEY_PROCESS_H_
#define CUSTODIAN_TESTS_SUPPORT_KEYS_KEY_PROCESS_H_

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/keys/key_client.h"
#include "services/keys/wrapped_keys.h"
#include "tenants/ids.h"
#include "tests/support/postgres.h"

namespace custodian::keys {
class KeyServer;
class KeyService;
class Pkcs11Token;
}  // namespace custodian::keys

namespace custodian::testing {

class KeyProcess {
 public:
  // A running process with no tenant, as a network of its own in the token.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<KeyProcess>> Create();
  ~KeyProcess();
  KeyProcess(const KeyProcess&) = delete;
  KeyProcess& operator=(const KeyProcess&) = delete;

  // Stays good over Stop and Start.
  [[nodiscard]] keys::KeyClient& client() { return *client_; }

  [[nodiscard]] keys::WrappedKeys& wrapped_keys() { return *wrapped_keys_; }

  // Makes a key-store database and the tenant's keys; the public key (32 bytes) of its log.
  [[nodiscard]] absl::StatusOr<std::string> AddTenant(const TenantId& tenant, std::string_view origin);
  // The tenant's key-store database.
  [[nodiscard]] const TestDatabase& key_database(const TenantId& tenant) const { return *databases_.at(tenant); }

  // Ends the process; everything it holds in memory is gone.
  void Stop();
  // Begins it again on the same token, databases and state directory.
  [[nodiscard]] absl::Status Start();

  [[nodiscard]] keys::Pkcs11Token& token() { return *token_; }
  [[nodiscard]] const std::string& state_directory() const { return state_directory_; }

 private:
  class Folder;
  KeyProcess();

  std::unique_ptr<Folder> folder_;
  std::string state_directory_;
  std::string network_;
  std::map<TenantId, std::unique_ptr<TestDatabase>> databases_;
  std::unique_ptr<keys::Pkcs11Token> token_;
  std::unique_ptr<keys::KeyService> service_;
  std::unique_ptr<keys::KeyServer> server_;
  std::unique_ptr<keys::KeyClient> client_;
  std::unique_ptr<keys::WrappedKeys> wrapped_keys_;
};

}  // namespace custodian::testing

#endif  // CUSTODIAN_TESTS_SUPPORT_KEYS_KEY_PROCESS_H_

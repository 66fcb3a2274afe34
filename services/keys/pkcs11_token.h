// The token: the only code that speaks PKCS#11 (2.40 with the Edwards mechanisms of 3.0). Holds per tenant a root and an epoch
// key, per log an Ed25519 key pair, and one locator key; none of them ever leaves the token. Thread-safe: a pool of sessions, no
// lock held across a token call, logs in and finds its keys again when a session is lost. A refused PIN is never tried again: a
// second and third try would lock the token for its owner.
#ifndef CUSTODIAN_SERVICES_KEYS_PKCS11_TOKEN_H_
#define CUSTODIAN_SERVICES_KEYS_PKCS11_TOKEN_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/keys/secret.h"
#include "tenants/ids.h"

namespace custodian::keys {

class Pkcs11Token {
 public:
  struct Options {
    // Path of the vendor's PKCS#11 library.
    std::string module;
    std::string token_label;
    Secret pin;
    // Changes when the PIN file does; a refused PIN is remembered with it in `refusal_file`, so that a restart does not try it
    // again.
    std::string pin_version;
    std::string refusal_file;
    // Keys are named under it, so that two networks may share a token.
    std::string network;
    int sessions_max = 8;
  };

  // Loads the module and logs in. NotFound when the module or the token is missing. With a refused PIN the token is returned,
  // dark: every call answers FailedPrecondition, as does Health().
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Pkcs11Token>> Open(Options options);
  ~Pkcs11Token();
  Pkcs11Token(const Pkcs11Token&) = delete;
  Pkcs11Token& operator=(const Pkcs11Token&) = delete;

  // OK when logged in and the token answers.
  [[nodiscard]] absl::Status Health();
  // Logins tried since Open.
  [[nodiscard]] int login_attempts() const;

  // Makes what is missing of the tenant's root and its epoch key: AES-256, sensitive, never extractable. Idempotent.
  [[nodiscard]] absl::Status CreateTenantKeys(const TenantId& tenant, std::uint64_t epoch);
  // OK when root and epoch key are in the token and are sensitive and never extractable; NotFound when the tenant took its root
  // away; FailedPrecondition when a key could be read out.
  [[nodiscard]] absl::Status CheckTenantKeys(const TenantId& tenant, std::uint64_t epoch);
  // IV || ciphertext || tag of CKM_AES_GCM under the epoch key. Needs the tenant's root too.
  [[nodiscard]] absl::StatusOr<std::string> Wrap(const TenantId& tenant, std::uint64_t epoch, std::string_view aad,
                                                 const Secret& key);
  // DataLoss when the wrapped bytes or the AAD are not what was wrapped.
  [[nodiscard]] absl::StatusOr<Secret> Unwrap(const TenantId& tenant, std::uint64_t epoch, std::string_view aad,
                                              std::string_view wrapped);
  // 32 bytes derived from the root: AES-CMAC in counter mode (NIST SP 800-108r1, 4.1).
  [[nodiscard]] absl::StatusOr<Secret> IndexKey(const TenantId& tenant);

  // 32 bytes of the Ed25519 public key of a log; NotFound when it has none.
  [[nodiscard]] absl::StatusOr<std::string> LogPublicKey(std::string_view origin);
  // Makes the pair if it is missing. Idempotent.
  [[nodiscard]] absl::StatusOr<std::string> CreateLogKey(std::string_view origin);
  // 64 bytes (CKM_EDDSA).
  [[nodiscard]] absl::StatusOr<std::string> SignAsLog(std::string_view origin, std::string_view message);

  // Makes the network's locator key (32 bytes) if it is missing. Idempotent.
  [[nodiscard]] absl::Status CreateLocatorKey();
  // CKM_SHA256_HMAC of each value under the locator key, 32 bytes each.
  [[nodiscard]] absl::StatusOr<std::vector<std::string>> LocatorTokens(std::span<const std::string> values);

 private:
  class Core;
  explicit Pkcs11Token(std::unique_ptr<Core> core);
  std::unique_ptr<Core> core_;
};

}  // namespace custodian::keys

#endif  // CUSTODIAN_SERVICES_KEYS_PKCS11_TOKEN_H_

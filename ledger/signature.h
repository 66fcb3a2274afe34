// Signing and verifying with the two algorithms of SignedEntry and of checkpoints: P-256 ECDSA and Ed25519, over OpenSSL.
// Values, safe from any thread. Private keys never leave the Signer; one held in a token is a Signer of services/keys.
#ifndef CUSTODIAN_LEDGER_SIGNATURE_H_
#define CUSTODIAN_LEDGER_SIGNATURE_H_

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ledger/entry.pb.h"
#include "ledger/tree.h"

struct evp_pkey_st;

namespace custodian::ledger {

// The generated messages (package ledger.v1) under the name that our namespaces see.
namespace v1 = ::ledger::v1;

// A public key; key_id = SHA-256 of its SubjectPublicKeyInfo.
class PublicKey {
 public:
  // `spki` is DER. InvalidArgument for other curves or algorithms.
  [[nodiscard]] static absl::StatusOr<PublicKey> FromDer(std::string_view spki);
  // 32 raw bytes of an Ed25519 key.
  [[nodiscard]] static absl::StatusOr<PublicKey> FromEd25519(std::string_view raw);

  [[nodiscard]] v1::SignatureAlgorithm algorithm() const { return algorithm_; }
  [[nodiscard]] const Hash& key_id() const { return key_id_; }
  [[nodiscard]] const std::string& der() const { return der_; }
  // Raw 32 bytes; empty unless Ed25519.
  [[nodiscard]] const std::string& ed25519() const { return ed25519_; }
  // Unauthenticated on a bad signature.
  [[nodiscard]] absl::Status Verify(std::string_view message, std::string_view signature) const;

 private:
  v1::SignatureAlgorithm algorithm_ = v1::SIGNATURE_ALGORITHM_UNSPECIFIED;
  Hash key_id_{};
  std::string der_;
  std::string ed25519_;
  // Shared by copies; never changed once set.
  std::shared_ptr<evp_pkey_st> handle_;
};

// Something that signs. Implementations are thread-safe.
class Signer {
 public:
  virtual ~Signer() = default;
  [[nodiscard]] virtual const PublicKey& public_key() const = 0;
  [[nodiscard]] virtual absl::StatusOr<std::string> Sign(std::string_view message) const = 0;
};

// A signer from an unencrypted PKCS#8 PEM (P-256 or Ed25519). InvalidArgument for anything else.
[[nodiscard]] absl::StatusOr<std::unique_ptr<Signer>> SignerFromPem(std::string_view pem);
// A fresh private key as PKCS#8 PEM.
[[nodiscard]] absl::StatusOr<std::string> NewPrivateKeyPem(v1::SignatureAlgorithm algorithm);

}  // namespace custodian::ledger

#endif  // CUSTODIAN_LEDGER_SIGNATURE_H_

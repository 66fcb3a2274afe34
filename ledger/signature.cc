#include "ledger/signature.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <utility>
#include <vector>

namespace custodian::ledger {
namespace {

// 0x04 and two coordinates; before them the algorithm's name (RFC 5480, section 2).
constexpr std::size_t kP256PointBytes = 65;
constexpr std::size_t kP256SpkiBytes = 26 + kP256PointBytes;

using KeyHandle = std::shared_ptr<EVP_PKEY>;

KeyHandle Own(EVP_PKEY* key) { return {key, EVP_PKEY_free}; }

const unsigned char* Data(std::string_view bytes) { return reinterpret_cast<const unsigned char*>(bytes.data()); }

v1::SignatureAlgorithm AlgorithmOf(const EVP_PKEY* key) {
  if (EVP_PKEY_get_id(key) == EVP_PKEY_ED25519) return v1::SIGNATURE_ALGORITHM_ED25519;
  if (EVP_PKEY_get_id(key) != EVP_PKEY_EC) return v1::SIGNATURE_ALGORITHM_UNSPECIFIED;
  char group[64];
  std::size_t length = 0;
  if (EVP_PKEY_get_group_name(key, group, sizeof group, &length) != 1 || OBJ_txt2nid(group) != NID_X9_62_prime256v1)
    return v1::SIGNATURE_ALGORITHM_UNSPECIFIED;
  return v1::SIGNATURE_ALGORITHM_ECDSA_P256_SHA256;
}

const EVP_MD* DigestOf(v1::SignatureAlgorithm algorithm) {
  return algorithm == v1::SIGNATURE_ALGORITHM_ED25519 ? nullptr : EVP_sha256();
}

absl::StatusOr<std::string> PublicDer(const EVP_PKEY* key) {
  unsigned char* buffer = nullptr;
  const int length = i2d_PUBKEY(key, &buffer);
  if (length <= 0) return absl::InvalidArgumentError("the public key cannot be encoded");
  std::string der(reinterpret_cast<char*>(buffer), static_cast<std::size_t>(length));
  OPENSSL_free(buffer);
  return der;
}

struct DigestContext {
  EVP_MD_CTX* md = EVP_MD_CTX_new();
  DigestContext() = default;
  DigestContext(const DigestContext&) = delete;
  DigestContext& operator=(const DigestContext&) = delete;
  ~DigestContext() { EVP_MD_CTX_free(md); }
};

class SoftwareSigner final : public Signer {
 public:
  SoftwareSigner(KeyHandle key, PublicKey public_key) : key_(std::move(key)), public_key_(std::move(public_key)) {}

  const PublicKey& public_key() const override { return public_key_; }

  absl::StatusOr<std::string> Sign(std::string_view message) const override {
    const DigestContext context;
    std::size_t length = 0;
    if (context.md == nullptr ||
        EVP_DigestSignInit(context.md, nullptr, DigestOf(public_key_.algorithm()), nullptr, key_.get()) != 1 ||
        EVP_DigestSign(context.md, nullptr, &length, Data(message), message.size()) != 1)
      return absl::InternalError("cannot sign");
    std::string signature(length, '\0');
    if (EVP_DigestSign(context.md, reinterpret_cast<unsigned char*>(signature.data()), &length, Data(message), message.size()) !=
        1)
      return absl::InternalError("cannot sign");
    signature.resize(length);
    return signature;
  }

 private:
  KeyHandle key_;
  PublicKey public_key_;
};

}  // namespace

absl::StatusOr<PublicKey> PublicKey::FromDer(std::string_view spki) {
  const unsigned char* at = Data(spki);
  const KeyHandle key = Own(d2i_PUBKEY(nullptr, &at, static_cast<long>(spki.size())));
  if (key == nullptr) return absl::InvalidArgumentError("not a SubjectPublicKeyInfo");
  PublicKey result;
  result.algorithm_ = AlgorithmOf(key.get());
  if (result.algorithm_ == v1::SIGNATURE_ALGORITHM_UNSPECIFIED)
    return absl::InvalidArgumentError("a public key must be P-256 or Ed25519");
  // One key, one encoding: otherwise one key could have several key ids.
  const absl::StatusOr<std::string> der = PublicDer(key.get());
  if (!der.ok()) return der.status();
  // OpenSSL writes a point again in the form that it read: of a P-256 key only the uncompressed one, on the named curve, is taken.
  const bool uncompressed = spki.size() == kP256SpkiBytes && spki[kP256SpkiBytes - kP256PointBytes] == 0x04;
  if (*der != spki || (result.algorithm_ == v1::SIGNATURE_ALGORITHM_ECDSA_P256_SHA256 && !uncompressed))
    return absl::InvalidArgumentError("the SubjectPublicKeyInfo is not in its canonical encoding");
  result.der_ = *der;
  result.key_id_ = Sha256(result.der_);
  if (result.algorithm_ == v1::SIGNATURE_ALGORITHM_ED25519) {
    result.ed25519_.resize(32);
    std::size_t length = result.ed25519_.size();
    if (EVP_PKEY_get_raw_public_key(key.get(), reinterpret_cast<unsigned char*>(result.ed25519_.data()), &length) != 1 ||
        length != 32)
      return absl::InvalidArgumentError("not an Ed25519 key");
  }
  result.handle_ = key;
  return result;
}

absl::StatusOr<PublicKey> PublicKey::FromEd25519(std::string_view raw) {
  if (raw.size() != 32)
    return absl::InvalidArgumentError("an Ed25519 public key has 32 bytes, not " + std::to_string(raw.size()));
  const KeyHandle key = Own(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, Data(raw), raw.size()));
  if (key == nullptr) return absl::InvalidArgumentError("not an Ed25519 public key");
  const absl::StatusOr<std::string> der = PublicDer(key.get());
  if (!der.ok()) return der.status();
  return FromDer(*der);
}

absl::Status PublicKey::Verify(std::string_view message, std::string_view signature) const {
  const DigestContext context;
  if (handle_ == nullptr || context.md == nullptr ||
      EVP_DigestVerifyInit(context.md, nullptr, DigestOf(algorithm_), nullptr, handle_.get()) != 1 ||
      EVP_DigestVerify(context.md, Data(signature), signature.size(), Data(message), message.size()) != 1)
    return absl::UnauthenticatedError("the signature does not verify");
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Signer>> SignerFromPem(std::string_view pem) {
  BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  char* name = nullptr;
  char* header = nullptr;
  unsigned char* bytes = nullptr;
  long length = 0;
  const bool read = bio != nullptr && PEM_read_bio(bio, &name, &header, &bytes, &length) == 1;
  BIO_free(bio);
  KeyHandle key;
  if (read && std::string_view(name) == "PRIVATE KEY") {
    const unsigned char* at = bytes;
    key = Own(d2i_AutoPrivateKey(nullptr, &at, length));
  }
  OPENSSL_free(name);
  OPENSSL_free(header);
  OPENSSL_clear_free(bytes, read ? static_cast<std::size_t>(length) : 0);
  if (key == nullptr) return absl::InvalidArgumentError("not an unencrypted PKCS#8 private key in PEM");
  const absl::StatusOr<std::string> der = PublicDer(key.get());
  if (!der.ok()) return der.status();
  absl::StatusOr<PublicKey> public_key = PublicKey::FromDer(*der);
  if (!public_key.ok()) return absl::InvalidArgumentError("a private key must be P-256 or Ed25519");
  return std::make_unique<SoftwareSigner>(std::move(key), *std::move(public_key));
}

absl::StatusOr<std::string> NewPrivateKeyPem(v1::SignatureAlgorithm algorithm) {
  KeyHandle key;
  if (algorithm == v1::SIGNATURE_ALGORITHM_ED25519)
    key = Own(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  else if (algorithm == v1::SIGNATURE_ALGORITHM_ECDSA_P256_SHA256)
    key = Own(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
  else
    return absl::InvalidArgumentError("unknown signature algorithm");
  if (key == nullptr) return absl::InternalError("cannot make a private key");
  BIO* bio = BIO_new(BIO_s_mem());
  std::string pem;
  if (bio != nullptr && PEM_write_bio_PKCS8PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1) {
    char* text = nullptr;
    const long length = BIO_get_mem_data(bio, &text);
    pem.assign(text, static_cast<std::size_t>(length));
  }
  BIO_free(bio);
  if (pem.empty()) return absl::InternalError("cannot encode a private key");
  return pem;
}

}  // namespace custodian::ledger

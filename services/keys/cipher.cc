#include "services/keys/cipher.h"

#include <array>
#include <climits>
#include <cstdlib>
#include <memory>

#include "absl/status/status.h"
#include "openssl/core_names.h"
#include "openssl/evp.h"
#include "openssl/kdf.h"
#include "openssl/params.h"
#include "tenants/ids.h"

namespace custodian::keys {
namespace {

struct FreeCipherContext {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, FreeCipherContext>;

struct FreeMacContext {
  void operator()(EVP_MAC_CTX* context) const { EVP_MAC_CTX_free(context); }
};
struct FreeKdfContext {
  void operator()(EVP_KDF_CTX* context) const { EVP_KDF_CTX_free(context); }
};

// Looked up once: OpenSSL 3 otherwise searches its providers, under locks, for every key and every record.
const EVP_CIPHER* Aes256Gcm() {
  static EVP_CIPHER* const cipher = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  return cipher;
}
EVP_KDF* Hkdf() {
  static EVP_KDF* const kdf = EVP_KDF_fetch(nullptr, "HKDF", nullptr);
  return kdf;
}
EVP_MAC* HmacAlgorithm() {
  static EVP_MAC* const mac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  return mac;
}

const unsigned char* Data(std::string_view bytes) { return reinterpret_cast<const unsigned char*>(bytes.data()); }
unsigned char* Data(std::string& bytes) { return reinterpret_cast<unsigned char*>(bytes.data()); }

absl::Status OpenSslFailed(const char* what) { return absl::InternalError(std::string("OpenSSL failed at ") + what); }

absl::Status NotAsSealed() { return absl::DataLossError("the sealed bytes were altered, or belong to another name or key"); }

}  // namespace

absl::StatusOr<std::string> SealBytes(std::string_view key, std::string_view aad, std::string_view plaintext) {
  if (key.size() != kKeyBytes) return absl::InternalError("a key of the wrong length");
  if (plaintext.size() > INT_MAX / 2 || aad.size() > INT_MAX / 2) return absl::InvalidArgumentError("too long to be sealed");
  const CipherContext context(EVP_CIPHER_CTX_new());
  std::string sealed = RandomBytes(kIvBytes);
  sealed.resize(kIvBytes + plaintext.size() + kTagBytes);
  unsigned char* out = Data(sealed) + kIvBytes;
  int length = 0;
  if (context == nullptr || EVP_EncryptInit_ex(context.get(), Aes256Gcm(), nullptr, Data(key), Data(sealed)) != 1 ||
      EVP_EncryptUpdate(context.get(), nullptr, &length, Data(aad), static_cast<int>(aad.size())) != 1 ||
      EVP_EncryptUpdate(context.get(), out, &length, Data(plaintext), static_cast<int>(plaintext.size())) != 1 ||
      EVP_EncryptFinal_ex(context.get(), out + length, &length) != 1 ||
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes, out + plaintext.size()) != 1) {
    return OpenSslFailed("AES-GCM");
  }
  return sealed;
}

absl::StatusOr<std::string> OpenBytes(std::string_view key, std::string_view aad, std::string_view sealed) {
  if (key.size() != kKeyBytes) return absl::InternalError("a key of the wrong length");
  if (sealed.size() > INT_MAX / 2 || aad.size() > INT_MAX / 2) return absl::InvalidArgumentError("too long to be opened");
  if (sealed.size() < kIvBytes + kTagBytes) return NotAsSealed();
  const CipherContext context(EVP_CIPHER_CTX_new());
  const std::string_view ciphertext = sealed.substr(kIvBytes, sealed.size() - kIvBytes - kTagBytes);
  std::string tag(sealed.substr(sealed.size() - kTagBytes));
  std::string plaintext(ciphertext.size(), '\0');
  int length = 0;
  if (context == nullptr || EVP_DecryptInit_ex(context.get(), Aes256Gcm(), nullptr, Data(key), Data(sealed)) != 1 ||
      EVP_DecryptUpdate(context.get(), nullptr, &length, Data(aad), static_cast<int>(aad.size())) != 1 ||
      EVP_DecryptUpdate(context.get(), Data(plaintext), &length, Data(ciphertext), static_cast<int>(ciphertext.size())) != 1 ||
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes, tag.data()) != 1) {
    Wipe(plaintext);
    return OpenSslFailed("AES-GCM");
  }
  if (EVP_DecryptFinal_ex(context.get(), Data(plaintext) + length, &length) != 1) {
    Wipe(plaintext);
    return NotAsSealed();
  }
  return plaintext;
}

absl::StatusOr<Secret> DeriveKey(std::string_view key, std::string_view salt, std::string_view info) {
  const std::unique_ptr<EVP_KDF_CTX, FreeKdfContext> context(EVP_KDF_CTX_new(Hkdf()));
  const auto bytes = [](const char* name, std::string_view value) {
    return OSSL_PARAM_construct_octet_string(name, const_cast<char*>(value.data()), value.size());
  };
  char digest[] = "SHA256";
  const std::array<OSSL_PARAM, 5> parameters{OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0), bytes(OSSL_KDF_PARAM_KEY, key),
                                             bytes(OSSL_KDF_PARAM_SALT, salt), bytes(OSSL_KDF_PARAM_INFO, info), OSSL_PARAM_construct_end()};
  std::array<unsigned char, kKeyBytes> derived{};
  if (context == nullptr || EVP_KDF_derive(context.get(), derived.data(), derived.size(), parameters.data()) != 1) return OpenSslFailed("HKDF");
  Secret secret(std::string_view(reinterpret_cast<const char*>(derived.data()), derived.size()));
  OPENSSL_cleanse(derived.data(), derived.size());
  return secret;
}

std::string Hmac(std::string_view key, std::string_view message) {
  std::string out(32, '\0');
  const std::unique_ptr<EVP_MAC_CTX, FreeMacContext> context(EVP_MAC_CTX_new(HmacAlgorithm()));
  char digest[] = "SHA256";
  const std::array<OSSL_PARAM, 2> parameters{OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};
  std::size_t length = 0;
  const bool made = context != nullptr && EVP_MAC_init(context.get(), Data(key), key.size(), parameters.data()) == 1 &&
                    EVP_MAC_update(context.get(), Data(message), message.size()) == 1 &&
                    EVP_MAC_final(context.get(), Data(out), &length, out.size()) == 1;
  // Only without memory; an empty token must not stand for anything.
  if (!made || length != out.size()) std::abort();
  return out;
}

std::string BoundName(std::string_view label, std::initializer_list<std::string_view> fields) {
  std::string out(label);
  out += '\n';
  for (const std::string_view field : fields) {
    const auto size = static_cast<std::uint32_t>(field.size());
    for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>((size >> shift) & 0xff);
    out += field;
  }
  return out;
}

std::string NumberBytes(std::uint64_t number) {
  std::string out;
  for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>((number >> shift) & 0xff);
  return out;
}

}  // namespace custodian::keys

#include "services/keys/cipher.h"

#include <array>
#include <climits>
#include <memory>

#include "absl/status/status.h"
#include "openssl/evp.h"
#include "openssl/hmac.h"
#include "openssl/kdf.h"
#include "tenants/ids.h"

namespace custodian::keys {
namespace {

struct FreeCipherContext {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, FreeCipherContext>;

struct FreeKeyContext {
  void operator()(EVP_PKEY_CTX* context) const { EVP_PKEY_CTX_free(context); }
};

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
  if (context == nullptr || EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, Data(key), Data(sealed)) != 1 ||
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
  if (context == nullptr || EVP_DecryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, Data(key), Data(sealed)) != 1 ||
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
  const std::unique_ptr<EVP_PKEY_CTX, FreeKeyContext> context(EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, nullptr));
  std::array<unsigned char, kKeyBytes> derived{};
  std::size_t length = derived.size();
  if (context == nullptr || EVP_PKEY_derive_init(context.get()) != 1 ||
      EVP_PKEY_CTX_set_hkdf_md(context.get(), EVP_sha256()) != 1 ||
      EVP_PKEY_CTX_set1_hkdf_salt(context.get(), Data(salt), static_cast<int>(salt.size())) != 1 ||
      EVP_PKEY_CTX_set1_hkdf_key(context.get(), Data(key), static_cast<int>(key.size())) != 1 ||
      EVP_PKEY_CTX_add1_hkdf_info(context.get(), Data(info), static_cast<int>(info.size())) != 1 ||
      EVP_PKEY_derive(context.get(), derived.data(), &length) != 1 || length != derived.size()) {
    return OpenSslFailed("HKDF");
  }
  Secret secret(std::string_view(reinterpret_cast<const char*>(derived.data()), derived.size()));
  OPENSSL_cleanse(derived.data(), derived.size());
  return secret;
}

std::string Hmac(std::string_view key, std::string_view message) {
  std::string out(32, '\0');
  unsigned int length = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), Data(message), message.size(), Data(out), &length);
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

// AES-256-GCM and HKDF-SHA-256 over OpenSSL, as the sealer and the key store use them. Pure; safe from any thread.
#ifndef CUSTODIAN_SERVICES_KEYS_CIPHER_H_
#define CUSTODIAN_SERVICES_KEYS_CIPHER_H_

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "services/keys/secret.h"

namespace custodian::keys {

inline constexpr std::size_t kKeyBytes = 32;
inline constexpr std::size_t kIvBytes = 12;
inline constexpr std::size_t kTagBytes = 16;

// IV || ciphertext || tag under a 32-byte key, with a fresh random IV. Internal when OpenSSL fails.
[[nodiscard]] absl::StatusOr<std::string> SealBytes(std::string_view key, std::string_view aad, std::string_view plaintext);
// DataLoss when key, AAD or any byte differs from what was sealed.
[[nodiscard]] absl::StatusOr<std::string> OpenBytes(std::string_view key, std::string_view aad, std::string_view sealed);

// 32 bytes of HKDF-SHA-256 (RFC 5869).
[[nodiscard]] absl::StatusOr<Secret> DeriveKey(std::string_view key, std::string_view salt, std::string_view info);
// HMAC-SHA-256, 32 bytes.
[[nodiscard]] std::string Hmac(std::string_view key, std::string_view message);

// A label and fields, each with its length before it (4 bytes, big-endian), so that no two lists encode alike.
[[nodiscard]] std::string BoundName(std::string_view label, std::initializer_list<std::string_view> fields);
// 8 bytes, big-endian.
[[nodiscard]] std::string NumberBytes(std::uint64_t number);

}  // namespace custodian::keys

#endif  // CUSTODIAN_SERVICES_KEYS_CIPHER_H_

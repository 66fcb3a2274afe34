// Verification of ES384 (RFC 7518, section 3.4: ECDSA on P-384 with SHA-384). Every order check brings such a token, and OpenSSL 3.0's P-384 is its
// generic arithmetic: Nettle takes two thirds of that time. The token's form and everything else of JOSE is libcjose's. Thread-safe.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_ES384_H_
#define CUSTODIAN_SERVICES_EXCHANGE_ES384_H_

#include <nettle/ecc.h>

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"

namespace custodian::exchange {

class Es384Key {
 public:
  // Coordinates of 48 bytes each, big-endian. InvalidArgument when they are no point of the curve.
  [[nodiscard]] static absl::StatusOr<std::shared_ptr<const Es384Key>> FromCoordinates(std::string_view x, std::string_view y);
  ~Es384Key();
  Es384Key(const Es384Key&) = delete;
  Es384Key& operator=(const Es384Key&) = delete;

  // `signature`: r and s, 48 bytes each, big-endian.
  [[nodiscard]] bool Verifies(std::string_view message, std::string_view signature) const;

 private:
  Es384Key();
  ecc_point point_;
};

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_ES384_H_

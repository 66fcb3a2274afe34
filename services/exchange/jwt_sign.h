// Signs as a client does: for `custodian doctor`, which tries an integrator's key. The private key is in memory for the call only. Pure.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_JWT_SIGN_H_
#define CUSTODIAN_SERVICES_EXCHANGE_JWT_SIGN_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace custodian::exchange {

// A client's private key: JWK, or PEM (PKCS#8 or SEC 1) with the kid beside it.
struct ClientKey {
  // Private JWK.
  std::string jwk;
  // The same without its private part.
  std::string public_jwk;
  std::string kid;
  // "ES384" or "RS384".
  std::string algorithm;
};
// InvalidArgument says what is wrong with it. `kid` is needed for PEM, and for a JWK without one.
[[nodiscard]] absl::StatusOr<ClientKey> ReadClientKey(std::string_view text, std::string_view kid);

// Compact JWS.
[[nodiscard]] absl::StatusOr<std::string> SignJwt(const ClientKey& key, std::string_view payload_json);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_JWT_SIGN_H_

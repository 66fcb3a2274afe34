// The JWT that an EHR sends with every CDS Hooks call (CDS Hooks 2.0, "Trusting CDS Clients"): ES384, five minutes at most, a new
// jti each time. Owns the tenant's private key while it lives. Not thread-safe.
#ifndef CUSTODIAN_SERVICES_SAMPLE_EHR_TOKEN_H_
#define CUSTODIAN_SERVICES_SAMPLE_EHR_TOKEN_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace custodian::sample {

class EhrTokens {
 public:
  struct Identity {
    // File with a P-384 private key as a JWK.
    std::string jwk_file;
    std::string kid;
    // Claims `iss` and `tenant`.
    std::string issuer;
    std::string tenant;
  };
  // NotFound for the file, InvalidArgument for what is in it.
  [[nodiscard]] static absl::StatusOr<EhrTokens> Create(Identity identity);
  EhrTokens(EhrTokens&&) noexcept;
  EhrTokens& operator=(EhrTokens&&) noexcept;
  ~EhrTokens();

  // A compact JWS for the endpoint that is called, exactly as it is called. `now` is the machine's clock.
  [[nodiscard]] absl::StatusOr<std::string> Sign(const std::string& audience, absl::Time now) const;

 private:
  class Key;
  EhrTokens(Identity identity, std::unique_ptr<Key> key);
  Identity identity_;
  std::unique_ptr<Key> key_;
};

}  // namespace custodian::sample

#endif  // CUSTODIAN_SERVICES_SAMPLE_EHR_TOKEN_H_

// The JWT that a CDS client sends with every call (CDS Hooks 2.0, "Trusting CDS Clients"): ES384 or RS384, a key of the tenant's
// registered JWK set, issuer and tenant on the registry's list, audience the exact endpoint, at most five minutes of life, used
// once. Judged by the machine's clock, never by network time. Thread-safe. Never fetches a key from anywhere.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_JWT_H_
#define CUSTODIAN_SERVICES_EXCHANGE_JWT_H_

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "tenants/clock.h"
#include "tenants/registry.h"

namespace custodian::exchange {

struct VerifiedJwt {
  tenants::Tenant tenant;
  std::string issuer;
  // SHA-256 (32 bytes) of issuer and jti: what is remembered of a used token.
  std::string jti_sha256;
  // SHA-256 of the whole token, for the entry that reports the act.
  std::string token_sha256;
  absl::Time expires;
};

class JwtVerifier {
 public:
  using FindTenant = std::function<std::optional<tenants::Tenant>(std::string_view issuer, std::string_view cds_tenant)>;

  JwtVerifier(FindTenant find_tenant, const Clock& machine_clock) : find_tenant_(std::move(find_tenant)), clock_(machine_clock) {}

  // `authorization` is the value of that header ("Bearer ..."). Unauthenticated with a sentence on what to mend.
  [[nodiscard]] absl::StatusOr<VerifiedJwt> Verify(std::string_view authorization, std::string_view audience) const;

  static constexpr absl::Duration kSkew = absl::Seconds(60);
  static constexpr absl::Duration kLifetimeMax = absl::Minutes(5);

 private:
  FindTenant find_tenant_;
  const Clock& clock_;
};

// OK for a JWK set (RFC 7517) with at least one key that can verify: P-384, or RSA of 2048 bits and more, each with its own kid.
// InvalidArgument says which key is not, also for one with a private part.
[[nodiscard]] absl::Status CheckJwks(std::string_view jwks);

// Tokens that were used and have not expired. What a call writes carries the token's row too (exchange.jti), so that a restart
// forgets nothing that mattered; this set catches two calls at once, and calls that write nothing.
class UsedTokens {
 public:
  explicit UsedTokens(const Clock& machine_clock, std::size_t tokens_max = 1'000'000)
      : clock_(machine_clock), tokens_max_(tokens_max) {}

  // Unauthenticated when the token was used before; ResourceExhausted when too many are remembered.
  [[nodiscard]] absl::Status Use(const VerifiedJwt& token);

 private:
  const Clock& clock_;
  const std::size_t tokens_max_;
  absl::Mutex mutex_;
  std::set<std::string> used_ ABSL_GUARDED_BY(mutex_);
  std::multimap<absl::Time, std::string> by_expiry_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_JWT_H_

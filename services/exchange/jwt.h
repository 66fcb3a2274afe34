// Tokens that clients sign: the JWT of every CDS Hooks call (CDS Hooks 2.0, "Trusting CDS Clients") and the assertion by which a SMART
// backend client asks for an access token (RFC 7523; SMART App Launch 2, "Backend Services"). ES384 or RS384, a key of the client's
// registered JWK set, audience the exact endpoint, at most five minutes of life, used once. Judged by the machine's clock, never by
// network time. Thread-safe. Takes no key and no key's address from the token itself.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_JWT_H_
#define CUSTODIAN_SERVICES_EXCHANGE_JWT_H_

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/exchange/fhir_json.h"
#include "services/exchange/jwt_keys.h"
#include "tenants/clock.h"
#include "tenants/registry.h"

namespace custodian::exchange {

// Of every token.
inline constexpr absl::Duration kTokenSkew = absl::Seconds(60);
inline constexpr absl::Duration kTokenLifetimeMax = absl::Minutes(5);
// How far a client's clock may be ahead of ours before tokens of the full lifetime are refused: a lifetime longer than allowed looks the same.
inline constexpr absl::Duration kTokenAhead = absl::Seconds(15);

// A compact JWS taken apart: its form, algorithm and kid are good, nothing else was looked at.
struct Jws {
  std::string text;
  Json payload;
  // "ES384" or "RS384".
  std::string algorithm;
  std::string kid;
};
// Unauthenticated with a sentence on what to mend.
[[nodiscard]] absl::StatusOr<Jws> ParseJws(std::string_view token);
// Unauthenticated unless `key` signed it.
[[nodiscard]] absl::Status VerifyJws(const Jws& jws, const PublicKey& key);

// The claims that every token has, checked against the clock. `audience` is the exact URL; of a list one must be it.
struct Claims {
  std::string issuer;
  std::string jti;
  absl::Time expires;
};
[[nodiscard]] absl::StatusOr<Claims> CheckClaims(const Json& payload, std::string_view audience, absl::Time now, bool needs_iat);

// The token of "Bearer <token>"; empty when the header says something else.
[[nodiscard]] std::string_view BearerToken(std::string_view authorization);

// An EHR that may call, and how it is known.
struct CdsClient {
  tenants::Tenant tenant;
  KeySource keys;
  // Base URLs of the FHIR servers that it may name for data.
  std::vector<std::string> fhir_servers;
};

struct VerifiedJwt {
  tenants::Tenant tenant;
  std::vector<std::string> fhir_servers;
  std::string issuer;
  // SHA-256 (32 bytes) of issuer and jti: what is remembered of a used token.
  std::string jti_sha256;
  // SHA-256 of the whole token, for the entry that reports the act.
  std::string token_sha256;
  absl::Time expires;
};

class JwtVerifier {
 public:
  using FindClient = std::function<std::optional<CdsClient>(std::string_view issuer, std::string_view cds_tenant)>;

  // Borrows the key sets and the clock.
  JwtVerifier(FindClient find_client, const KeySets& keys, const Clock& machine_clock)
      : find_client_(std::move(find_client)), keys_(keys), clock_(machine_clock) {}

  // `authorization` is the value of that header ("Bearer ..."). Unauthenticated with a sentence on what to mend; Unavailable when the
  // client's keys cannot be fetched now.
  [[nodiscard]] absl::StatusOr<VerifiedJwt> Verify(std::string_view authorization, std::string_view audience) const;

 private:
  FindClient find_client_;
  const KeySets& keys_;
  const Clock& clock_;
};

// Tokens that were used and have not expired. What a call writes carries the token's row too (exchange.jti), so that a restart
// forgets nothing that mattered; this set catches two calls at once, and calls that write nothing.
class UsedTokens {
 public:
  explicit UsedTokens(const Clock& machine_clock, std::size_t tokens_max = 1'000'000)
      : clock_(machine_clock), tokens_max_(tokens_max) {}

  // Unauthenticated when the token was used before; ResourceExhausted when too many are remembered.
  [[nodiscard]] absl::Status Use(const std::string& jti_sha256, absl::Time expires);

 private:
  const Clock& clock_;
  const std::size_t tokens_max_;
  absl::Mutex mutex_;
  std::set<std::string> used_ ABSL_GUARDED_BY(mutex_);
  std::multimap<absl::Time, std::string> by_expiry_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_JWT_H_

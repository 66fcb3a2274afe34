#include "services/exchange/jwt.h"

#include <cmath>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "cjose/cjose.h"
#include "ledger/tree.h"

namespace custodian::exchange {
namespace {

constexpr std::size_t kTokenBytesMax = 16'384;
constexpr std::size_t kJtiBytesMax = 1'024;
constexpr std::size_t kRsaBitsMin = 2'048;
// Any later is no time that a clock will show.
constexpr double kSecondsMax = 253'402'300'799.0;

struct JwsRelease {
  void operator()(cjose_jws_t* jws) const { cjose_jws_release(jws); }
};

absl::Status Refuse(std::string_view why) { return absl::UnauthenticatedError(std::string(why)); }

// The JSON of one base64url part of a compact JWS.
absl::StatusOr<Json> Part(std::string_view part) {
  std::string bytes;
  if (!IsBase64Url(part) || !absl::WebSafeBase64Unescape(std::string(part), &bytes)) return Refuse("the token is not a JWT");
  auto json = Json::Parse(bytes, {kTokenBytesMax, 16});
  if (!json.ok() || !json->is_object()) return Refuse("the token is not a JWT");
  return json;
}

absl::StatusOr<absl::Time> NumericDate(const Json& payload, const char* claim) {
  double seconds = 0;
  const Json& value = payload[claim];
  if (!value.is_number() || !absl::SimpleAtod(value.text(), &seconds) || !std::isfinite(seconds) || seconds < 0 ||
      seconds > kSecondsMax)
    return Refuse(absl::StrCat("the token's ", claim, " must be seconds since 1970"));
  return absl::UnixEpoch() + absl::Milliseconds(std::llround(seconds * 1000));
}

bool IsFor(const Json& audience, std::string_view endpoint) {
  if (audience.is_string()) return audience.text() == endpoint;
  for (const Json& one : audience.items())
    if (one.is_string() && one.text() == endpoint) return true;
  return false;
}

}  // namespace

absl::StatusOr<Claims> CheckClaims(const Json& payload, std::string_view audience, absl::Time now, bool needs_iat) {
  Claims claims{payload.TextOf("iss"), payload.TextOf("jti"), {}};
  if (claims.issuer.empty() || !payload["iss"].is_string()) return Refuse("the token has no iss");
  if (claims.jti.empty() || !payload["jti"].is_string() || claims.jti.size() > kJtiBytesMax)
    return Refuse("the token has no jti");
  if (!IsFor(payload["aud"], audience)) return Refuse("the token's aud is not this endpoint's URL");
  const auto expires = NumericDate(payload, "exp");
  if (!expires.ok()) return expires.status();
  if (*expires + kTokenSkew <= now) return Refuse("the token has expired");
  if (*expires > now + kTokenLifetimeMax + kTokenAhead) return Refuse("the token's exp is more than 5 minutes ahead");
  if (needs_iat || payload.Find("iat") != nullptr) {
    const auto issued = NumericDate(payload, "iat");
    if (!issued.ok()) return issued.status();
    if (*issued > now + kTokenSkew) return Refuse("the token's iat lies ahead");
    if (*issued >= *expires) return Refuse("the token's iat is not before its exp");
  }
  if (payload.Find("nbf") != nullptr) {
    const auto not_before = NumericDate(payload, "nbf");
    if (!not_before.ok()) return not_before.status();
    if (*not_before > now + kTokenSkew) return Refuse("the token is not valid yet (nbf)");
  }
  claims.expires = *expires;
  return claims;
}

std::string_view BearerToken(std::string_view authorization) {
  constexpr std::string_view kBearer = "bearer ";
  if (authorization.size() <= kBearer.size()) return {};
  for (std::size_t i = 0; i < kBearer.size(); ++i) {
    const char c = authorization[i];
    if ((c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c) != kBearer[i]) return {};
  }
  authorization.remove_prefix(kBearer.size());
  while (!authorization.empty() && authorization.front() == ' ') authorization.remove_prefix(1);
  return authorization;
}

absl::StatusOr<Jws> ParseJws(std::string_view token) {
  if (token.size() > kTokenBytesMax) return Refuse("the token is too long");
  const std::size_t first = token.find('.');
  const std::size_t second = first == std::string_view::npos ? first : token.find('.', first + 1);
  if (second == std::string_view::npos || token.find('.', second + 1) != std::string_view::npos)
    return Refuse("the token is not a JWT");
  const auto header = Part(token.substr(0, first));
  if (!header.ok()) return header.status();
  auto payload = Part(token.substr(first + 1, second - first - 1));
  if (!payload.ok()) return payload.status();
  const std::string& algorithm = header->TextOf("alg");
  if (algorithm != "ES384" && algorithm != "RS384") return Refuse("the token's alg must be ES384 or RS384");
  if (header->Find("crit") != nullptr) return Refuse("the token has critical headers that are not known here");
  if (!IsBase64Url(token.substr(second + 1))) return Refuse("the token is not a JWT");
  if (header->TextOf("kid").empty()) return Refuse("the token has no kid");
  return Jws{std::string(token), *std::move(payload), algorithm, header->TextOf("kid")};
}

absl::Status VerifyJws(const Jws& jws, const PublicKey& key) {
  if (jws.algorithm == "ES384" && key.es384() != nullptr) {
    const std::size_t dot = jws.text.rfind('.');
    std::string signature;
    const bool verifies = absl::WebSafeBase64Unescape(jws.text.substr(dot + 1), &signature) &&
                          key.es384()->Verifies(std::string_view(jws.text).substr(0, dot), signature);
    return verifies ? absl::OkStatus() : Refuse("the token's signature is wrong");
  }
  if (key.jwk().TextOf("kty") == "RSA" && key.rsa_bits() < kRsaBitsMin) return Refuse("the token's key is shorter than 2048 bits");
  cjose_err error;
  const std::unique_ptr<cjose_jws_t, JwsRelease> signature(cjose_jws_import(jws.text.data(), jws.text.size(), &error));
  if (signature == nullptr) return Refuse("the token is not a JWT");
  if (!cjose_jws_verify(signature.get(), &key.key(), &error)) return Refuse("the token's signature is wrong");
  return absl::OkStatus();
}

absl::StatusOr<VerifiedJwt> JwtVerifier::Verify(std::string_view authorization, std::string_view audience) const {
  const std::string_view token = BearerToken(authorization);
  if (token.empty()) return Refuse("send a JWT: Authorization: Bearer <token>");
  const auto jws = ParseJws(token);
  if (!jws.ok()) return jws.status();
  auto claims = CheckClaims(jws->payload, audience, clock_.Now(), /*needs_iat=*/true);
  if (!claims.ok()) return claims.status();
  auto client = find_client_(claims->issuer, jws->payload.TextOf("tenant"));
  if (!client) return Refuse("the token's iss and tenant are not registered here");
  const auto key = keys_.Find(client->keys, jws->kid, jws->algorithm);
  if (!key.ok()) return key.status();
  if (absl::Status status = VerifyJws(*jws, **key); !status.ok()) return status;

  VerifiedJwt verified;
  verified.tenant = std::move(client->tenant);
  verified.fhir_servers = std::move(client->fhir_servers);
  verified.jti_sha256 = std::string(ledger::AsBytes(ledger::Sha256(claims->issuer + "\n" + claims->jti)));
  verified.token_sha256 = std::string(ledger::AsBytes(ledger::Sha256(token)));
  verified.issuer = std::move(claims->issuer);
  verified.expires = claims->expires;
  return verified;
}

absl::Status UsedTokens::Use(const std::string& jti_sha256, absl::Time expires) {
  const absl::Time now = clock_.Now();
  const absl::MutexLock lock(&mutex_);
  while (!by_expiry_.empty() && by_expiry_.begin()->first <= now) {
    used_.erase(by_expiry_.begin()->second);
    by_expiry_.erase(by_expiry_.begin());
  }
  if (used_.contains(jti_sha256)) return absl::UnauthenticatedError("the token was used before (jti)");
  if (used_.size() >= tokens_max_) return absl::ResourceExhaustedError("too many tokens at once; try again in a minute");
  used_.insert(jti_sha256);
  by_expiry_.emplace(expires + kTokenSkew, jti_sha256);
  return absl::OkStatus();
}

}  // namespace custodian::exchange

#include "services/exchange/smart_service.h"

#include <map>
#include <utility>

#include <openssl/crypto.h>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "ledger/tree.h"
#include "services/exchange/card_store.h"
#include "services/exchange/fhir_json.h"
#include "spdlog/spdlog.h"
#include "tenants/ids.h"

namespace custodian::exchange {
namespace {

constexpr char kPrefix[] = "/fhir/";
constexpr char kConfigurationPath[] = "/.well-known/smart-configuration";
constexpr char kTokenPath[] = "/auth/token";
constexpr char kAssertionType[] = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
constexpr std::string_view kNotLetIn =
    "no client of this tenant is registered with that client_id (iss and sub) and a key of that kid which signed this assertion; custodian doctor "
    "tells the operator which of them it is";
constexpr std::size_t kFormBytesMax = 64 << 10;
constexpr std::size_t kTokenBytesMax = 4'096;
// Public keys of nobody's: an assertion of nobody we know is verified too, so that it takes as long as one of a client's.
constexpr char kNobodysElliptic[] =
    R"({"kty":"EC","crv":"P-384","kid":"nobody","x":"jsW2fT_FdSYvBDDm8t8otC0xwV6Ykkx2ZW_I5l4x0V0tKpIH_S1N2uopHXXWaTrP","y":"_zGCSGyUU3k5mCOfMKs0mJzIZtyUmrLXPc9f3KbrQkzNGI8XjXCnrsEZF06m3R4Q"})";
constexpr char kNobodysRsa[] =
    R"({"kty":"RSA","kid":"nobody","e":"AQAB","n":")"
    "yIkxyr0h_pxzT0wyR663_5CiQqDcLWHVu1jh6p-nmmShLhQ8eW6_sYcUG-JumCapTB1jrx7cydnphYxjYJ2kfksDA5xY9v2DQE9pQxiYoRaoit"
    "_qHkwZGIzlhY4yQ5_jaPMnzcsXAdHxu9hYFRpgPoOeprXv06G0t7ncKLiG5k1kzE1LVnlz2V9Uqgczz3wGAvlQCYwwD1sLT_Zx6OtZLSI_PM1a"
    "DwQopQ5idwP0NJ4UnUtAEDhAamxF2_DU41OZmB8jG5AI6LIazUsbD8R5tShIVZKxTJuWhMP_vWLs-ismg27o8woaETlRECjt71qfbPeOLhSqzv"
    "J_A1WPLnl1jQ"
    R"("})";

// Never freed: it is asked for until the process ends.
const PublicKey& NobodysKey(std::string_view jwk) { return **new auto(PublicKey::FromJwk(Json::Parse(jwk).value()).value()); }

Json Text(std::string_view text) { return Json::String(std::string(text)); }

rpc::HttpResponse JsonAnswer(int status, const Json& body) {
  return {status,
          {{"Content-Type", "application/json"}, {"Cache-Control", "no-store"}, {"Pragma", "no-cache"}},
          body.Text()};
}

rpc::HttpResponse OauthError(int status, const char* error, std::string_view description) {
  rpc::HttpResponse response = JsonAnswer(status, Json::Object({{"error", Text(error)}, {"error_description", Text(description)}}));
  // RFC 6749, section 5.2, and RFC 9110, section 11.6.1.
  if (status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer error=\"invalid_client\"");
  if (status == 503) response.headers.emplace_back("Retry-After", "1");
  return response;
}

rpc::HttpResponse WrongMethod(const char* allowed) {
  rpc::HttpResponse response = OauthError(405, "invalid_request", absl::StrCat("this URL takes ", allowed));
  response.headers.emplace_back("Allow", allowed);
  return response;
}

std::string HashText(std::string_view text) { return std::string(ledger::AsBytes(ledger::Sha256(text))); }

// Parameters of a form, each at most once (RFC 6749, section 3.2).
absl::StatusOr<std::map<std::string, std::string>> ReadForm(const rpc::HttpRequest& request) {
  const std::string type = absl::AsciiStrToLower(std::string(request.Header("content-type").value_or("")));
  if (absl::StripAsciiWhitespace(type.substr(0, type.find(';'))) != "application/x-www-form-urlencoded")
    return absl::InvalidArgumentError("send Content-Type: application/x-www-form-urlencoded");
  if (request.body.size() > kFormBytesMax) return absl::InvalidArgumentError("the body is longer than 65536 bytes");
  rpc::HttpRequest form;
  form.query = request.body;
  std::map<std::string, std::string> values;
  for (auto& [name, value] : form.Parameters())
    if (!values.emplace(name, value).second) return absl::InvalidArgumentError("a parameter is there twice");
  return values;
}

}  // namespace

SmartService::SmartService(std::string public_url, const tenants::Partitions& partitions, keys::Sealer& sealer, const KeySets& keys,
                           FindClient find_client, FindAccess find_access, const Clock& machine_clock)
    : public_url_(std::move(public_url)),
      partitions_(partitions),
      sealer_(sealer),
      keys_(keys),
      find_client_(std::move(find_client)),
      find_access_(std::move(find_access)),
      clock_(machine_clock),
      used_(machine_clock),
      failed_(machine_clock) {}

std::optional<rpc::HttpResponse> SmartService::Handle(const rpc::HttpRequest& request) {
  std::string_view rest = request.path;
  if (!rest.starts_with(kPrefix)) return std::nullopt;
  rest.remove_prefix(sizeof kPrefix - 1);
  const std::size_t slash = rest.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const std::string_view behind = rest.substr(slash);
  const bool configuration = behind == kConfigurationPath;
  if (!configuration && behind != kTokenPath) return std::nullopt;
  const auto tenant = TenantId::Parse(rest.substr(0, slash));
  const tenants::Partition* partition = tenant.ok() ? partitions_.FindById(*tenant) : nullptr;
  if (partition == nullptr) return OauthError(404, "invalid_request", "there is no such FHIR base");
  const std::string base = absl::StrCat(public_url_, kPrefix, tenant->text());
  if (configuration) return request.method == "GET" ? Configuration(base) : WrongMethod("GET");
  return request.method == "POST" ? Token(*partition, absl::StrCat(base, kTokenPath), request) : WrongMethod("POST");
}

rpc::HttpResponse SmartService::Configuration(const std::string& base_url) const {
  rpc::HttpResponse response = JsonAnswer(
      200, Json::Object({{"token_endpoint", Text(absl::StrCat(base_url, kTokenPath))},
                         {"token_endpoint_auth_methods_supported", Json::Array({Text("private_key_jwt")})},
                         {"token_endpoint_auth_signing_alg_values_supported", Json::Array({Text("ES384"), Text("RS384")})},
                         {"grant_types_supported", Json::Array({Text("client_credentials")})},
                         {"scopes_supported", Json::Array({Text("system/*.cruds"), Text("system/*.rs")})},
                         {"capabilities", Json::Array({Text("client-confidential-asymmetric"), Text("permission-v2")})}}));
  // It is read by anybody and hardly ever changes.
  response.headers = {{"Content-Type", "application/json"}, {"Cache-Control", "public, max-age=300"}};
  return response;
}

rpc::HttpResponse SmartService::Token(const tenants::Partition& partition, const std::string& url, const rpc::HttpRequest& request) {
  auto form = ReadForm(request);
  if (!form.ok()) return OauthError(400, "invalid_request", std::string(form.status().message()));
  const auto value = [&form](const char* name) { return (*form)[name]; };
  if (value("grant_type") != "client_credentials")
    return OauthError(400, value("grant_type").empty() ? "invalid_request" : "unsupported_grant_type", "grant_type must be client_credentials");
  if (value("client_assertion_type") != kAssertionType)
    return OauthError(400, "invalid_request", absl::StrCat("client_assertion_type must be ", kAssertionType));
  if (value("client_assertion").empty()) return OauthError(400, "invalid_request", "client_assertion, a signed JWT, is missing");

  if (const absl::Duration wait = failed_.WaitOf(request.peer_address); wait > absl::ZeroDuration()) {
    rpc::HttpResponse response = OauthError(429, "temporarily_unavailable", "too many assertions from this address were not let in; send one after the time in Retry-After");
    response.headers.emplace_back("Retry-After", absl::StrCat(absl::ToInt64Seconds(absl::Ceil(wait, absl::Seconds(1)))));
    return response;
  }
  const auto asker = Identify(partition, url, value("client_assertion"));
  if (absl::IsUnauthenticated(asker.status())) return OauthError(401, "invalid_client", std::string(asker.status().message()));
  if (absl::IsPermissionDenied(asker.status())) {
    failed_.Note(request.peer_address);
    return OauthError(401, "invalid_client", kNotLetIn);
  }
  if (!asker.ok()) {
    spdlog::error("event=token_failed tenant={} code={} reason=\"{}\"", partition.tenant.id.text(),
                  absl::StatusCodeToString(asker.status().code()), std::string(asker.status().message()));
    return OauthError(503, "temporarily_unavailable", "the assertion cannot be checked now; send a new one");
  }
  // Also of a client that names itself in the form.
  if (!value("client_id").empty() && value("client_id") != asker->client.spiffe_id)
    return OauthError(400, "invalid_request", "client_id is not the assertion's sub");
  const auto registered = SmartScopes::Parse(asker->access.access.scopes());
  if (!registered.ok()) return OauthError(400, "invalid_scope", "no scope is registered for this client");
  const SmartScopes granted = value("scope").empty() ? *registered : SmartScopes::ParseRequested(value("scope")).Intersect(*registered);
  if (granted.empty())
    return OauthError(400, "invalid_scope", absl::StrCat("none of these scopes is granted; this client may ask for ", registered->Text()));
  const auto token = MakeToken(*asker, granted);
  if (!token.ok()) return OauthError(503, "temporarily_unavailable", "no token can be made now; try again");
  return JsonAnswer(200, Json::Object({{"access_token", Text(*token)},
                                       {"token_type", Text("bearer")},
                                       {"expires_in", Json::Integer(absl::ToInt64Seconds(kTokenLife))},
                                       {"scope", Text(granted.Text())}}));
}

absl::StatusOr<SmartService::Asker> SmartService::Identify(const tenants::Partition& partition, const std::string& url,
                                                           std::string_view assertion) {
  const auto jws = ParseJws(assertion);
  if (!jws.ok()) return jws.status();
  const auto claims = CheckClaims(jws->payload, url, clock_.Now(), /*needs_iat=*/false);
  if (!claims.ok()) return claims.status();
  if (jws->payload.TextOf("sub") != claims->issuer || !jws->payload["sub"].is_string())
    return absl::UnauthenticatedError("the token's iss and sub must both be the client_id");

  const auto client = find_client_(claims->issuer);
  auto access = find_access_(claims->issuer);
  const bool known = client && access && !access->access.removed() && client->role == "fhir" && client->tenant == partition.tenant.id &&
                     !(access->access.jwks().empty() && access->access.jwks_url().empty());
  const absl::Status refused = absl::PermissionDeniedError("not let in");
  const auto key = known ? keys_.Find({access->access.jwks(), access->access.jwks_url()}, jws->kid, jws->algorithm)
                         : absl::StatusOr<std::shared_ptr<const PublicKey>>(absl::UnauthenticatedError("unknown"));
  if (absl::IsUnavailable(key.status())) return key.status();
  if (!key.ok()) {
    static const PublicKey& elliptic = NobodysKey(kNobodysElliptic);
    static const PublicKey& rsa = NobodysKey(kNobodysRsa);
    // Its outcome is known.
    (void)VerifyJws(*jws, jws->algorithm == "ES384" ? elliptic : rsa).ok();
    return refused;
  }
  if (!VerifyJws(*jws, **key).ok()) return refused;
  // One namespace with CDS Hooks' tokens, whose issuers are no client ids.
  if (absl::Status status = RememberJti(partition, HashText(absl::StrCat("client\n", claims->issuer, "\n", claims->jti)), claims->expires);
      !status.ok())
    return status;
  return Asker{*client, *std::move(access)};
}

absl::Status SmartService::RememberJti(const tenants::Partition& partition, const std::string& jti_sha256, absl::Time expires) {
  if (absl::Status status = used_.Use(jti_sha256, expires); !status.ok()) return status;
  const TenantId& tenant = partition.tenant.id;
  tenants::Write write;
  auto key = sealer_.IndexToken(tenant, absl::StrCat("jti\n", jti_sha256));
  if (!key.ok()) return key.status();
  write.idempotency_key = *std::move(key);
  write.request_digest = write.idempotency_key;
  write.rows.push_back(JtiRow(jti_sha256, expires));
  const auto admitted = partition.writer->Apply(std::move(write));
  if (absl::IsAlreadyExists(admitted.status()) || (admitted.ok() && admitted->replayed))
    return absl::UnauthenticatedError("the token was used before (jti)");
  return admitted.status();
}

// base64url(JSON) "." base64url(MAC): c client, e expiry, i random, p purpose, r registration, s scopes, t tenant.
absl::StatusOr<std::string> SmartService::MakeToken(const Asker& asker, const SmartScopes& granted) const {
  const Json payload = Json::Object({{"c", Text(asker.client.spiffe_id)},
                                     {"e", Json::Integer(absl::ToUnixSeconds(clock_.Now() + kTokenLife))},
                                     {"i", Text(HexEncode(RandomBytes(8)))},
                                     {"p", Text(asker.client.purpose)},
                                     {"r", Json::Integer(static_cast<std::int64_t>(asker.access.index))},
                                     {"s", Text(granted.Text())},
                                     {"t", Text(asker.client.tenant.text())}});
  const std::string text = payload.Text();
  const auto mac = sealer_.IndexToken(asker.client.tenant, absl::StrCat("access-token\n", text));
  if (!mac.ok()) return mac.status();
  return absl::StrCat(absl::WebSafeBase64Escape(text), ".", absl::WebSafeBase64Escape(*mac));
}

absl::StatusOr<FhirCaller> SmartService::ReadToken(std::string_view token) const {
  const absl::Status refused = absl::UnauthenticatedError("The access token is not valid; ask the token endpoint for a new one.");
  const std::size_t dot = token.find('.');
  std::string text;
  std::string mac;
  if (token.size() > kTokenBytesMax || dot == std::string_view::npos || !absl::WebSafeBase64Unescape(std::string(token.substr(0, dot)), &text) ||
      !absl::WebSafeBase64Unescape(std::string(token.substr(dot + 1)), &mac))
    return refused;
  const auto payload = Json::Parse(text, {.bytes_max = kTokenBytesMax, .depth_max = 2});
  if (!payload.ok()) return refused;
  const auto tenant = TenantId::Parse(payload->TextOf("t"));
  if (!tenant.ok() || partitions_.FindById(*tenant) == nullptr) return refused;
  const auto expected = sealer_.IndexToken(*tenant, absl::StrCat("access-token\n", text));
  if (!expected.ok()) return absl::UnavailableError("The access token cannot be checked now; try again.");
  if (mac.size() != expected->size() || CRYPTO_memcmp(mac.data(), expected->data(), mac.size()) != 0) return refused;
  // From here on it is ours, and what it says was true when it was made.
  std::int64_t expires = 0;
  std::uint64_t registration = 0;
  if (!absl::SimpleAtoi((*payload)["e"].text(), &expires) || !absl::SimpleAtoi((*payload)["r"].text(), &registration)) return refused;
  if (clock_.Now() >= absl::FromUnixSeconds(expires))
    return absl::UnauthenticatedError("The access token has expired; ask the token endpoint for a new one.");
  const std::string& id = payload->TextOf("c");
  const auto client = find_client_(id);
  const auto access = find_access_(id);
  if (!client || !access || access->access.removed() || access->index != registration || client->role != "fhir" || client->tenant != *tenant ||
      client->purpose != payload->TextOf("p"))
    return refused;
  const auto registered = SmartScopes::Parse(access->access.scopes());
  if (!registered.ok()) return refused;
  return FhirCaller{*client, SmartScopes::ParseRequested(payload->TextOf("s")).Intersect(*registered)};
}

absl::StatusOr<FhirCaller> SmartService::Authenticate(const rpc::HttpRequest& request) const {
  if (const auto authorization = request.Header("authorization")) {
    const std::string_view token = BearerToken(*authorization);
    if (token.empty()) return absl::UnauthenticatedError("Only Authorization: Bearer <access token> is understood here.");
    auto caller = ReadToken(token);
    // A certificate that is shown too must not be somebody else's.
    if (caller.ok() && !request.peer_spiffe_id.empty() && request.peer_spiffe_id != caller->client.spiffe_id)
      return absl::UnauthenticatedError("The access token is not that of the client certificate's client.");
    return caller;
  }
  if (request.peer_spiffe_id.empty())
    return absl::UnauthenticatedError(
        "An access token (see .well-known/smart-configuration beside the FHIR base) or a TLS client certificate of a registered FHIR client is needed.");
  const auto client = find_client_(request.peer_spiffe_id);
  if (!client.has_value() || client->role != "fhir")
    return absl::PermissionDeniedError("This certificate is not that of a registered FHIR client.");
  return FhirCaller{*client, std::nullopt};
}

absl::Status SmartService::CheckAccess(const ledger::v1::ClientAccess& access,
                                       const std::function<absl::Status(std::string_view url)>& check_url) {
  if (!access.jwks().empty())
    if (absl::Status status = CheckJwks(access.jwks()); !status.ok())
      return absl::InvalidArgumentError(absl::StrCat("jwks: ", std::string(status.message())));
  if (!access.jwks_url().empty())
    if (absl::Status status = check_url(access.jwks_url()); !status.ok())
      return absl::InvalidArgumentError(absl::StrCat("jwks_url: ", std::string(status.message())));
  if (!access.scopes().empty())
    if (const auto scopes = SmartScopes::Parse(access.scopes()); !scopes.ok())
      return absl::InvalidArgumentError(absl::StrCat("scopes: ", std::string(scopes.status().message())));
  for (const std::string& url : access.fhir_servers())
    if (absl::Status status = check_url(url); !status.ok())
      return absl::InvalidArgumentError(absl::StrCat("fhir_servers: ", std::string(status.message())));
  return absl::OkStatus();
}

}  // namespace custodian::exchange

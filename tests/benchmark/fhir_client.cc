#include "tests/benchmark/fhir_client.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/rpc/http.h"
#include "tenants/ids.h"

namespace custodian::benchmark {
namespace {

using exchange::Json;

constexpr char kAssertionType[] = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

}  // namespace

absl::StatusOr<std::string> AccessToken(const rpc::HttpsClient& client, const std::string& base_url, const exchange::ClientKey& key,
                                        const std::string& client_id) {
  const std::string url = base_url + "/auth/token";
  const auto now = absl::ToUnixSeconds(absl::Now());
  const Json claims = Json::Object({{"iss", Json::String(client_id)},
                                    {"sub", Json::String(client_id)},
                                    {"aud", Json::String(url)},
                                    {"iat", Json::Integer(now)},
                                    {"exp", Json::Integer(now + 120)},
                                    {"jti", Json::String(HexEncode(RandomBytes(16)))}});
  const auto assertion = exchange::SignJwt(key, claims.Text());
  if (!assertion.ok()) return assertion.status();
  const auto answer = client.Send("POST", url, {{"content-type", "application/x-www-form-urlencoded"}},
                                  absl::StrCat("grant_type=client_credentials&client_assertion_type=", rpc::PercentEncode(kAssertionType),
                                               "&client_assertion=", *assertion));
  if (!answer.ok()) return answer.status();
  const auto token = Json::Parse(answer->body);
  if (answer->status != 200 || !token.ok()) return absl::InternalError(absl::StrCat("no access token: HTTP ", answer->status, " ", answer->body));
  return token->TextOf("access_token");
}

absl::Status StoreResources(const rpc::HttpsClient& client, const std::string& base_url, std::vector<Json> resources) {
  std::vector<Json> entries;
  for (Json& resource : resources) {
    Json request = Json::Object({{"method", Json::String("PUT")}, {"url", Json::String(absl::StrCat(resource.TextOf("resourceType"), "/", resource.TextOf("id")))}});
    entries.push_back(Json::Object({{"resource", std::move(resource)}, {"request", std::move(request)}}));
  }
  const Json bundle =
      Json::Object({{"resourceType", Json::String("Bundle")}, {"type", Json::String("transaction")}, {"entry", Json::Array(std::move(entries))}});
  const auto answer = client.Send("POST", base_url, {{"content-type", "application/fhir+json"}}, bundle.Text());
  if (!answer.ok()) return answer.status();
  return answer->status == 200 ? absl::OkStatus() : absl::InternalError(absl::StrCat("storing was answered with HTTP ", answer->status, ": ", answer->body));
}

}  // namespace custodian::benchmark

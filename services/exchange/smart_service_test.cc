// Tokens asked for and used, over real PostgreSQL and a real key process.
#include "services/exchange/smart_service.h"

#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/exchange/card_store.h"
#include "services/exchange/test_jwt.h"
#include "services/exchange/test_world.h"

namespace custodian::exchange {
namespace {

using ::testing::HasSubstr;

constexpr char kHost[] = "https://host";
constexpr char kAssertionType[] = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

class MovableClock final : public Clock {
 public:
  [[nodiscard]] absl::Time Now() const override { return absl::Now() + ahead; }
  absl::Duration ahead;
};

class SmartTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { world_ = new TestWorld(); }
  static void TearDownTestSuite() { delete world_; }

  SmartTest() {
    Register("alpha", "ehr", "system/Patient.cruds system/Observation.rs");
    FhirService::Options options = TestWorld::FhirOptions();
    options.authenticate = [this](const rpc::HttpRequest& request) { return smart_->Authenticate(request); };
    fhir_ = std::make_unique<FhirService>(options, world_->parts());
    smart_ = MakeSmart();
  }

  std::unique_ptr<SmartService> MakeSmart() {
    return std::make_unique<SmartService>(
        kHost, world_->partitions(), world_->sealer(), key_sets_,
        [this](std::string_view id) -> std::optional<tenants::Client> {
          const auto found = clients_.find(std::string(id));
          return found == clients_.end() ? std::nullopt : std::optional(found->second);
        },
        [this](std::string_view id) -> std::optional<SmartService::Access> {
          const auto found = accesses_.find(std::string(id));
          return found == accesses_.end() ? std::nullopt : std::optional(found->second);
        },
        clock_);
  }

  static std::string IdOf(const std::string& tenant, const std::string& name) {
    return absl::StrCat("spiffe://custodian.example/tenant/", world_->partition(tenant).tenant.id.text(), "/fhir/", name);
  }
  void Register(const std::string& tenant, const std::string& name, const std::string& scopes) {
    const std::string id = IdOf(tenant, name);
    clients_[id] = {id, world_->partition(tenant).tenant.id, "fhir", "TREAT"};
    SmartService::Access& access = accesses_[id];
    access.access.set_client(id);
    access.access.set_jwks(absl::StrCat(R"({"keys":[)", TestJwk::Elliptic("ec", false), ",", TestJwk::Rsa("rsa", false), "]}"));
    access.access.set_scopes(scopes);
    access.index = ++registrations_;
  }

  static std::string Base(const std::string& tenant) { return absl::StrCat(kHost, "/fhir/", world_->partition(tenant).tenant.id.text()); }
  [[nodiscard]] Json Claims(const std::string& tenant = "alpha", const std::string& name = "ehr") const {
    const auto now = absl::ToUnixSeconds(clock_.Now());
    return Json::Object({{"iss", Json::String(IdOf(tenant, name))},
                         {"sub", Json::String(IdOf(tenant, name))},
                         {"aud", Json::String(Base(tenant) + "/auth/token")},
                         {"exp", Json::Integer(now + 240)},
                         {"jti", Json::String(HexEncode(RandomBytes(16)))}});
  }
  static std::string Sign(const Json& claims) { return TestJwk::Sign(TestJwk::Elliptic("ec", true), R"({"alg":"ES384","kid":"ec"})", claims.Text()); }
  static rpc::HttpRequest TokenRequest(const std::string& tenant, const std::string& body) {
    rpc::HttpRequest request;
    request.method = "POST";
    request.path = Base(tenant).substr(sizeof kHost - 1) + "/auth/token";
    request.headers = {{"content-type", "application/x-www-form-urlencoded"}};
    request.body = body;
    return request;
  }
  static std::string Form(const std::string& assertion, const std::string& scope) {
    return absl::StrCat("grant_type=client_credentials&scope=", rpc::PercentEncode(scope), "&client_assertion_type=", rpc::PercentEncode(kAssertionType),
                        "&client_assertion=", assertion);
  }
  rpc::HttpResponse Ask(const std::string& assertion, const std::string& scope = "system/*.cruds", const std::string& tenant = "alpha") {
    return *smart_->Handle(TokenRequest(tenant, Form(assertion, scope)));
  }
  std::string TokenFor(const std::string& scope = "system/*.cruds") {
    const auto answer = Ask(Sign(Claims()), scope);
    EXPECT_EQ(answer.status, 200) << answer.body;
    return Json::Parse(answer.body)->TextOf("access_token");
  }
  rpc::HttpResponse Fhir(const std::string& method, const std::string& target, const std::string& token, const std::string& body = "",
                         const std::string& tenant = "alpha") {
    rpc::HttpRequest request;
    request.method = method;
    const auto mark = target.find('?');
    request.path = absl::StrCat(Base(tenant).substr(sizeof kHost - 1), "/", target.substr(0, mark));
    if (mark != std::string::npos) request.query = target.substr(mark + 1);
    request.headers = {{"authorization", "Bearer " + token}};
    if (!body.empty()) request.headers.emplace_back("content-type", "application/fhir+json");
    request.body = body;
    return fhir_->Handle(request);
  }
  static std::string ErrorOf(const rpc::HttpResponse& answer) { return Json::Parse(answer.body)->TextOf("error"); }
  static std::string WhyOf(const rpc::HttpResponse& answer) { return Json::Parse(answer.body)->TextOf("error_description"); }

  static inline TestWorld* world_ = nullptr;
  MovableClock clock_;
  absl::StatusOr<rpc::HttpResponse> keys_answer_ = absl::UnavailableError("away");
  KeySets key_sets_{[this](const std::string&) { return keys_answer_; }, clock_};
  std::map<std::string, tenants::Client> clients_;
  std::map<std::string, SmartService::Access> accesses_;
  std::uint64_t registrations_ = 100;
  std::unique_ptr<SmartService> smart_;
  std::unique_ptr<FhirService> fhir_;
};

TEST_F(SmartTest, TheConfigurationSaysWhereAndHow) {
  rpc::HttpRequest request;
  request.method = "GET";
  request.path = Base("alpha").substr(sizeof kHost - 1) + "/.well-known/smart-configuration";
  const auto answer = smart_->Handle(request);
  ASSERT_TRUE(answer.has_value());
  const auto json = Json::Parse(answer->body);
  EXPECT_EQ(json->TextOf("token_endpoint"), Base("alpha") + "/auth/token");
  EXPECT_EQ((*json)["token_endpoint_auth_methods_supported"][0].text(), "private_key_jwt");
  EXPECT_EQ((*json)["token_endpoint_auth_signing_alg_values_supported"].items().size(), 2u);
  EXPECT_EQ((*json)["grant_types_supported"][0].text(), "client_credentials");
  EXPECT_EQ(TestWorld::HeaderOf(*answer, "Content-Type"), "application/json");
  request.method = "POST";
  EXPECT_EQ(smart_->Handle(request)->status, 405);
  request.method = "GET";
  request.path = "/fhir/00000000000000cc/.well-known/smart-configuration";
  EXPECT_EQ(smart_->Handle(request)->status, 404);
  request.path = Base("alpha").substr(sizeof kHost - 1) + "/Patient/x";
  EXPECT_FALSE(smart_->Handle(request).has_value());
}

TEST_F(SmartTest, AnAssertionBringsATokenThatTheFhirBaseBelieves) {
  const auto answer = Ask(Sign(Claims()), "system/Patient.rs system/Observation.cruds launch");
  ASSERT_EQ(answer.status, 200) << answer.body;
  const auto json = Json::Parse(answer.body);
  EXPECT_EQ(json->TextOf("token_type"), "bearer");
  EXPECT_EQ((*json)["expires_in"].text(), "300");
  EXPECT_EQ(json->TextOf("scope"), "system/Observation.rs system/Patient.rs");
  EXPECT_EQ(TestWorld::HeaderOf(answer, "Cache-Control"), "no-store");
  const std::string token = json->TextOf("access_token");
  EXPECT_EQ(Fhir("GET", "Patient/nobody", token).status, 404);
  EXPECT_EQ(Fhir("GET", "Observation?patient=nobody", token).status, 200);

  // What was not granted is refused, and says what was missing.
  const auto refused = Fhir("PUT", "Patient/x", token, R"({"resourceType":"Patient","id":"x"})");
  EXPECT_EQ(refused.status, 403);
  EXPECT_THAT(refused.body, HasSubstr("system/Patient.u"));
  EXPECT_THAT(TestWorld::HeaderOf(refused, "WWW-Authenticate"), HasSubstr("insufficient_scope"));
  EXPECT_EQ(Fhir("GET", "Consent/x", token).status, 403);
  EXPECT_EQ(Fhir("PUT", "Patient/x", TokenFor(), R"({"resourceType":"Patient","id":"x","name":[{"family":"Roe"}]})").status, 201);
}

TEST_F(SmartTest, Rs384WorksToo) {
  const std::string assertion = TestJwk::Sign(TestJwk::Rsa("rsa", true), R"({"alg":"RS384","kid":"rsa"})", Claims().Text());
  EXPECT_EQ(Ask(assertion).status, 200);
}

TEST_F(SmartTest, AnAssertionIsUsedOnceAlsoAfterARestart) {
  const std::string assertion = Sign(Claims());
  EXPECT_EQ(Ask(assertion).status, 200);
  const auto again = Ask(assertion);
  EXPECT_EQ(again.status, 401);
  EXPECT_EQ(ErrorOf(again), "invalid_client");
  EXPECT_THAT(WhyOf(again), HasSubstr("used before"));
  smart_ = MakeSmart();
  EXPECT_EQ(Ask(assertion).status, 401);
}

TEST_F(SmartTest, UsedAssertionsAreForgottenOnceTheyHaveExpired) {
  EXPECT_EQ(Ask(Sign(Claims())).status, 200);
  const CardStore store(*world_->partition("alpha").database);
  EXPECT_EQ(*store.ForgetTokens(clock_.Now()), 0u);
  EXPECT_NE(world_->database("alpha").One("SELECT count(*) FROM exchange.jti"), "0");
  EXPECT_GT(*store.ForgetTokens(clock_.Now() + absl::Minutes(10)), 0u);
  EXPECT_EQ(world_->database("alpha").One("SELECT count(*) FROM exchange.jti"), "0");
}

TEST_F(SmartTest, WhatIsWrongWithTheAssertionIsTold) {
  const auto now = absl::ToUnixSeconds(clock_.Now());
  const auto with = [this](const char* name, Json value) {
    Json claims = Claims();
    claims.Set(name, std::move(value));
    return Ask(Sign(claims));
  };
  const std::pair<rpc::HttpResponse, const char*> rows[] = {
      {with("aud", Json::String(Base("alpha"))), "aud"},
      {with("aud", Json::String(Base("beta") + "/auth/token")), "aud"},
      {with("aud", Json::String(Base("alpha") + "/auth/token/")), "aud"},
      {with("exp", Json::Integer(now - 100)), "expired"},
      {with("exp", Json::Integer(now + 600)), "5 minutes"},
      {with("exp", Json::String("soon")), "exp"},
      {with("jti", Json::String("")), "jti"},
      {with("sub", Json::String("somebody")), "sub"},
      {with("iat", Json::Integer(now + 200)), "iat"},
      {with("nbf", Json::Integer(now + 200)), "nbf"},
      {Ask("nonsense"), "not a JWT"},
      {Ask(TestJwk::Sign(TestJwk::Rsa("rsa", true), R"({"alg":"RS256","kid":"rsa"})", Claims().Text())), "ES384 or RS384"},
  };
  for (const auto& [answer, text] : rows) {
    EXPECT_EQ(answer.status, 401) << text;
    EXPECT_EQ(ErrorOf(answer), "invalid_client");
    EXPECT_THAT(WhyOf(answer), HasSubstr(text));
  }
}

TEST_F(SmartTest, WhoIsNotLetInLearnsNothing) {
  Register("beta", "ehr", "system/*.rs");
  Json unknown = Claims();
  for (const char* name : {"iss", "sub"}) unknown.Set(name, Json::String(IdOf("alpha", "nobody")));
  Json of_beta = Claims();
  for (const char* name : {"iss", "sub"}) of_beta.Set(name, Json::String(IdOf("beta", "ehr")));
  const auto first = Ask(Sign(unknown));
  EXPECT_EQ(first.status, 401);
  EXPECT_EQ(ErrorOf(first), "invalid_client");

  std::vector<rpc::HttpResponse> others;
  others.push_back(Ask(Sign(of_beta)));
  others.push_back(Ask(TestJwk::Sign(TestJwk::Stranger("ec", true), R"({"alg":"ES384","kid":"ec"})", Claims().Text())));
  others.push_back(Ask(TestJwk::Sign(TestJwk::Elliptic("ec", true), R"({"alg":"ES384","kid":"another"})", Claims().Text())));
  others.push_back(Ask(TestJwk::Sign(TestJwk::Rsa("ec", true), R"({"alg":"RS384","kid":"ec"})", Claims().Text())));
  accesses_[IdOf("alpha", "ehr")].access.set_removed(true);
  others.push_back(Ask(Sign(Claims())));
  accesses_[IdOf("alpha", "ehr")].access.set_removed(false);
  accesses_[IdOf("alpha", "ehr")].access.clear_jwks();
  others.push_back(Ask(Sign(Claims())));
  for (const rpc::HttpResponse& answer : others) {
    EXPECT_EQ(answer.status, first.status);
    EXPECT_EQ(answer.body, first.body);
    EXPECT_EQ(answer.headers, first.headers);
  }
}

// Looking at a signature costs processor time, and at a client's URL a request: whoever goes on failing waits, and nobody else.
TEST_F(SmartTest, AnAddressThatGoesOnFailingWaits) {
  const auto ask = [this](const std::string& address, const std::string& assertion) {
    rpc::HttpRequest request = TokenRequest("alpha", Form(assertion, "system/*.cruds"));
    request.peer_address = address;
    return *smart_->Handle(request);
  };
  const std::string forged = TestJwk::Sign(TestJwk::Stranger("ec", true), R"({"alg":"ES384","kid":"ec"})", Claims().Text());
  int looked_at = 0;
  while (looked_at < 100 && ask("192.0.2.1", forged).status == 401) ++looked_at;
  // Some are forgiven while they are sent.
  EXPECT_GE(looked_at, static_cast<int>(rpc::FailedProofs::kAtOnce));
  EXPECT_LT(looked_at, 100);
  const auto refused = ask("192.0.2.1", Sign(Claims()));
  EXPECT_EQ(refused.status, 429);
  EXPECT_THAT(refused.headers, ::testing::Contains(std::pair<std::string, std::string>("Retry-After", "1")));
  // Nobody locks a client out by naming it.
  EXPECT_EQ(ask("192.0.2.2", Sign(Claims())).status, 200);
  clock_.ahead += absl::Seconds(1);
  EXPECT_EQ(ask("192.0.2.1", Sign(Claims())).status, 200);
  // Who is let in is never counted.
  for (int i = 0; i < 50; ++i) EXPECT_EQ(ask("192.0.2.1", Sign(Claims())).status, 200);
}

TEST_F(SmartTest, FaultsOfTheFormAreToldByOauthsCodes) {
  const std::string assertion = Sign(Claims());
  const auto send = [this](const std::string& body) { return *smart_->Handle(TokenRequest("alpha", body)); };
  const std::string type = absl::StrCat("&client_assertion_type=", rpc::PercentEncode(kAssertionType));
  EXPECT_EQ(ErrorOf(send("")), "invalid_request");
  EXPECT_EQ(ErrorOf(send("grant_type=password")), "unsupported_grant_type");
  EXPECT_EQ(ErrorOf(send("grant_type=client_credentials&client_assertion=" + assertion)), "invalid_request");
  EXPECT_EQ(ErrorOf(send("grant_type=client_credentials" + type)), "invalid_request");
  EXPECT_EQ(ErrorOf(send(absl::StrCat("grant_type=client_credentials&grant_type=client_credentials", type, "&client_assertion=", assertion))),
            "invalid_request");
  rpc::HttpRequest json = TokenRequest("alpha", "{}");
  json.headers = {{"content-type", "application/json"}};
  EXPECT_EQ(ErrorOf(*smart_->Handle(json)), "invalid_request");
  EXPECT_EQ(ErrorOf(Ask(Sign(Claims()), "system/Consent.rs")), "invalid_scope");
  EXPECT_EQ(ErrorOf(Ask(Sign(Claims()), "patient/Patient.rs")), "invalid_scope");
  // Without a scope: what is registered.
  const auto all = Ask(Sign(Claims()), "");
  EXPECT_EQ(Json::Parse(all.body)->TextOf("scope"), "system/Observation.rs system/Patient.cruds");
  rpc::HttpRequest get = TokenRequest("alpha", "");
  get.method = "GET";
  EXPECT_EQ(smart_->Handle(get)->status, 405);
}

TEST_F(SmartTest, ATokenEndsWithItsTimeItsClientAndItsRegistration) {
  const std::string token = TokenFor();
  EXPECT_EQ(Fhir("GET", "Patient/nobody", token).status, 404);

  clock_.ahead = SmartService::kTokenLife - absl::Seconds(2);
  EXPECT_EQ(Fhir("GET", "Patient/nobody", token).status, 404);
  clock_.ahead = SmartService::kTokenLife;
  const auto expired = Fhir("GET", "Patient/nobody", token);
  EXPECT_EQ(expired.status, 401);
  EXPECT_THAT(TestWorld::HeaderOf(expired, "WWW-Authenticate"), HasSubstr("invalid_token"));
  clock_.ahead = absl::ZeroDuration();

  SmartService::Access& access = accesses_[IdOf("alpha", "ehr")];
  access.access.set_removed(true);
  EXPECT_EQ(Fhir("GET", "Patient/nobody", token).status, 401);
  access.access.set_removed(false);
  EXPECT_EQ(Fhir("GET", "Patient/nobody", token).status, 404);
  // Other keys or scopes are another registration.
  ++access.index;
  EXPECT_EQ(Fhir("GET", "Patient/nobody", token).status, 401);
  --access.index;
  clients_[IdOf("alpha", "ehr")].purpose = "HRESCH";
  EXPECT_EQ(Fhir("GET", "Patient/nobody", token).status, 401);
  clients_.clear();
  EXPECT_EQ(Fhir("GET", "Patient/nobody", token).status, 401);
}

TEST_F(SmartTest, NoOtherTextIsAToken) {
  const std::string token = TokenFor();
  const std::vector<std::string> parts = absl::StrSplit(token, '.');
  std::string payload;
  ASSERT_TRUE(absl::WebSafeBase64Unescape(parts[0], &payload));
  auto json = *Json::Parse(payload);
  json.Set("s", Json::String("system/*.cruds"));
  std::vector<std::string> forged = {"", "x", ".", token + "x", token.substr(1), parts[0], parts[0] + ".", "." + parts[1],
                                     absl::StrCat(absl::WebSafeBase64Escape(json.Text()), ".", parts[1])};
  json.Set("t", Json::String(world_->partition("beta").tenant.id.text()));
  forged.push_back(absl::StrCat(absl::WebSafeBase64Escape(json.Text()), ".", parts[1]));
  for (std::size_t i = 0; i < token.size(); i += 7) {
    std::string changed = token;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    forged.push_back(changed);
  }
  for (const std::string& text : forged) {
    // The last base64 digit of a part may hold bits that stand for nothing; it then decodes to the same bytes.
    std::string a;
    std::string b;
    const std::vector<std::string> changed = absl::StrSplit(text, '.');
    if (changed.size() == 2 && changed[0] == parts[0] && absl::WebSafeBase64Unescape(changed[1], &a) && absl::WebSafeBase64Unescape(parts[1], &b) && a == b)
      continue;
    EXPECT_EQ(Fhir("GET", "Patient/nobody", text).status, 401) << text;
  }
}

TEST_F(SmartTest, ATokenReadsElsewhereAsItsTenantAndCertificatesWorkOn) {
  // At another tenant's base: consent-checked reading, as with a certificate. Nothing is consented.
  Register("alpha", "ehr", "system/*.rs");
  EXPECT_EQ(Fhir("GET", "DiagnosticReport/nobody", TokenFor(), "", "beta").status, 404);
  EXPECT_EQ(Fhir("PUT", "Patient/x", TokenFor(), "{}", "beta").status, 403);

  rpc::HttpRequest request;
  request.method = "GET";
  request.path = Base("alpha").substr(sizeof kHost - 1) + "/Patient/nobody";
  EXPECT_EQ(fhir_->Handle(request).status, 401);
  request.peer_spiffe_id = IdOf("alpha", "ehr");
  EXPECT_EQ(fhir_->Handle(request).status, 404);
  request.peer_spiffe_id = IdOf("alpha", "nobody");
  EXPECT_EQ(fhir_->Handle(request).status, 403);
  // Somebody's certificate with another's token is neither's.
  Register("alpha", "second", "system/*.rs");
  request.peer_spiffe_id = IdOf("alpha", "second");
  request.headers = {{"authorization", "Bearer " + TokenFor()}};
  EXPECT_EQ(fhir_->Handle(request).status, 401);
  request.headers = {{"authorization", "Basic YTpi"}};
  EXPECT_EQ(fhir_->Handle(request).status, 401);
}

TEST_F(SmartTest, KeysBehindAUrlAreFetchedAndRotate) {
  SmartService::Access& access = accesses_[IdOf("alpha", "ehr")];
  access.access.clear_jwks();
  access.access.set_jwks_url("https://keys.example/jwks");
  const auto away = Ask(Sign(Claims()));
  EXPECT_EQ(away.status, 503);
  EXPECT_EQ(ErrorOf(away), "temporarily_unavailable");
  clock_.ahead += KeySets::kRefetchAfter;
  keys_answer_ = rpc::HttpResponse{200, {}, absl::StrCat(R"({"keys":[)", TestJwk::Stranger("old", false), "]}")};
  EXPECT_EQ(Ask(Sign(Claims())).status, 401);
  clock_.ahead += KeySets::kRefetchAfter;
  keys_answer_ = rpc::HttpResponse{200, {}, absl::StrCat(R"({"keys":[)", TestJwk::Elliptic("ec", false), "]}")};
  EXPECT_EQ(Ask(Sign(Claims())).status, 200);
}

TEST_F(SmartTest, AccessIsCheckedBeforeItIsRecorded) {
  const auto check = [](ledger::v1::ClientAccess access) {
    return SmartService::CheckAccess(access, [](std::string_view url) {
      return url == "https://listed.example/" ? absl::OkStatus() : absl::InvalidArgumentError("not listed");
    });
  };
  ledger::v1::ClientAccess access = accesses_[IdOf("alpha", "ehr")].access;
  EXPECT_TRUE(check(access).ok());
  access.set_scopes("system/Nothing.rs");
  EXPECT_THAT(std::string(check(access).message()), HasSubstr("scopes: "));
  access.clear_scopes();
  access.set_jwks(TestJwk::Elliptic("ec", true));
  EXPECT_THAT(std::string(check(access).message()), HasSubstr("jwks: "));
  access.clear_jwks();
  access.set_jwks_url("https://listed.example/");
  EXPECT_TRUE(check(access).ok());
  access.set_jwks_url("https://other.example/");
  EXPECT_THAT(std::string(check(access).message()), HasSubstr("jwks_url: "));
  access.clear_jwks_url();
  access.add_fhir_servers("https://other.example/");
  EXPECT_THAT(std::string(check(access).message()), HasSubstr("fhir_servers: "));
}

TEST_F(SmartTest, BadInputIsAnsweredAsTheDataFileSays) {
  std::ifstream file("tests/bad_input/smart.json");
  std::stringstream text;
  text << file.rdbuf();
  const auto rows = Json::Parse(text.str());
  ASSERT_TRUE(rows.ok()) << rows.status();
  ASSERT_FALSE(rows->items().empty());
  for (const Json& row : rows->items()) {
    rpc::HttpRequest request;
    request.method = row.TextOf("method");
    request.path = absl::StrCat(Base("alpha").substr(sizeof kHost - 1), "/", row.TextOf("path"));
    for (const Json::Member& header : row["headers"].members()) request.headers.emplace_back(header.name, header.value.text());
    request.body = row["body"].is_string() ? row.TextOf("body") : row["body"].is_null() ? "" : row["body"].Text();
    if (std::size_t bytes = 0; absl::SimpleAtoi(row["body_bytes"].text(), &bytes)) request.body.resize(bytes, ' ');
    const auto smart = smart_->Handle(request);
    const auto answer = smart ? *smart : fhir_->Handle(request);
    EXPECT_EQ(std::to_string(answer.status), row["status"].text()) << row.TextOf("name");
    EXPECT_THAT(answer.body, HasSubstr(row.TextOf("text"))) << row.TextOf("name");
  }
}

}  // namespace
}  // namespace custodian::exchange

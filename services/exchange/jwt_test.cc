#include "services/exchange/jwt.h"

#include <memory>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "services/exchange/test_jwt.h"

namespace custodian::exchange {
namespace {

constexpr char kEndpoint[] = "https://custodian.example/cds/0123456789abcdef/cds-services/prior-results";

class FixedClock final : public Clock {
 public:
  [[nodiscard]] absl::Time Now() const override { return now; }
  absl::Time now = absl::FromUnixSeconds(1'767'225'600);
};

class JwtTest : public testing::Test {
 protected:
  JwtTest() {
    tenant_.name = "north";
    tenant_.cds_issuer = "https://ehr.north.example";
    tenant_.cds_tenant = "n1";
    tenant_.cds_jwks = absl::StrCat(R"({"keys":[)", TestJwk::Elliptic("ec", false), ",", TestJwk::Rsa("rsa", false), "]}");
  }
  [[nodiscard]] std::string Payload(int exp_seconds = 240, const std::string& more = R"(,"jti":"j1")",
                                    const std::string& iss = "https://ehr.north.example",
                                    const std::string& aud = kEndpoint) const {
    const auto now = absl::ToUnixSeconds(clock_.now);
    return absl::StrCat(R"({"iss":")", iss, R"(","tenant":"n1","aud":")", aud, R"(","iat":)", now - 1, R"(,"exp":)",
                        now + exp_seconds, more, "}");
  }
  [[nodiscard]] absl::StatusOr<VerifiedJwt> Verify(const std::string& token) const {
    const JwtVerifier verifier(
        [this](std::string_view issuer, std::string_view cds_tenant) {
          return issuer == tenant_.cds_issuer && cds_tenant == tenant_.cds_tenant
                     ? std::optional(CdsClient{tenant_, KeySource{tenant_.cds_jwks, {}}, {}})
                     : std::nullopt;
        },
        key_sets_, clock_);
    return verifier.Verify("Bearer " + token, kEndpoint);
  }
  [[nodiscard]] std::string Refusal(const std::string& token) const {
    const auto verified = Verify(token);
    if (verified.ok()) return "accepted";
    EXPECT_EQ(verified.status().code(), absl::StatusCode::kUnauthenticated);
    return std::string(verified.status().message());
  }
  static std::string Elliptic(const std::string& payload,
                              const std::string& header = R"({"alg":"ES384","typ":"JWT","kid":"ec"})") {
    return TestJwk::Sign(TestJwk::Elliptic("ec", true), header, payload);
  }

  tenants::Tenant tenant_;
  FixedClock clock_;
  KeySets key_sets_{[](const std::string&) { return absl::UnavailableError("nobody is asked"); }, clock_};
};

TEST_F(JwtTest, AcceptsEs384AndRs384) {
  const auto elliptic = Verify(Elliptic(Payload()));
  ASSERT_TRUE(elliptic.ok()) << elliptic.status();
  EXPECT_EQ(elliptic->tenant.name, "north");
  EXPECT_EQ(elliptic->jti_sha256.size(), 32u);
  const auto rsa = Verify(TestJwk::Sign(TestJwk::Rsa("rsa", true), R"({"alg":"RS384","kid":"rsa"})", Payload()));
  EXPECT_TRUE(rsa.ok()) << rsa.status();
}

// libcjose ends the process on such text.
TEST_F(JwtTest, RefusesWhatIsNoBase64Url) {
  const std::string good = Elliptic(Payload());
  for (const char* more : {"A", "=", "==", " ", "\n", "+", "/", "\xff"}) EXPECT_EQ(Refusal(good + more), "the token is not a JWT") << more;
  for (std::size_t less : {1u, 2u, 3u}) EXPECT_NE(Refusal(good.substr(0, good.size() - less)), "accepted") << less;
  EXPECT_EQ(Refusal(good.substr(0, good.rfind('.') + 1)), "the token is not a JWT");
}

TEST_F(JwtTest, TheAudienceMayBeOneOfAList) {
  std::string payload = Payload();
  const std::string aud = absl::StrCat("\"", kEndpoint, "\"");
  payload.replace(payload.find(aud), aud.size(), absl::StrCat("[\"https://other.example\",", aud, "]"));
  EXPECT_EQ(Refusal(Elliptic(payload)), "accepted");
}

TEST_F(JwtTest, RefusesTimesOutsideTheirBounds) {
  EXPECT_EQ(Refusal(Elliptic(Payload(-61))), "the token has expired");
  EXPECT_EQ(Refusal(Elliptic(Payload(-59))), "the token's iat is not before its exp");
  EXPECT_EQ(Refusal(Elliptic(Payload(300))), "accepted");
  EXPECT_EQ(Refusal(Elliptic(Payload(361))), "the token's exp is more than 5 minutes ahead");
  const auto now = absl::ToUnixSeconds(clock_.now);
  EXPECT_EQ(Refusal(Elliptic(Payload(240, absl::StrCat(R"(,"jti":"j","nbf":)", now + 61)))), "the token is not valid yet (nbf)");
  EXPECT_EQ(Refusal(Elliptic(Payload(240, absl::StrCat(R"(,"jti":"j","nbf":)", now + 59)))), "accepted");
  EXPECT_EQ(Refusal(Elliptic(Payload(240, R"(,"jti":"j","nbf":"soon")"))), "the token's nbf must be seconds since 1970");
  const std::string token = Elliptic(Payload());
  clock_.now += absl::Seconds(301);
  EXPECT_EQ(Refusal(token), "the token has expired");
}

TEST_F(JwtTest, RefusesOtherIssuersAudiencesAndMissingIds) {
  EXPECT_EQ(Refusal(Elliptic(Payload(240, R"(,"jti":"j")", "https://ehr.evil.example"))),
            "the token's iss and tenant are not registered here");
  EXPECT_EQ(Refusal(Elliptic(Payload(240, R"(,"jti":"j")", "https://ehr.north.example", absl::StrCat(kEndpoint, "/feedback")))),
            "the token's aud is not this endpoint's URL");
  EXPECT_EQ(Refusal(Elliptic(Payload(240, ""))), "the token has no jti");
  EXPECT_EQ(Refusal(Elliptic(Payload(240, R"(,"jti":7)"))), "the token has no jti");
}

TEST_F(JwtTest, RefusesAlgorithmsAndKeysThatAreNotAllowed) {
  const std::string payload = absl::WebSafeBase64Escape(Payload());
  EXPECT_EQ(Refusal(absl::StrCat(absl::WebSafeBase64Escape(R"({"alg":"none","kid":"ec"})"), ".", payload, ".")),
            "the token's alg must be ES384 or RS384");
  EXPECT_EQ(Refusal(absl::StrCat(absl::WebSafeBase64Escape(R"({"alg":"HS256","kid":"ec"})"), ".", payload, ".AAAA")),
            "the token's alg must be ES384 or RS384");
  EXPECT_EQ(Refusal(Elliptic(Payload(), R"({"alg":"ES384","kid":"stranger"})")),
            "the token's kid is not in the registered JWK set");
  EXPECT_EQ(Refusal(Elliptic(Payload(), R"({"alg":"ES384","kid":"rsa"})")), "the token's key is not for its algorithm");
  EXPECT_EQ(Refusal(Elliptic(Payload(), R"({"alg":"ES384","kid":"ec","crit":["x"],"x":1})")),
            "the token has critical headers that are not known here");
  EXPECT_EQ(Refusal(Elliptic(Payload(), R"({"alg":"ES384"})")), "the token has no kid");
}

TEST_F(JwtTest, RefusesAlteredTokens) {
  std::string token = Elliptic(Payload());
  const std::size_t signature = token.rfind('.') + 1;
  token[signature + 10] = token[signature + 10] == 'A' ? 'B' : 'A';
  EXPECT_EQ(Refusal(token), "the token's signature is wrong");
  token = Elliptic(Payload());
  const std::string other = absl::WebSafeBase64Escape(Payload(240, R"(,"jti":"j2")"));
  EXPECT_EQ(Refusal(absl::StrCat(token.substr(0, token.find('.') + 1), other, token.substr(token.rfind('.')))),
            "the token's signature is wrong");
  for (const char* bad : {"x", "a.b", "a.b.c", "a.b.c.d", "..", "e30.e30."}) EXPECT_NE(Refusal(bad), "accepted") << bad;
}

TEST_F(JwtTest, WithoutABearerTokenItSaysWhatToSend) {
  const JwtVerifier verifier([](std::string_view, std::string_view) { return std::nullopt; }, key_sets_, clock_);
  EXPECT_EQ(verifier.Verify("", kEndpoint).status().message(), "send a JWT: Authorization: Bearer <token>");
  EXPECT_EQ(verifier.Verify("Basic abc", kEndpoint).status().message(), "send a JWT: Authorization: Bearer <token>");
}

TEST_F(JwtTest, ATokenIsUsedOnceUntilItHasExpired) {
  UsedTokens used(clock_, 2);
  const auto first = Verify(Elliptic(Payload()));
  const auto second = Verify(Elliptic(Payload(240, R"(,"jti":"j2")")));
  const auto third = Verify(Elliptic(Payload(240, R"(,"jti":"j3")")));
  ASSERT_TRUE(first.ok() && second.ok() && third.ok());
  EXPECT_TRUE(used.Use(first->jti_sha256, first->expires).ok());
  EXPECT_EQ(used.Use(first->jti_sha256, first->expires).code(), absl::StatusCode::kUnauthenticated);
  EXPECT_TRUE(used.Use(second->jti_sha256, second->expires).ok());
  EXPECT_EQ(used.Use(third->jti_sha256, third->expires).code(), absl::StatusCode::kResourceExhausted);
  clock_.now += absl::Seconds(301);
  EXPECT_TRUE(used.Use(third->jti_sha256, third->expires).ok());
}

TEST(CheckJwks, TakesPublicKeysThatCanVerifyAndNoOthers) {
  const auto set = [](const std::string& keys) { return absl::StrCat(R"({"keys":[)", keys, "]}"); };
  const std::string elliptic = TestJwk::Elliptic("ec", false);
  EXPECT_TRUE(CheckJwks(set(elliptic + "," + TestJwk::Rsa("rsa", false))).ok());
  EXPECT_FALSE(CheckJwks(set("")).ok());
  EXPECT_FALSE(CheckJwks("{}").ok());
  EXPECT_FALSE(CheckJwks(set(elliptic + "," + elliptic)).ok());
  EXPECT_FALSE(CheckJwks(set(TestJwk::Elliptic("ec", true))).ok());
  EXPECT_FALSE(CheckJwks(set(R"({"kty":"oct","kid":"k","k":"AAAA"})")).ok());
  EXPECT_FALSE(CheckJwks(set(R"({"kty":"EC","crv":"P-384","kid":"k","x":"AA","y":"AA"})")).ok());
  EXPECT_FALSE(CheckJwks(set(R"({"kty":"EC","crv":"P-256","kid":"k"})")).ok());
}

}  // namespace
}  // namespace custodian::exchange

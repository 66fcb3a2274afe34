#include "services/exchange/exchange_fuzz.h"

#include "gtest/gtest.h"
#include "services/exchange/test_jwt.h"
#include "tests/support/mutations.h"

namespace custodian::exchange {
namespace {

using custodian::testing::FuzzCorpus;

constexpr char kJsonCharacters[] = "{\"}[]:,\\u0ntf19.eE+- \t\x01\xc3\xa9\xed\xa0\x80\xff";

TEST(ExchangeFuzz, ResourcesHold) { EXPECT_GE(FuzzCorpus("resource", kJsonCharacters, 300, FuzzResource), 15u); }
TEST(ExchangeFuzz, SearchesHold) { EXPECT_GE(FuzzCorpus("search", "?&=:|,\\$%2Cge0-T.*_ \xc3\xa9\xff", 400, FuzzSearch), 10u); }
TEST(ExchangeFuzz, CdsCallsHold) { EXPECT_GE(FuzzCorpus("cds", kJsonCharacters, 300, FuzzCdsCall), 6u); }

TEST(ExchangeFuzz, NoMadeTokenIsGood) {
  const auto fuzz = [](std::string_view bytes) { EXPECT_FALSE(FuzzToken(bytes).ok()); };
  EXPECT_GE(FuzzCorpus("jwt", "{\"}:,.\n0123456789eE-_=ABab\x01\xff", 300, fuzz), 8u);
}

TEST(ExchangeFuzz, NoChangedTokenIsGood) {
  const std::string good = TestJwk::Sign(TestJwk::Elliptic("ec", true), R"({"alg":"ES384","kid":"ec"})",
                                         R"({"iss":"i","tenant":"t","aud":"https://custodian.example/cds/aa","jti":"j","iat":1767225600,"exp":1767225700})");
  const std::string jwks = "{\"keys\":[" + TestJwk::Elliptic("ec", false) + "]}";
  ASSERT_TRUE(FuzzToken(good, jwks).ok());
  custodian::testing::Mutations mutations({good}, ".-_=AQgw09\n", 20'261'127);
  for (int i = 0; i < 500; ++i) {
    const std::string changed = mutations.Of(good);
    EXPECT_TRUE(changed == good || !FuzzToken(changed, jwks).ok()) << changed;
  }
}

}  // namespace
}  // namespace custodian::exchange

#include "services/exchange/exchange_fuzz.h"

#include <functional>

#include "gtest/gtest.h"
#include "services/exchange/test_jwt.h"
#include "tests/support/mutations.h"

namespace custodian::exchange {
namespace {

constexpr char kJsonCharacters[] = "{\"}[]:,\\u0ntf19.eE+- \t\x01\xc3\xa9\xed\xa0\x80\xff";

void CorpusAndMutations(const std::string& name, std::string_view special, int mutations_per_seed, const std::function<void(std::string_view)>& fuzz) {
  custodian::testing::Mutations mutations(custodian::testing::ReadCorpus("tests/fuzz/corpus/" + name), special, 20'261'127);
  ASSERT_GE(mutations.corpus().size(), 5u) << "run from the top of the checkout";
  for (const std::string& seed : mutations.corpus()) {
    fuzz(seed);
    for (int i = 0; i < mutations_per_seed; ++i) {
      SCOPED_TRACE(i);
      fuzz(mutations.Of(seed));
    }
  }
}

TEST(ExchangeFuzz, ResourcesHold) { CorpusAndMutations("resource", kJsonCharacters, 300, FuzzResource); }
TEST(ExchangeFuzz, SearchesHold) { CorpusAndMutations("search", "?&=:|,\\$%2Cge0-T.*_ \xc3\xa9\xff", 400, FuzzSearch); }
TEST(ExchangeFuzz, CdsCallsHold) { CorpusAndMutations("cds", kJsonCharacters, 300, FuzzCdsCall); }

TEST(ExchangeFuzz, NoMadeTokenIsGood) {
  CorpusAndMutations("jwt", "{\"}:,.\n0123456789eE-_=ABab\x01\xff", 300,
                     [](std::string_view bytes) { EXPECT_FALSE(FuzzToken(bytes).ok()); });
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

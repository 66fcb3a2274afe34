#include "services/sample/ehr_token.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "absl/time/clock.h"
#include "cjose/cjose.h"
#include "gtest/gtest.h"
#include "rapidjson/document.h"

namespace custodian::sample {
namespace {

class EhrToken : public testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/ehr-token.XXXXXX";
    folder_ = mkdtemp(pattern);
    key_ = cjose_jwk_create_EC_random(CJOSE_JWK_EC_P_384, nullptr);
    WriteKey("key.jwk", key_);
  }
  void TearDown() override {
    cjose_jwk_release(key_);
    std::filesystem::remove_all(folder_);
  }
  void WriteKey(const std::string& name, cjose_jwk_t* key) {
    char* text = cjose_jwk_to_json(key, true, nullptr);
    std::ofstream(folder_ + "/" + name) << text;
    cjose_get_dealloc()(text);
  }
  absl::StatusOr<EhrTokens> Create(const std::string& file) {
    return EhrTokens::Create({folder_ + "/" + file, "lakeside-1", "https://ehr.lakeside.example", "lakeside"});
  }
  // Claims of a token whose signature verifies; fails the test otherwise.
  rapidjson::Document Verified(const std::string& token) {
    rapidjson::Document claims;
    cjose_jws_t* jws = cjose_jws_import(token.data(), token.size(), nullptr);
    EXPECT_NE(jws, nullptr);
    if (jws == nullptr) return claims;
    EXPECT_STREQ(cjose_header_get(cjose_jws_get_protected(jws), "alg", nullptr), "ES384");
    EXPECT_STREQ(cjose_header_get(cjose_jws_get_protected(jws), "kid", nullptr), "lakeside-1");
    EXPECT_TRUE(cjose_jws_verify(jws, key_, nullptr));
    uint8_t* text = nullptr;
    size_t size = 0;
    EXPECT_TRUE(cjose_jws_get_plaintext(jws, &text, &size, nullptr));
    claims.Parse(reinterpret_cast<const char*>(text), size);
    cjose_jws_release(jws);
    return claims;
  }

  std::string folder_;
  cjose_jwk_t* key_ = nullptr;
};

TEST_F(EhrToken, VerifiesUnderItsKeyAndCarriesTheClaims) {
  auto tokens = Create("key.jwk");
  ASSERT_TRUE(tokens.ok()) << tokens.status();
  const absl::Time now = absl::Now();
  const auto token = tokens->Sign("https://localhost:1/cds/x/cds-services/prior-results", now);
  ASSERT_TRUE(token.ok()) << token.status();
  const auto claims = Verified(*token);
  ASSERT_TRUE(claims.IsObject());
  EXPECT_STREQ(claims["iss"].GetString(), "https://ehr.lakeside.example");
  EXPECT_STREQ(claims["tenant"].GetString(), "lakeside");
  EXPECT_STREQ(claims["aud"].GetString(), "https://localhost:1/cds/x/cds-services/prior-results");
  EXPECT_EQ(claims["iat"].GetInt64(), absl::ToUnixSeconds(now));
  EXPECT_GT(claims["exp"].GetInt64(), absl::ToUnixSeconds(now));
  EXPECT_LE(claims["exp"].GetInt64(), absl::ToUnixSeconds(now) + 300);
}

TEST_F(EhrToken, EachHasAnIdOfItsOwn) {
  auto tokens = Create("key.jwk");
  ASSERT_TRUE(tokens.ok()) << tokens.status();
  const auto first = tokens->Sign("a", absl::Now()), second = tokens->Sign("a", absl::Now());
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_STRNE(Verified(*first)["jti"].GetString(), Verified(*second)["jti"].GetString());
}

TEST_F(EhrToken, RefusesWhatIsNoPrivateP384Key) {
  EXPECT_EQ(Create("absent.jwk").status().code(), absl::StatusCode::kNotFound);
  std::ofstream(folder_ + "/broken.jwk") << "{\"kty\":\"EC\"}";
  EXPECT_EQ(Create("broken.jwk").status().code(), absl::StatusCode::kInvalidArgument);
  cjose_jwk_t* other = cjose_jwk_create_EC_random(CJOSE_JWK_EC_P_256, nullptr);
  WriteKey("p256.jwk", other);
  cjose_jwk_release(other);
  EXPECT_EQ(Create("p256.jwk").status().code(), absl::StatusCode::kInvalidArgument);
  char* text = cjose_jwk_to_json(key_, false, nullptr);
  std::ofstream(folder_ + "/public.jwk") << text;
  cjose_get_dealloc()(text);
  auto tokens = Create("public.jwk");
  ASSERT_TRUE(tokens.ok()) << tokens.status();
  EXPECT_EQ(tokens->Sign("a", absl::Now()).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace custodian::sample

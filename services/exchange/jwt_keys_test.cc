#include "services/exchange/jwt_keys.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "services/exchange/test_jwt.h"
#include "tests/support/fake_clock.h"

namespace custodian::exchange {
namespace {

constexpr char kUrl[] = "https://keys.example/jwks";
const KeySource kByUrl{"", kUrl};

class KeySetsTest : public ::testing::Test {
 protected:
  static std::string SetOf(const std::vector<std::string>& kids) {
    std::string keys;
    for (const std::string& kid : kids) absl::StrAppend(&keys, keys.empty() ? "" : ",", TestJwk::Elliptic(kid, false));
    return absl::StrCat(R"({"keys":[)", keys, "]}");
  }
  void Serve(const std::vector<std::string>& kids, const std::string& cache_control = "") {
    answer_ = rpc::HttpResponse{200, {}, SetOf(kids)};
    if (!cache_control.empty()) answer_->headers.emplace_back("cache-control", cache_control);
  }
  [[nodiscard]] absl::StatusCode Find(const std::string& kid) const { return sets_.Find(kByUrl, kid, "ES384").status().code(); }

  custodian::testing::FakeClock clock_;
  absl::StatusOr<rpc::HttpResponse> answer_ = absl::UnavailableError("away");
  int fetches_ = 0;
  KeySets sets_{[this](const std::string& url) {
                  EXPECT_EQ(url, kUrl);
                  ++fetches_;
                  return answer_;
                },
                clock_};
};

TEST_F(KeySetsTest, ASetIsFetchedOnceWhileItsTimeLasts) {
  Serve({"a"}, "max-age=600");
  EXPECT_EQ(Find("a"), absl::StatusCode::kOk);
  clock_.Advance(absl::Seconds(599));
  EXPECT_EQ(Find("a"), absl::StatusCode::kOk);
  EXPECT_EQ(fetches_, 1);
  clock_.Advance(absl::Seconds(2));
  EXPECT_EQ(Find("a"), absl::StatusCode::kOk);
  EXPECT_EQ(fetches_, 2);
}

// libcjose ends the process on such text.
TEST_F(KeySetsTest, KeysThatAreNoBase64UrlAreRefusedAndPassedOver) {
  for (const char* key : {R"({"kty":"EC","crv":"P-384","kid":"b","x":"AAAAA","y":"AAAAA"})", R"({"kty":"RSA","kid":"b","n":"AAAAA","e":"AQAB"})",
                          R"({"kty":"EC","crv":"P-384","kid":"b","x":"AA==","y":"A A"})", R"({"kty":"RSA","kid":"b","n":1,"e":""})"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(CheckJwks(absl::StrCat(R"({"keys":[)", key, "]}")))) << key;
    answer_ = rpc::HttpResponse{200, {}, absl::StrCat(R"({"keys":[)", key, ",", TestJwk::Elliptic("a", false), "]}")};
    clock_.Advance(absl::Hours(1));
    EXPECT_EQ(Find("a"), absl::StatusCode::kOk) << key;
    EXPECT_EQ(Find("b"), absl::StatusCode::kUnauthenticated) << key;
  }
}

TEST_F(KeySetsTest, RotationIsSeenAtOnceButNotOftenerThanTheLimit) {
  Serve({"a"}, "max-age=86400");
  EXPECT_EQ(Find("a"), absl::StatusCode::kOk);
  clock_.Advance(absl::Minutes(1));
  Serve({"b"}, "max-age=86400");
  EXPECT_EQ(Find("b"), absl::StatusCode::kOk);
  EXPECT_EQ(fetches_, 2);
  EXPECT_EQ(Find("a"), absl::StatusCode::kUnauthenticated);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(Find(absl::StrCat("guess", i)), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(fetches_, 2);
  clock_.Advance(KeySets::kRefetchAfter);
  EXPECT_EQ(Find("guess"), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(fetches_, 3);
}

TEST_F(KeySetsTest, AServerThatIsAwayIsBridgedForAWhile) {
  EXPECT_EQ(Find("a"), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Find("a"), absl::StatusCode::kUnavailable);
  EXPECT_EQ(fetches_, 1);
  clock_.Advance(KeySets::kRefetchAfter);
  Serve({"a"}, "max-age=60");
  EXPECT_EQ(Find("a"), absl::StatusCode::kOk);
  answer_ = absl::UnavailableError("away");
  clock_.Advance(absl::Minutes(30));
  EXPECT_EQ(Find("a"), absl::StatusCode::kOk);
  clock_.Advance(KeySets::kStaleMax);
  EXPECT_EQ(Find("a"), absl::StatusCode::kUnavailable);
}

TEST_F(KeySetsTest, WhatIsNoKeySetIsNotBelieved) {
  for (const rpc::HttpResponse& answer :
       {rpc::HttpResponse{302, {{"location", "https://elsewhere"}}, SetOf({"a"})}, rpc::HttpResponse{200, {}, "<html>"},
        rpc::HttpResponse{200, {}, R"({"keys":[]})"}, rpc::HttpResponse{200, {}, R"({"keys":[{"kty":"oct","k":"AA","kid":"a"}]})"}}) {
    answer_ = answer;
    EXPECT_EQ(Find("a"), absl::StatusCode::kUnavailable) << answer.body;
    clock_.Advance(KeySets::kRefetchAfter);
  }
  // Keys that are for others do not spoil it.
  answer_ = rpc::HttpResponse{200, {}, absl::StrCat(R"({"keys":[{"kty":"oct","k":"AA","kid":"x"},)", TestJwk::Elliptic("a", false), "]}")};
  EXPECT_EQ(Find("a"), absl::StatusCode::kOk);
}

TEST_F(KeySetsTest, SetsInUseAreFetchedAhead) {
  Serve({"a"}, "max-age=100");
  EXPECT_EQ(Find("a"), absl::StatusCode::kOk);
  sets_.RefreshDue();
  EXPECT_EQ(fetches_, 1);
  clock_.Advance(absl::Seconds(80));
  sets_.RefreshDue();
  EXPECT_EQ(fetches_, 2);
  clock_.Advance(absl::Hours(2));
  sets_.RefreshDue();
  EXPECT_EQ(fetches_, 2);
}

TEST_F(KeySetsTest, AKeyIsForItsAlgorithmOnly) {
  Serve({"a"});
  EXPECT_TRUE(sets_.Find(kByUrl, "a", "ES384").ok());
  EXPECT_EQ(sets_.Find(kByUrl, "a", "RS384").status().code(), absl::StatusCode::kUnauthenticated);
  EXPECT_TRUE(sets_.Find({SetOf({"i"}), ""}, "i", "ES384").ok());
  EXPECT_EQ(fetches_, 1);
}

TEST(KeptFor, FollowsCacheControlWithinBounds) {
  const auto kept = [](const std::string& value) { return KeptFor({200, {{"cache-control", value}}, ""}); };
  EXPECT_EQ(KeptFor({200, {}, ""}), KeySets::kKept);
  EXPECT_EQ(kept("public, max-age=600"), absl::Minutes(10));
  EXPECT_EQ(kept("MAX-AGE=600"), absl::Minutes(10));
  EXPECT_EQ(kept("max-age=0"), KeySets::kKeptMin);
  EXPECT_EQ(kept("max-age=-5"), KeySets::kKeptMin);
  EXPECT_EQ(kept("max-age=99999999"), KeySets::kKeptMax);
  EXPECT_EQ(kept("no-store"), KeySets::kKeptMin);
  EXPECT_EQ(kept("private"), KeySets::kKept);
  EXPECT_EQ(kept("max-age=oops"), KeySets::kKept);
}

}  // namespace
}  // namespace custodian::exchange

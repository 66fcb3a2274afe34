#include "services/rpc/sessions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/fake_clock.h"

namespace custodian::rpc {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr char kOperator[] = "spiffe://custodian.example/operator/quickstart";

class SessionsTest : public ::testing::Test {
 protected:
  HttpResponse Get(std::string query, std::string cookie = "") {
    HttpRequest request;
    request.method = "GET";
    request.path = "/savings/";
    request.query = std::move(query);
    if (!cookie.empty()) request.headers.emplace_back("cookie", std::move(cookie));
    return pages_(request);
  }
  // The cookie that a link gives, as a browser sends it back.
  std::string CookieFor(const std::string& token) {
    const HttpResponse response = Get("link=" + token);
    for (const auto& [name, value] : response.headers)
      if (name == "Set-Cookie") return value.substr(0, value.find(';'));
    return "";
  }

  custodian::testing::FakeClock clock_;
  Sessions sessions_{clock_, "/savings/"};
  HttpHandler pages_ = sessions_.Protect([this](const HttpRequest& request) { return HttpResponse{200, {}, sessions_.Find(request).value()}; });
};

TEST_F(SessionsTest, LinkOpensASession) {
  const HttpResponse response = Get("link=" + sessions_.CreateLink(kOperator));
  EXPECT_EQ(response.status, 200);
  std::string cookie;
  for (const auto& [name, value] : response.headers)
    if (name == "Set-Cookie") cookie = value;
  EXPECT_THAT(cookie, HasSubstr("; Path=/savings/; Max-Age=43200; Secure; HttpOnly; SameSite=Strict"));
  EXPECT_EQ(Get("", cookie.substr(0, cookie.find(';'))).body, kOperator);
}

TEST_F(SessionsTest, LinkWorksOnce) {
  const std::string token = sessions_.CreateLink(kOperator);
  EXPECT_NE(CookieFor(token), "");
  EXPECT_EQ(Get("link=" + token).status, 401);
}

TEST_F(SessionsTest, LinkEndsAfterTenMinutes) {
  const std::string token = sessions_.CreateLink(kOperator);
  clock_.Advance(absl::Minutes(10));
  EXPECT_EQ(Get("link=" + token).status, 401);
}

TEST_F(SessionsTest, SessionEndsAfterTwelveHours) {
  const std::string cookie = CookieFor(sessions_.CreateLink(kOperator));
  clock_.Advance(absl::Hours(12) - absl::Seconds(1));
  EXPECT_EQ(Get("", cookie).status, 200);
  clock_.Advance(absl::Seconds(1));
  EXPECT_EQ(Get("", cookie).status, 401);
}

TEST_F(SessionsTest, NothingElseOpensAPage) {
  const std::string token = sessions_.CreateLink(kOperator);
  EXPECT_EQ(Get("").status, 401);
  EXPECT_EQ(Get("", "__Secure-custodian-session=").status, 401);
  EXPECT_EQ(Get("", "__Secure-custodian-session=" + token).status, 401);
  EXPECT_EQ(Get("", "other=1; x=" + token).status, 401);
  EXPECT_EQ(Get("link=").status, 401);
  EXPECT_EQ(Get("link=" + std::string(64, '0')).status, 401);
}

TEST_F(SessionsTest, CookieIsFoundAmongOthers) {
  const std::string cookie = CookieFor(sessions_.CreateLink(kOperator));
  EXPECT_EQ(Get("", "a=b; " + cookie + "; c=d").status, 200);
}

TEST_F(SessionsTest, UrlCarriesTheToken) {
  EXPECT_THAT(sessions_.CreateLinkUrl("https://127.0.0.1:8443", kOperator), StartsWith("https://127.0.0.1:8443/savings/?link="));
}

TEST_F(SessionsTest, TheOldestLinkMakesRoom) {
  const std::string first = sessions_.CreateLink(kOperator);
  clock_.Advance(absl::Seconds(1));
  std::string last;
  for (int i = 0; i < 1'000; ++i) last = sessions_.CreateLink(kOperator);
  EXPECT_EQ(CookieFor(first), "");
  EXPECT_NE(CookieFor(last), "");
}

}  // namespace
}  // namespace custodian::rpc

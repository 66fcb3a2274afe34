#include "services/rpc/shares.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "services/rpc/router.h"
#include "tests/support/fake_clock.h"

namespace custodian::rpc {
namespace {

const TenantId kAlpha = TenantId::Parse("00000000000000aa").value();
const TenantId kBeta = TenantId::Parse("00000000000000bb").value();

TEST(Shares, AClientHasSoManyAtOnceAndGetsThemBack) {
  const testing::FakeClock clock;
  Shares shares({.client_at_once = 2}, clock);
  auto first = shares.Take(kAlpha, "a");
  auto second = shares.Take(kAlpha, "a");
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_TRUE(absl::IsResourceExhausted(shares.Take(kAlpha, "a").status()));
  EXPECT_TRUE(shares.Take(kAlpha, "b").ok()) << "another's share";
  Shares::Taken moved = *std::move(first);
  EXPECT_TRUE(absl::IsResourceExhausted(shares.Take(kAlpha, "a").status())) << "moving gives nothing back";
  moved = Shares::Taken();
  EXPECT_TRUE(shares.Take(kAlpha, "a").ok());
}

TEST(Shares, ATenantsClientsShareWhatItHas) {
  const testing::FakeClock clock;
  Shares shares({.tenant_at_once = 2, .client_at_once = 2}, clock);
  const auto first = shares.Take(kAlpha, "a"), second = shares.Take(kAlpha, "b");
  EXPECT_TRUE(absl::IsResourceExhausted(shares.Take(kAlpha, "c").status()));
  EXPECT_TRUE(shares.Take(kBeta, "d").ok());
  const auto one = shares.Take(TenantId(), "operator-1"), two = shares.Take(TenantId(), "operator-2");
  EXPECT_TRUE(shares.Take(TenantId(), "operator-3").ok()) << "who is of no tenant shares with nobody";
}

TEST(Shares, SoManyASecondWithTwoSecondsWorthInHand) {
  testing::FakeClock clock;
  Shares shares({.client_per_second = 3}, clock);
  for (int i = 0; i < 6; ++i) EXPECT_TRUE(shares.Take(kAlpha, "a").ok()) << i;
  EXPECT_TRUE(absl::IsResourceExhausted(shares.Take(kAlpha, "a").status()));
  EXPECT_TRUE(shares.Take(kAlpha, "b").ok());
  clock.Advance(absl::Seconds(1));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(shares.Take(kAlpha, "a").ok()) << i;
  EXPECT_TRUE(absl::IsResourceExhausted(shares.Take(kAlpha, "a").status()));
  clock.Advance(absl::Hours(1));
  for (int i = 0; i < 6; ++i) EXPECT_TRUE(shares.Take(kAlpha, "a").ok()) << i;
  EXPECT_TRUE(absl::IsResourceExhausted(shares.Take(kAlpha, "a").status()));
}

TEST(Shares, WhatIsRefusedForOneLimitSpendsNothingOfAnother) {
  const testing::FakeClock clock;
  Shares shares({.client_at_once = 1, .client_per_second = 1}, clock);
  {
    const auto first = shares.Take(kAlpha, "a");
    EXPECT_TRUE(absl::IsResourceExhausted(shares.Take(kAlpha, "a").status()));
  }
  EXPECT_TRUE(shares.Take(kAlpha, "a").ok());
}

TEST(Shares, AHandlerAnswers429PastThem) {
  const testing::FakeClock clock;
  Shares shares({.client_per_second = 1}, clock);
  const HttpHandler handler = shares.Protect([](const HttpRequest&) { return PlainText(204, ""); });
  HttpRequest request;
  for (int i = 0; i < 9; ++i) EXPECT_EQ(handler(request).status, 204) << "nobody is counted";
  request.peer_spiffe_id = "spiffe://custodian.example/tenant/00000000000000aa/node/mirror";
  EXPECT_EQ(handler(request).status, 204);
  EXPECT_EQ(handler(request).status, 204);
  const HttpResponse refused = handler(request);
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.headers.back(), (std::pair<std::string, std::string>("Retry-After", "1")));
}

}  // namespace
}  // namespace custodian::rpc

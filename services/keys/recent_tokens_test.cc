#include "services/keys/recent_tokens.h"

#include <string>

#include "gtest/gtest.h"

namespace custodian::keys {
namespace {

const TenantId kTenant = TenantId::Parse("0123456789abcdef").value();
const TenantId kOther = TenantId::Parse("fedcba9876543210").value();

TEST(RecentTokens, WhatWasKeptIsFound) {
  RecentTokens tokens(4);
  EXPECT_EQ(tokens.Find(kTenant, "Smith"), std::nullopt);
  tokens.Keep(kTenant, "Smith", "token");
  EXPECT_EQ(tokens.Find(kTenant, "Smith"), "token");
  EXPECT_EQ(tokens.Find(kTenant, "Smyth"), std::nullopt);
}

TEST(RecentTokens, ATenantsAreNotFoundForAnother) {
  RecentTokens tokens(4);
  tokens.Keep(kTenant, "Smith", "token");
  EXPECT_EQ(tokens.Find(kOther, "Smith"), std::nullopt);
}

TEST(RecentTokens, OldOnesMakeRoom) {
  RecentTokens tokens(4);
  for (int i = 0; i < 12; ++i) tokens.Keep(kTenant, std::to_string(i), "token");
  int held = 0;
  for (int i = 0; i < 12; ++i) held += tokens.Find(kTenant, std::to_string(i)).has_value() ? 1 : 0;
  EXPECT_EQ(held, 8);
  EXPECT_TRUE(tokens.Find(kTenant, "11").has_value());
  EXPECT_FALSE(tokens.Find(kTenant, "3").has_value());
}

}  // namespace
}  // namespace custodian::keys

#include "services/rpc/identity.h"

#include <gtest/gtest.h>

#include "services/rpc/certificate.h"
#include "tests/support/test_certificates.h"

namespace custodian::rpc {
namespace {

constexpr char kTenant[] = "0123456789abcdef";
constexpr char kFeed[] = "spiffe://custodian.example/tenant/0123456789abcdef/feed/lab";

TEST(SpiffeId, TenantsAndNetworkIdsAreRead) {
  auto feed = SpiffeId::Parse(kFeed);
  ASSERT_TRUE(feed.ok()) << feed.status();
  EXPECT_EQ(feed->network, "custodian.example");
  EXPECT_EQ(feed->tenant.text(), kTenant);
  EXPECT_EQ(feed->role, "feed");
  EXPECT_EQ(feed->name, "lab");
  auto regulator = SpiffeId::Parse("spiffe://custodian.example/regulator/State_1");
  ASSERT_TRUE(regulator.ok()) << regulator.status();
  EXPECT_EQ(regulator->role, "regulator");
  EXPECT_EQ(regulator->tenant.text(), "");
  EXPECT_EQ(SpiffeId::Parse("spiffe://custodian.example/custodian/serve")->role, "custodian");
}

TEST(SpiffeId, OtherFormsAreRefused) {
  for (const std::string text : {
           "", "spiffe://", "https://custodian.example/operator/x", "spiffe://custodian.example", "spiffe://custodian.example/",
           "spiffe://custodian.example/operator", "spiffe://custodian.example/operator/", "spiffe://custodian.example/operator/x/",
           "spiffe://custodian.example/operator/x/y", "spiffe://custodian.example/root/x", "spiffe://Custodian.example/operator/x",
           "spiffe://custodian.example/operator/..", "spiffe://custodian.example/operator/a b", "spiffe://custodian.example/operator/%41",
           "spiffe:///operator/x", "spiffe://custodian.example/tenant/0123456789abcdef/operator/x",
           "spiffe://custodian.example/tenant/0123456789ABCDEF/feed/x", "spiffe://custodian.example/tenant/123/feed/x",
           "spiffe://custodian.example/tenant/0123456789abcdef/feed"}) {
    EXPECT_EQ(SpiffeId::Parse(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
  EXPECT_FALSE(SpiffeId::Parse("spiffe://custodian.example/operator/" + std::string(3'000, 'x')).ok());
}

// A registry of one client.
CallGuard GuardKnowing(const tenants::Client& client) {
  return CallGuard("custodian.example", [client](std::string_view id) -> std::optional<tenants::Client> {
    if (id == client.spiffe_id) return client;
    return std::nullopt;
  });
}

TEST(CallGuard, KnownClientOfTheRoleIsAdmitted) {
  const auto guard = GuardKnowing({kFeed, TenantId::Parse(kTenant).value(), "feed", ""});
  auto client = guard.Admit(kFeed, {"node", "feed"});
  ASSERT_TRUE(client.ok()) << client.status();
  EXPECT_EQ(client->tenant.text(), kTenant);
}

TEST(CallGuard, OthersAreRefusedInTheSameWords) {
  const auto guard = GuardKnowing({kFeed, TenantId::Parse(kTenant).value(), "feed", ""});
  const absl::Status other_role = guard.Admit(kFeed, {"operator"}).status();
  EXPECT_EQ(other_role.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(guard.Admit("spiffe://custodian.example/tenant/0123456789abcdef/feed/other", {"feed"}).status(), other_role);
  EXPECT_EQ(guard.Admit("spiffe://elsewhere.example/tenant/0123456789abcdef/feed/lab", {"feed"}).status(), other_role);
  EXPECT_EQ(guard.Admit("nonsense", {"feed"}).status(), other_role);
  EXPECT_EQ(guard.Admit("", {"feed"}).status().code(), absl::StatusCode::kUnauthenticated);
}

TEST(CallGuard, RegistryAndCertificateMustAgree) {
  EXPECT_FALSE(GuardKnowing({kFeed, TenantId::Parse("ffffffffffffffff").value(), "feed", ""}).Admit(kFeed, {"feed"}).ok());
  EXPECT_FALSE(GuardKnowing({kFeed, TenantId::Parse(kTenant).value(), "operator", ""}).Admit(kFeed, {"operator", "feed"}).ok());
}

TEST(ActorPseudonym, IsShortAndStable) {
  EXPECT_EQ(ActorPseudonym("").size(), 1u);
  EXPECT_EQ(ActorPseudonym(kFeed).size(), 12u);
  EXPECT_EQ(ActorPseudonym(kFeed), ActorPseudonym(kFeed));
  EXPECT_NE(ActorPseudonym(kFeed), ActorPseudonym("x"));
}

TEST(Certificate, FileNamesItsSpiffeId) {
  custodian::testing::TestCertificates certificates;
  EXPECT_EQ(SpiffeIdOfFile(certificates.IssueClient({kFeed}).certificate).value(), kFeed);
  EXPECT_EQ(SpiffeIdOfFile(certificates.IssueServer().certificate).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(SpiffeIdOfFile("/absent").status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace custodian::rpc

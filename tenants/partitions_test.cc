#include "tenants/partitions.h"

#include <chrono>
#include <future>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "gtest/gtest.h"

namespace custodian::tenants {
namespace {

TEST(Partitions, AreFoundByIdNameAndOrigin) {
  Partitions partitions;
  for (const char* name : {"riverside", "lakeside"}) {
    auto partition = std::make_unique<Partition>();
    partition->tenant.id = TenantId::Random();
    partition->tenant.name = name;
    partition->tenant.origin = std::string("custodian.example/p/") + name;
    partitions.Add(std::move(partition));
  }
  Partition* lakeside = partitions.FindByName("lakeside");
  ASSERT_NE(lakeside, nullptr);
  EXPECT_EQ(partitions.FindById(lakeside->tenant.id), lakeside);
  EXPECT_EQ(partitions.FindByOrigin("custodian.example/p/lakeside"), lakeside);
  EXPECT_EQ(partitions.FindByName("hillside"), nullptr);
  EXPECT_EQ(partitions.FindById(TenantId::Random()), nullptr);
  ASSERT_EQ(partitions.All().size(), 2u);
  EXPECT_EQ(partitions.All().front(), lakeside);
}

std::vector<Tenant> NewTenants(int count) {
  std::vector<Tenant> tenants(static_cast<std::size_t>(count));
  for (Tenant& tenant : tenants) {
    tenant.id = TenantId::Random();
    tenant.name = "t" + tenant.id.text();
    tenant.origin = "custodian.example/p/" + tenant.id.text();
  }
  return tenants;
}

void Add(const Tenant& tenant, Partitions& partitions) {
  auto partition = std::make_unique<Partition>();
  partition->tenant = tenant;
  partitions.Add(std::move(partition));
}

// While a process opens hundreds, whoever asks for one waits for that one alone.
TEST(Partitions, AnExpectedOneIsWaitedFor) {
  Partitions partitions;
  const std::vector<Tenant> tenants = NewTenants(1'000);
  const Tenant& last = tenants.back();
  partitions.Expect(tenants);
  EXPECT_TRUE(partitions.Knows(last.id));
  EXPECT_FALSE(partitions.Knows(TenantId::Random()));
  // One that is not expected is waited for by nobody.
  EXPECT_EQ(partitions.FindById(TenantId::Random()), nullptr);

  std::future<Partition*> asked = std::async(std::launch::async, [&] { return partitions.FindById(last.id, absl::InfiniteDuration()); });
  std::future<std::size_t> all = std::async(std::launch::async, [&] { return partitions.All().size(); });
  // What somebody waits for comes first, as soon as he does: long before its turn.
  std::optional<Tenant> next;
  std::size_t opened = 0;
  while ((next = partitions.NextExpected()) && next->id != last.id) {
    Add(*next, partitions);
    ASSERT_LT(++opened, tenants.size() / 2);
    absl::SleepFor(absl::Milliseconds(20));
  }
  ASSERT_TRUE(next.has_value());
  Add(*next, partitions);
  EXPECT_EQ(asked.get()->tenant.id, last.id);
  while ((next = partitions.NextExpected())) Add(*next, partitions);
  EXPECT_EQ(all.get(), tenants.size());
}

TEST(Partitions, NobodyWaitsLongerThanHisPatience) {
  Partitions partitions;
  const std::vector<Tenant> tenants = NewTenants(1);
  partitions.Expect(tenants);
  EXPECT_EQ(partitions.FindById(tenants[0].id, absl::Milliseconds(10)), nullptr);
  EXPECT_EQ(partitions.FindById(tenants[0].id, -absl::Seconds(1)), nullptr);
  Add(tenants[0], partitions);
  EXPECT_NE(partitions.FindById(tenants[0].id, absl::ZeroDuration()), nullptr);
}

TEST(Partitions, WhatComesNoMoreIsWaitedForByNobody) {
  Partitions partitions;
  const std::vector<Tenant> tenants = NewTenants(1);
  partitions.Expect(tenants);
  std::future<Partition*> asked = std::async(std::launch::async, [&] { return partitions.FindById(tenants[0].id, absl::InfiniteDuration()); });
  EXPECT_EQ(asked.wait_for(std::chrono::milliseconds(20)), std::future_status::timeout);
  partitions.ExpectNoMore();
  EXPECT_EQ(asked.get(), nullptr);
  EXPECT_TRUE(partitions.All().empty());
  EXPECT_FALSE(partitions.NextExpected().has_value());
}

}  // namespace
}  // namespace custodian::tenants

#include "tenants/partitions.h"

#include <chrono>
#include <future>
#include <string>
#include <vector>

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

// While a process opens hundreds, whoever asks for one waits for that one alone.
TEST(Partitions, AnExpectedOneIsWaitedFor) {
  Partitions partitions;
  std::vector<Tenant> tenants(3);
  for (std::size_t i = 0; i < tenants.size(); ++i) {
    tenants[i].id = TenantId::Random();
    tenants[i].name = "t" + std::to_string(i);
    tenants[i].origin = "custodian.example/p/" + tenants[i].name;
  }
  partitions.Expect(tenants);
  EXPECT_TRUE(partitions.Knows(tenants[2].id));
  EXPECT_FALSE(partitions.Knows(TenantId::Random()));
  // One that is not expected is waited for by nobody.
  EXPECT_EQ(partitions.FindById(TenantId::Random()), nullptr);

  std::future<Partition*> asked = std::async(std::launch::async, [&] { return partitions.FindByOrigin(tenants[2].origin); });
  std::future<std::size_t> all = std::async(std::launch::async, [&] { return partitions.All().size(); });
  const auto add = [&](const Tenant& tenant) {
    auto partition = std::make_unique<Partition>();
    partition->tenant = tenant;
    partitions.Add(std::move(partition));
  };
  EXPECT_EQ(asked.wait_for(std::chrono::milliseconds(100)), std::future_status::timeout);
  // What somebody waits for comes first.
  const auto first = partitions.NextExpected();
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->id, tenants[2].id);
  add(*first);
  EXPECT_EQ(asked.get()->tenant.id, tenants[2].id);
  while (const auto next = partitions.NextExpected()) add(*next);
  EXPECT_EQ(all.get(), 3u);
}

TEST(Partitions, WhatComesNoMoreIsWaitedForByNobody) {
  Partitions partitions;
  std::vector<Tenant> tenants(1);
  tenants[0].id = TenantId::Random();
  partitions.Expect(tenants);
  std::future<Partition*> asked = std::async(std::launch::async, [&] { return partitions.FindById(tenants[0].id); });
  EXPECT_EQ(asked.wait_for(std::chrono::milliseconds(20)), std::future_status::timeout);
  partitions.ExpectNoMore();
  EXPECT_EQ(asked.get(), nullptr);
  EXPECT_TRUE(partitions.All().empty());
  EXPECT_FALSE(partitions.NextExpected().has_value());
}

}  // namespace
}  // namespace custodian::tenants

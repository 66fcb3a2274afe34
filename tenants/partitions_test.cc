#include "tenants/partitions.h"

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

}  // namespace
}  // namespace custodian::tenants

#include "gtest/gtest.h"
#include "tests/matching/measure.h"

namespace custodian::matching {
namespace {

// Small, so that it runs with every build; tests/matching/run measures large ones.
class PopulationTest : public ::testing::TestWithParam<PopulationRates> {};

TEST_P(PopulationTest, CertainIsRightAndFindsNearlyAll) {
  const auto registrations = MakePopulation(GetParam(), /*people=*/1'500, /*tenants=*/4, /*seed=*/1'001);
  ASSERT_TRUE(registrations.ok()) << registrations.status();
  const auto rows = Rows::Of(*registrations);
  ASSERT_TRUE(rows.ok()) << rows.status();
  const auto measured = Measure(*registrations, *rows, exchange::MatchWeights::Shipped());
  ASSERT_TRUE(measured.ok()) << measured.status();
  EXPECT_GT(measured->true_pairs, 1'000);
  EXPECT_EQ(measured->wrong, 0);
  // A floor for each population; the aim is 0.95, and tests/matching/run says how far each is from it.
  EXPECT_GE(measured->Recall(), 0.9);
}

INSTANTIATE_TEST_SUITE_P(All, PopulationTest, ::testing::ValuesIn(Populations()), [](const auto& each) {
  std::string name = each.param.name;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace custodian::matching

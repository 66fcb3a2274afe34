#include "services/exchange/match_estimate.h"

#include <random>

#include "gtest/gtest.h"

namespace custodian::exchange {
namespace {

// Pairs drawn from known chances.
ObservedPairs Drawn(const MatchWeights& truth, double matches, int count) {
  std::mt19937_64 engine(11);
  const auto below = [&engine](double bound) { return std::uniform_real_distribution<double>(0, bound)(engine); };
  ObservedPairs pairs;
  for (const Block block : {Block::kFamilyBirth, Block::kFullName, Block::kContactGiven}) {
    for (int i = 0; i < count; ++i) {
      const bool match = below(1) < matches;
      const auto level = [&](CompareField field) {
        const auto& chances = truth.chances[static_cast<std::size_t>(field)];
        double at = below(1);
        std::size_t drawn = 0;
        for (; drawn + 2 < LevelsOf(field); ++drawn) {
          at -= match ? chances[drawn].m : chances[drawn].u;
          if (at < 0) break;
        }
        return drawn;
      };
      Agreement agreement;
      agreement.family = static_cast<Family>(level(CompareField::kFamily));
      agreement.given = static_cast<Given>(level(CompareField::kGiven));
      agreement.birth = static_cast<Birth>(level(CompareField::kBirth));
      agreement.sex = static_cast<Said>(level(CompareField::kSex));
      agreement.contact = static_cast<Contact>(level(CompareField::kContact));
      ++pairs[{block, agreement}];
    }
  }
  return pairs;
}

TEST(MatchEstimate, FindsTheChancesThatPairsWereDrawnFrom) {
  MatchWeights truth = MatchWeights::Shipped();
  auto& contact = truth.chances[static_cast<std::size_t>(CompareField::kContact)];
  contact = {{{0.3, 0.01}, {0.1, 0.01}, {0.2, 0.01}, {0.1, 0.01}, {0.1, 0.06}, {0.2, 0.9}, {0, 0}}};
  truth.chances[static_cast<std::size_t>(CompareField::kGiven)][0].m = 0.7;
  truth.chances[static_cast<std::size_t>(CompareField::kGiven)][1].m = 0.22;
  const auto estimate = EstimateWeights(Drawn(truth, 0.3, 20'000), MatchWeights::Shipped());
  ASSERT_TRUE(estimate.ok()) << estimate.status();
  EXPECT_EQ(estimate->pairs, 60'000);
  const auto& found = estimate->weights.chances;
  for (std::size_t level = 0; level < 6; ++level) {
    EXPECT_NEAR(found[static_cast<std::size_t>(CompareField::kContact)][level].m, contact[level].m, 0.02) << level;
    EXPECT_NEAR(found[static_cast<std::size_t>(CompareField::kContact)][level].u, contact[level].u, 0.02) << level;
  }
  EXPECT_NEAR(found[static_cast<std::size_t>(CompareField::kGiven)][0].m, 0.7, 0.02);
  EXPECT_NEAR(found[static_cast<std::size_t>(CompareField::kGiven)][1].m, 0.22, 0.02);
  EXPECT_NEAR(estimate->matches[static_cast<std::size_t>(Block::kFamilyBirth)], 0.3, 0.02);
  EXPECT_EQ(estimate->matches[static_cast<std::size_t>(Block::kNational)], 0);
  // What it gives can be governed, and what nothing showed stays as it was.
  EXPECT_TRUE(MatchWeights::Parse(estimate->weights.Csv()).ok());
  EXPECT_EQ(found[static_cast<std::size_t>(CompareField::kSuffix)][0].m, MatchWeights::Shipped().chances[5][0].m);
  EXPECT_EQ(estimate->weights.certain, MatchWeights::Shipped().certain);
}

TEST(MatchEstimate, RefusesTooFewPairs) {
  EXPECT_EQ(EstimateWeights({}, MatchWeights::Shipped()).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_FALSE(EstimateWeights(Drawn(MatchWeights::Shipped(), 0.3, 100), MatchWeights::Shipped()).ok());
}

}  // namespace
}  // namespace custodian::exchange

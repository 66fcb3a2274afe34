#include "services/exchange/match_estimate.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <unordered_map>

#include "fmt/format.h"

namespace custodian::exchange {
namespace {

constexpr int kRoundsMax = 200;
constexpr double kSettled = 1e-6;
// What a level is thought to have shown before anything was observed: nothing is impossible.
constexpr double kPseudoPairs = 5;
constexpr double kMatchesBefore = 0.5;

bool InBlock(Block block, Slot slot) {
  switch (block) {
    case Block::kNational: return slot == Slot::kNational;
    case Block::kFamilyBirth: return slot == Slot::kFamilyBirth;
    case Block::kGivenBirth: return slot == Slot::kGivenBirth;
    case Block::kContactGiven: return slot == Slot::kContactGiven || slot == Slot::kAddressGiven;
    case Block::kContactBirth: return slot == Slot::kContactBirth || slot == Slot::kAddressBirth;
    case Block::kFullName: return slot == Slot::kFullName;
  }
  return false;
}

bool Says(Block block, CompareField field) {
  switch (block) {
    case Block::kNational: return field != CompareField::kNational;
    case Block::kFamilyBirth: return field != CompareField::kFamily && field != CompareField::kBirth;
    case Block::kGivenBirth: return field != CompareField::kGiven && field != CompareField::kBirth && field != CompareField::kSex;
    case Block::kContactGiven:
      return field != CompareField::kContact && field != CompareField::kGiven && field != CompareField::kSex;
    case Block::kContactBirth: return field != CompareField::kContact && field != CompareField::kBirth;
    case Block::kFullName: return field != CompareField::kFamily && field != CompareField::kGiven && field != CompareField::kSex;
  }
  return false;
}

bool KeepsU(CompareField field) {
  return field == CompareField::kFamily || field == CompareField::kGiven || field == CompareField::kBirth;
}

using Sums = std::array<std::array<LevelChances, kLevelsMax>, kCompareFields>;

}  // namespace

ObservedPairs ObservePairs(std::span<const LocatedPatient> patients, std::size_t block_max) {
  ObservedPairs observed;
  for (std::size_t b = 0; b < kBlocks; ++b) {
    const auto block = static_cast<Block>(b);
    std::unordered_map<std::uint64_t, std::vector<std::uint32_t>> members;
    for (std::uint32_t i = 0; i < patients.size(); ++i)
      for (const std::uint64_t mark : patients[i].marks)
        if (InBlock(block, static_cast<Slot>(mark >> 56))) members[mark].push_back(i);
    std::set<std::pair<std::uint32_t, std::uint32_t>> seen;
    for (const auto& [mark, of] : members) {
      if (of.size() > block_max) continue;
      for (std::size_t x = 0; x < of.size(); ++x)
        for (std::size_t y = 0; y < x; ++y)
          if (seen.insert({of[y], of[x]}).second) ++observed[{block, Compare(patients[of[y]], patients[of[x]])}];
    }
  }
  return observed;
}

absl::StatusOr<MatchEstimate> EstimateWeights(const ObservedPairs& pairs, const MatchWeights& before) {
  MatchEstimate estimate;
  estimate.weights = before;
  std::array<std::int64_t, kBlocks> of_block{};
  for (const auto& [what, count] : pairs) {
    of_block[static_cast<std::size_t>(what.first)] += count;
    estimate.pairs += count;
  }
  if (estimate.pairs < kPairsMin)
    return absl::FailedPreconditionError(
        fmt::format("{} pairs are too few to estimate from; {} are needed, until then the shipped weights serve", estimate.pairs, kPairsMin));
  for (std::size_t b = 0; b < kBlocks; ++b) estimate.matches[b] = of_block[b] > 0 ? kMatchesBefore : 0;

  auto& chances = estimate.weights.chances;
  double moved = 1;
  for (estimate.rounds = 0; estimate.rounds < kRoundsMax && moved > kSettled; ++estimate.rounds) {
    // Expectation: how likely each pair is one person.
    Sums sums{};
    std::array<double, kBlocks> matched{};
    for (const auto& [what, count] : pairs) {
      const auto& [block, agreement] = what;
      const auto b = static_cast<std::size_t>(block);
      double odds = std::log(estimate.matches[b]) - std::log1p(-estimate.matches[b]);
      for (std::size_t f = 0; f < kCompareFields; ++f) {
        const auto field = static_cast<CompareField>(f);
        const std::size_t level = agreement.Level(field);
        if (Says(block, field) && level + 1 < LevelsOf(field)) odds += std::log(chances[f][level].m / chances[f][level].u);
      }
      const double match = 1 / (1 + std::exp(-odds)), pairs_of = static_cast<double>(count);
      matched[b] += match * pairs_of;
      for (std::size_t f = 0; f < kCompareFields; ++f) {
        const auto field = static_cast<CompareField>(f);
        const std::size_t level = agreement.Level(field);
        if (!Says(block, field) || level + 1 >= LevelsOf(field)) continue;
        sums[f][level].m += match * pairs_of;
        sums[f][level].u += (1 - match) * pairs_of;
      }
    }
    // Maximisation.
    moved = 0;
    for (std::size_t b = 0; b < kBlocks; ++b) {
      if (of_block[b] == 0) continue;
      const double share = std::clamp(matched[b] / static_cast<double>(of_block[b]), 1e-6, 1 - 1e-6);
      moved = std::max(moved, std::abs(share - estimate.matches[b]));
      estimate.matches[b] = share;
    }
    for (std::size_t f = 0; f < kCompareFields; ++f) {
      const auto field = static_cast<CompareField>(f);
      LevelChances total;
      for (std::size_t l = 0; l + 1 < LevelsOf(field); ++l) {
        total.m += sums[f][l].m;
        total.u += sums[f][l].u;
      }
      for (std::size_t l = 0; l + 1 < LevelsOf(field); ++l) {
        LevelChances& chance = chances[f][l];
        const double m = (sums[f][l].m + kPseudoPairs * before.chances[f][l].m) / (total.m + kPseudoPairs);
        const double u = (sums[f][l].u + kPseudoPairs * before.chances[f][l].u) / (total.u + kPseudoPairs);
        moved = std::max({moved, std::abs(m - chance.m), KeepsU(field) ? 0 : std::abs(u - chance.u)});
        chance.m = m;
        if (!KeepsU(field)) chance.u = u;
      }
    }
  }
  for (const CompareField field : {CompareField::kFamily, CompareField::kGiven, CompareField::kBirth, CompareField::kContact}) {
    const LevelChances& same = chances[static_cast<std::size_t>(field)][0];
    if (same.m < 2 * same.u)
      return absl::FailedPreconditionError(
          fmt::format("the estimate does not tell persons apart by {}; keep the weights there are", NameOf(field)));
  }
  return estimate;
}

}  // namespace custodian::exchange

// Estimates match weights from the network's own patients by expectation maximisation (Fellegi and Sunter 1969; Winkler 1988): no one
// tells which pairs are one person, and none needs to. Pure.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_MATCH_ESTIMATE_H_
#define CUSTODIAN_SERVICES_EXCHANGE_MATCH_ESTIMATE_H_

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "services/exchange/match_weights.h"

namespace custodian::exchange {

// By what the two of a pair were found. A block says nothing of the fields that it asks to agree.
enum class Block : std::uint8_t { kNational, kFamilyBirth, kGivenBirth, kContactGiven, kContactBirth, kFullName };
inline constexpr std::size_t kBlocks = 6;

// How many pairs of each block show each agreement.
using ObservedPairs = std::map<std::pair<Block, Agreement>, std::int64_t>;

// The pairs among these patients that blocks find. Blocks of more than `block_max` patients are left out.
[[nodiscard]] ObservedPairs ObservePairs(std::span<const LocatedPatient> patients, std::size_t block_max = 200);

struct MatchEstimate {
  MatchWeights weights;
  // Share of each block's pairs that are one person, 0 for a block without pairs.
  std::array<double, kBlocks> matches{};
  std::int64_t pairs = 0;
  int rounds = 0;
};

// Starts from `before` and keeps its grades, its u of names (a full name weighs by its own frequency anyway) and birth dates, which
// candidates by their nature agree in. A level that no pair shows keeps what it had. FailedPrecondition below kPairsMin pairs, or when
// the estimate does not tell the two kinds apart.
inline constexpr std::int64_t kPairsMin = 500;
[[nodiscard]] absl::StatusOr<MatchEstimate> EstimateWeights(const ObservedPairs& pairs, const MatchWeights& before);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_MATCH_ESTIMATE_H_

// A population matched in memory, as the locator would match it over its rows, and measured against the truth.
#ifndef CUSTODIAN_TESTS_MATCHING_MEASURE_H_
#define CUSTODIAN_TESTS_MATCHING_MEASURE_H_

#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "services/exchange/matching.h"
#include "tests/matching/population.h"

namespace custodian::matching {

// The rows of a population and an index over their keys.
class Rows {
 public:
  [[nodiscard]] static absl::StatusOr<Rows> Of(const std::vector<Registration>& registrations);
  [[nodiscard]] const std::vector<exchange::LocatedPatient>& patients() const { return patients_; }
  // Borrows this.
  [[nodiscard]] exchange::MatchSource Source() const;

 private:
  std::vector<exchange::LocatedPatient> patients_;
  std::unordered_map<std::int64_t, std::vector<std::uint32_t>> by_key_;
  std::unordered_map<std::int64_t, std::int64_t> bearers_;
};

// Of pairs at two tenants.
struct Measured {
  std::int64_t true_pairs = 0;
  std::int64_t found = 0;
  std::int64_t wrong = 0;
  [[nodiscard]] double Precision() const;
  [[nodiscard]] double Recall() const;
};

// Why a pair is what it is. A missed one: no key in common, too little in common, or other patients who veto it.
enum class Outcome { kFound, kNotACandidate, kTooLittle, kVetoed, kWrong };

// Told of every true pair and of every wrong one.
using OnPair = std::function<void(const Registration& a, const Registration& b, const exchange::Match& match, Outcome outcome)>;

[[nodiscard]] absl::StatusOr<Measured> Measure(const std::vector<Registration>& registrations, const Rows& rows,
                                               const exchange::MatchWeights& weights, const OnPair& on_pair = {});

}  // namespace custodian::matching

#endif  // CUSTODIAN_TESTS_MATCHING_MEASURE_H_

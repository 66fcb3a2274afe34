// What agreement and difference in each field are worth (Fellegi and Sunter): log2(m / u), m being how often patients who are one
// person show a level, u how often others do, among pairs alike enough to be candidates. Governed data, versioned on the governance
// log; estimated by match_estimate.h. And what follows: the grade of a pair. Pure.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_MATCH_WEIGHTS_H_
#define CUSTODIAN_SERVICES_EXCHANGE_MATCH_WEIGHTS_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "services/exchange/agreement.h"

namespace custodian::exchange {

struct LevelChances {
  double m = 0;
  double u = 0;
};

struct MatchWeights {
  std::array<std::array<LevelChances, kLevelsMax>, kCompareFields> chances{};
  // Sums of weights from which a pair is of a grade.
  double certain = 0;
  double probable = 0;
  double possible = 0;

  // The shipped defaults, match_weights.csv.
  [[nodiscard]] static const MatchWeights& Shipped();
  // CSV "field,level,m,u": each level of each field but "missing" once, chances within (0, 1], then "grade,<name>,<bits>," of the
  // three grades. InvalidArgument naming the line.
  [[nodiscard]] static absl::StatusOr<MatchWeights> Parse(std::string_view csv);
  [[nodiscard]] std::string Csv() const;
};

// How many patients of the network bear a full name, of how many. Those who are compared are among the bearers, and among those born on
// their day, who are taken for one person.
struct NameCount {
  std::int64_t bearers = 0;
  std::int64_t patients = 0;
  std::int64_t born_that_day = 2;
  // Of two names that are not written alike, the rarer is borne by nobody else.
  bool own_form = false;
};

// The sum of weights in bits. Names that both agree weigh by how common they are instead of the average: `name` counts the commoner of the
// two. Of names that agree but not as written that holds once the network has enough patients to tell.
[[nodiscard]] double ScoreOf(const Agreement& agreement, const MatchWeights& weights, const NameCount& name);

enum class MatchGrade : std::uint8_t { kNone, kPossible, kProbable, kCertain };
// As FHIR's match-grade extension has it: "certainly-not", "possible", "probable", "certain".
[[nodiscard]] std::string_view GradeCode(MatchGrade grade);

// `no_twin`: nobody is known who was born the same day into the same family or home under another name.
//
// Certain asks for more than a score: given name and birth date must agree, and something that others of that name and birth date
// do not have; a national identifier or generation that differs is never certain, nor are twins by their given names. Where a whole name
// and a birth date are all there is, the name must be so rare among the network's `patients` that nobody else is likely to have been born
// that day under it.
[[nodiscard]] MatchGrade GradeOf(const Agreement& agreement, double score, const MatchWeights& weights, std::int64_t patients, bool no_twin = false);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_MATCH_WEIGHTS_H_

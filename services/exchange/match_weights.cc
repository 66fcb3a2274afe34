#include "services/exchange/match_weights.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "fmt/format.h"
#include "services/exchange/data_files.h"

namespace custodian::exchange {
namespace {

// What is thought of a name that nobody else was seen to bear: names are many and most are rare, and a small network's counts say little.
constexpr double kPatientsBefore = 1e5;
constexpr double kOthersBefore = 0.3;

// Share of patients, other than the person itself, who bear a name.
double FrequencyOf(const NameCount& name) {
  const auto others = static_cast<double>(std::max<std::int64_t>(0, name.bearers - name.born_that_day));
  const auto patients = static_cast<double>(name.patients);
  return std::min(1.0, others / std::max(1.0, patients) + kOthersBefore / (patients + kPatientsBefore));
}

constexpr std::string_view kHeader = "field,level,m,u";

absl::Status Fault(std::size_t line, std::string_view what) {
  return absl::InvalidArgumentError(fmt::format("match weights, line {}: {}", line, what));
}

std::optional<double> NumberOf(std::string_view text) {
  double value = 0;
  if (!absl::SimpleAtod(absl::string_view(text.data(), text.size()), &value) || !std::isfinite(value)) return std::nullopt;
  return value;
}

// Field and level of their names.
std::optional<std::pair<std::size_t, std::size_t>> PlaceOf(std::string_view field, std::string_view level) {
  for (std::size_t f = 0; f < kCompareFields; ++f) {
    const auto compared = static_cast<CompareField>(f);
    if (NameOf(compared) != field) continue;
    for (std::size_t l = 0; l + 1 < LevelsOf(compared); ++l)
      if (LevelName(compared, l) == level) return std::pair(f, l);
  }
  return std::nullopt;
}

double WeightOf(const LevelChances& chances) { return std::log2(chances.m / chances.u); }

// Below this many patients nothing is known of how common a name is.
constexpr std::int64_t kNamesKnownFrom = 1'000;
// The sum from which a pair is certain holds for a network of so many patients. What names and birth dates say alone is worth less in a
// larger one, where more people are born each day; addresses and telephones are not, which have the same few people everywhere.
constexpr double kPatientsOfWeights = 20'000;
// What a name that does not agree as written has to make up for where nothing else says who it is.
constexpr double kNotAsWrittenBits = 2;
double LargerNetworkBits(std::int64_t patients) { return std::max(0.0, std::log2(static_cast<double>(patients) / kPatientsOfWeights)); }

// What a year of birth is worth at most: some sixty of them are usual.
constexpr double kYearBits = 6;
// What a name with its middle initial has to make up for where an address alone stands beside a year.
constexpr double kYearAtAddressBits = 6;

// Who lives at one address or telephone is not born on one day, twins apart, whom their given names tell; and who bears one whole name there is
// of another generation. Where that agrees, an address or telephone in common is a stranger's coincidence, not a household's.
constexpr double kHouseholdBits = 4;
constexpr double kHouseholdNearBits = 8;
double NoHouseholdBits(const Agreement& agreement) {
  if (agreement.contact > Contact::kStreet || agreement.twins_given || agreement.year_only) return 0;
  if (agreement.birth == Birth::kNear && agreement.full_name) return kHouseholdBits;
  // Sisters may be Kathleen and Cathy, born a year apart, but not with one of two surnames in common.
  if (agreement.birth == Birth::kNear && agreement.family == Family::kFormer && agreement.any_full_name && agreement.contact <= Contact::kTelephone)
    return kHouseholdNearBits;
  return agreement.birth == Birth::kSame && agreement.given != Given::kDiffers && agreement.given != Given::kMissing ? kHouseholdBits : 0;
}

// Names, birth date and sex, and nothing against it.
bool IsWhole(const Agreement& agreement) {
  return agreement.NamesAgree() && agreement.birth == Birth::kSame && !agreement.year_only && agreement.sex != Said::kDiffers && agreement.middle != Said::kDiffers &&
         agreement.suffix != Said::kDiffers;
}

// Something that others of the same given name and birth date have not.
bool IsCorroborated(const Agreement& agreement, double score, const MatchWeights& weights, std::int64_t patients) {
  switch (agreement.contact) {
    case Contact::kBoth:
    case Contact::kAddress:
    case Contact::kTelephone:
    case Contact::kStreet: return true;
    case Contact::kArea:
    case Contact::kDiffers:
    case Contact::kMissing: break;
  }
  // A whole name and a birth date belong to one person, unless it is a common name (the score's part).
  if (!IsWhole(agreement) || score < weights.certain + LargerNetworkBits(patients) + (agreement.full_name ? 0 : kNotAsWrittenBits)) return false;
  return patients >= kNamesKnownFrom || (agreement.full_name && (agreement.contact == Contact::kArea || agreement.middle == Said::kSame));
}

// Names that differ as twins' do are one person's by a middle initial in common, or where nobody is known who could be that twin.
bool IsNoTwin(const Agreement& agreement, bool family_agrees, bool no_twin) {
  if (agreement.unless_twin && no_twin && family_agrees && agreement.contact <= Contact::kStreet &&
      agreement.middle != Said::kDiffers && agreement.sex != Said::kDiffers)
    return true;
  // Where neither name is on the list of those that people bear, a middle initial is not enough.
  return agreement.middle == Said::kSame && (agreement.given != Given::kClose || agreement.mistyped_given);
}

bool MayBeCertain(const Agreement& agreement, double score, const MatchWeights& weights, std::int64_t patients, bool no_twin) {
  if (agreement.national == National::kDiffers) return false;
  const bool family_agrees =
      agreement.family == Family::kSame || agreement.family == Family::kFormer || agreement.family == Family::kClose;
  const bool given_agrees = agreement.given == Given::kSame || agreement.given == Given::kNickname || agreement.given == Given::kClose;
  if (agreement.national == National::kSame) {
    // Another's number on a chart is a registration desk's mistake that happens, a twin's or a mother's: names and birth date have their say.
    if (agreement.birth == Birth::kSame)
      return (given_agrees && !(agreement.twins_given && agreement.middle == Said::kDiffers)) || (family_agrees && agreement.mistyped_given && agreement.sex != Said::kDiffers && agreement.middle != Said::kDiffers);
    if (!given_agrees || agreement.suffix == Said::kDiffers || agreement.birth == Birth::kDiffers) return false;
    return family_agrees || (agreement.birth == Birth::kNear && agreement.contact <= Contact::kStreet);
  }
  if (!given_agrees || agreement.family == Family::kMissing || agreement.suffix == Said::kDiffers) return false;
  // Many of one name have one year of birth, and one shelter's address: but not of a rare one with its middle initial.
  if (agreement.year_only && agreement.contact != Contact::kBoth && agreement.contact != Contact::kTelephone && agreement.national != National::kClose &&
      (agreement.contact != Contact::kAddress || !agreement.full_name || agreement.middle != Said::kSame || patients < kNamesKnownFrom ||
       score < weights.certain + kYearAtAddressBits))
    return false;
  if (agreement.twins_given && !IsNoTwin(agreement, family_agrees, no_twin)) return false;
  if (agreement.given != Given::kSame && (agreement.sex == Said::kDiffers || agreement.middle == Said::kDiffers)) return false;
  // A new surname under the same telephone is a marriage; at the same address alone, perhaps somebody else who lives there, unless that one
  // was born the same day.
  if (agreement.family == Family::kDiffers &&
      (agreement.contact > Contact::kTelephone || agreement.middle == Said::kDiffers ||
       (agreement.contact == Contact::kAddress && (agreement.birth != Birth::kSame || agreement.sex == Said::kDiffers))))
    return false;
  return (agreement.birth == Birth::kSame || agreement.birth == Birth::kNear) && IsCorroborated(agreement, score, weights, patients);
}

}  // namespace

const MatchWeights& MatchWeights::Shipped() {
  static const auto& shipped = *new MatchWeights(Parse(ShippedMatchWeightsCsv()).value());
  return shipped;
}

absl::StatusOr<MatchWeights> MatchWeights::Parse(std::string_view csv) {
  MatchWeights weights;
  std::array<double*, 3> grades{&weights.certain, &weights.probable, &weights.possible};
  constexpr std::array<std::string_view, 3> kGrades{"certain", "probable", "possible"};
  std::array<bool, 3> graded{};
  const std::vector<std::string> lines = absl::StrSplit(absl::string_view(csv.data(), csv.size()), '\n', absl::SkipWhitespace());
  for (std::size_t i = 0; i < lines.size(); ++i) {
    std::string line = lines[i];
    if (line.back() == '\r') line.pop_back();
    if (i == 0) {
      if (line != kHeader) return Fault(1, absl::StrCat("expected \"", std::string(kHeader), "\""));
      continue;
    }
    const std::vector<std::string> cells = absl::StrSplit(line, ',');
    if (cells.size() != 4) return Fault(i + 1, "expected four columns");
    if (cells[0] == "grade") {
      const auto bits = NumberOf(cells[2]);
      std::size_t grade = 0;
      while (grade < kGrades.size() && kGrades[grade] != cells[1]) ++grade;
      if (grade == kGrades.size() || !bits) return Fault(i + 1, "expected grade,certain|probable|possible,<bits>,");
      *grades[grade] = *bits;
      graded[grade] = true;
      continue;
    }
    const auto place = PlaceOf(cells[0], cells[1]);
    if (!place) return Fault(i + 1, "no such field and level");
    const auto m = NumberOf(cells[2]), u = NumberOf(cells[3]);
    if (!m || !u || *m <= 0 || *m > 1 || *u <= 0 || *u > 1) return Fault(i + 1, "m and u are chances above 0, at most 1");
    LevelChances& chances = weights.chances[place->first][place->second];
    if (chances.m != 0) return Fault(i + 1, "this field and level stands twice");
    chances = {*m, *u};
  }
  for (std::size_t f = 0; f < kCompareFields; ++f) {
    const auto field = static_cast<CompareField>(f);
    for (std::size_t l = 0; l + 1 < LevelsOf(field); ++l)
      if (weights.chances[f][l].m == 0)
        return Fault(lines.size(), fmt::format("{},{} is missing", NameOf(field), LevelName(field, l)));
  }
  if (!graded[0] || !graded[1] || !graded[2]) return Fault(lines.size(), "a grade is missing");
  if (!(weights.certain > weights.probable && weights.probable > weights.possible))
    return Fault(lines.size(), "certain must be above probable, and probable above possible");
  return weights;
}

std::string MatchWeights::Csv() const {
  std::string csv(kHeader);
  csv += '\n';
  for (std::size_t f = 0; f < kCompareFields; ++f) {
    const auto field = static_cast<CompareField>(f);
    for (std::size_t l = 0; l + 1 < LevelsOf(field); ++l)
      csv += fmt::format("{},{},{:.6g},{:.6g}\n", NameOf(field), LevelName(field, l), chances[f][l].m, chances[f][l].u);
  }
  csv += fmt::format("grade,certain,{:.6g},\ngrade,probable,{:.6g},\ngrade,possible,{:.6g},\n", certain, probable, possible);
  return csv;
}

double ScoreOf(const Agreement& agreement, const MatchWeights& weights, const NameCount& name) {
  double score = 0;
  const bool names_counted = agreement.full_name || (agreement.NamesAgree() && name.patients >= kNamesKnownFrom);
  for (std::size_t f = 0; f < kCompareFields; ++f) {
    const auto field = static_cast<CompareField>(f);
    const std::size_t level = agreement.Level(field);
    if (level + 1 >= LevelsOf(field)) continue;
    const LevelChances& chances = weights.chances[f][level];
    if (names_counted && (field == CompareField::kFamily || field == CompareField::kGiven)) {
      // A form that nobody else bears is this name's own, however rarely it is written: only how common the name is tells.
      score += std::log2(name.own_form ? weights.chances[f][0].m : chances.m);
    } else {
      score += field == CompareField::kBirth && agreement.year_only ? std::min(kYearBits, WeightOf(chances)) : WeightOf(chances);
    }
  }
  score += NoHouseholdBits(agreement);
  return names_counted ? score - std::log2(FrequencyOf(name)) : score;
}

std::string_view GradeCode(MatchGrade grade) {
  switch (grade) {
    case MatchGrade::kCertain: return "certain";
    case MatchGrade::kProbable: return "probable";
    case MatchGrade::kPossible: return "possible";
    case MatchGrade::kNone: break;
  }
  return "certainly-not";
}

MatchGrade GradeOf(const Agreement& agreement, double score, const MatchWeights& weights, std::int64_t patients, bool no_twin) {
  if (score >= weights.certain && MayBeCertain(agreement, score, weights, patients, no_twin)) return MatchGrade::kCertain;
  if (score >= weights.probable) return MatchGrade::kProbable;
  return score >= weights.possible ? MatchGrade::kPossible : MatchGrade::kNone;
}

}  // namespace custodian::exchange

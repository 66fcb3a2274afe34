#include "tests/matching/measure.h"

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/str_format.h"

namespace custodian::matching {

using exchange::LocatedPatient;
using exchange::PatientLink;

namespace {

// The registration's number is its patient's id.
PatientLink LinkOf(int tenant, std::uint32_t number) {
  std::string id(16, '\0');
  for (std::size_t i = 0; i < 4; ++i) id[15 - i] = static_cast<char>(number >> (8 * i) & 0xFF);
  return {TenantId::Parse(absl::StrFormat("%016x", tenant + 1)).value(), PatientId::FromBytes(id).value()};
}

std::uint32_t NumberOf(const PatientLink& link) {
  std::uint32_t number = 0;
  for (std::size_t i = 12; i < 16; ++i) number = number << 8 | static_cast<unsigned char>(link.patient.bytes()[i]);
  return number;
}

bool ShareKey(const LocatedPatient& a, const LocatedPatient& b) {
  return std::any_of(a.keys.begin(), a.keys.end(), [&b](std::int64_t key) { return std::binary_search(b.keys.begin(), b.keys.end(), key); });
}

}  // namespace

absl::StatusOr<Rows> Rows::Of(const std::vector<Registration>& registrations) {
  Rows rows;
  for (std::uint32_t i = 0; i < registrations.size(); ++i) {
    const auto json = exchange::Json::Parse(registrations[i].json);
    if (!json.ok()) return json.status();
    auto located = exchange::Located(LinkOf(registrations[i].tenant, i),
                                     exchange::LocatorValuesOf(exchange::ReadDemographics(*json)), exchange::PlainHashes);
    if (!located.ok()) return located.status();
    for (const std::int64_t key : located->keys) rows.by_key_[key].push_back(i);
    for (const std::int64_t key : located->name_keys) ++rows.bearers_[key];
    rows.patients_.push_back(*std::move(located));
  }
  return rows;
}

exchange::MatchSource Rows::Source() const {
  exchange::MatchSource source;
  source.candidates = [this](const std::vector<LocatedPatient>& of, exchange::MatchDecisions&) -> absl::StatusOr<std::vector<LocatedPatient>> {
    std::set<std::uint32_t> found;
    for (const LocatedPatient& patient : of)
      for (const std::int64_t key : patient.keys)
        if (const auto place = by_key_.find(key); place != by_key_.end()) found.insert(place->second.begin(), place->second.end());
    std::vector<LocatedPatient> candidates;
    for (const std::uint32_t i : found) candidates.push_back(patients_[i]);
    return candidates;
  };
  source.count = [this](const LocatedPatient& patient) -> absl::StatusOr<exchange::NameCount> {
    exchange::NameCount count{0, static_cast<std::int64_t>(patients_.size()), 0};
    for (const std::int64_t key : patient.name_keys)
      if (const auto place = bearers_.find(key); place != bearers_.end()) count.bearers = std::max(count.bearers, place->second);
    for (const std::int64_t key : exchange::NamesBirthKeys(patient))
      if (const auto place = by_key_.find(key); place != by_key_.end())
        count.born_that_day = std::max(count.born_that_day, static_cast<std::int64_t>(place->second.size()));
    return count;
  };
  return source;
}

double Measured::Precision() const {
  return found + wrong == 0 ? 1 : static_cast<double>(found) / static_cast<double>(found + wrong);
}
double Measured::Recall() const { return true_pairs == 0 ? 1 : static_cast<double>(found) / static_cast<double>(true_pairs); }

absl::StatusOr<Measured> Measure(const std::vector<Registration>& registrations, const Rows& rows,
                                 const exchange::MatchWeights& weights, const OnPair& on_pair) {
  Measured measured;
  std::map<int, std::vector<std::uint32_t>> of_person;
  for (std::uint32_t i = 0; i < registrations.size(); ++i) of_person[registrations[i].person].push_back(i);
  const auto tell = [&](std::uint32_t a, std::uint32_t b, Outcome outcome) {
    if (!on_pair) return;
    const LocatedPatient &one = rows.patients()[a], &other = rows.patients()[b];
    const auto match = exchange::CountedMatchOf(one, other, weights, rows.Source().count).value();
    if (outcome == Outcome::kTooLittle && match.grade == exchange::MatchGrade::kCertain) outcome = Outcome::kVetoed;
    if (outcome == Outcome::kTooLittle && !ShareKey(one, other)) outcome = Outcome::kNotACandidate;
    on_pair(registrations[a], registrations[b], match, outcome);
  };
  const exchange::MatchSource source = rows.Source();
  for (std::uint32_t i = 0; i < registrations.size(); ++i) {
    std::set<std::uint32_t> same;
    const auto gathered = Gather(rows.patients()[i], source, weights);
    if (!gathered.ok()) return gathered.status();
    const auto judged = CertainlySame(rows.patients()[i].link, *gathered, weights, source.count);
    if (!judged.ok()) return judged.status();
    for (const PatientLink& link : judged->same) same.insert(NumberOf(link));
    for (const std::uint32_t other : of_person[registrations[i].person]) {
      if (other <= i || registrations[other].tenant == registrations[i].tenant) continue;
      ++measured.true_pairs;
      if (same.contains(other)) ++measured.found;
      tell(i, other, same.contains(other) ? Outcome::kFound : Outcome::kTooLittle);
    }
    for (const std::uint32_t other : same) {
      if (other <= i || registrations[other].person == registrations[i].person || registrations[other].tenant == registrations[i].tenant)
        continue;
      ++measured.wrong;
      tell(i, other, Outcome::kWrong);
    }
  }
  return measured;
}

}  // namespace custodian::matching

#include "services/exchange/matching.h"

#include <algorithm>
#include <cstddef>

#include "services/exchange/fhir_json.h"

namespace custodian::exchange {
namespace {

// From the weakest to the strongest: alike by names of which one could be a twin's, by names that are not quite the same, by the same given
// name, by decisions and merges, by identifiers.
enum class Tie { kNone, kUnlessTwin, kAlike, kNamed, kDecided, kIdentified };

using Group = std::set<std::size_t>;

bool Decided(const std::set<std::pair<PatientLink, PatientLink>>& decisions, const PatientLink& a, const PatientLink& b) {
  return !decisions.empty() && decisions.contains(a < b ? std::pair(a, b) : std::pair(b, a));
}

Tie TieOf(const LocatedPatient& a, const LocatedPatient& b, const Match& match, const MatchDecisions& decisions) {
  if (Decided(decisions.unlinked, a.link, b.link)) return Tie::kNone;
  if (match.grade == MatchGrade::kCertain && match.agreement.national == National::kSame && !match.agreement.twins_given) return Tie::kIdentified;
  if (Decided(decisions.linked, a.link, b.link) || Decided(decisions.merged, a.link, b.link)) return Tie::kDecided;
  if (a.muted || b.muted) return Tie::kNone;
  if (match.certain_unless_twin) return Tie::kUnlessTwin;
  if (match.grade != MatchGrade::kCertain) return Tie::kNone;
  return match.agreement.given == Given::kSame ? Tie::kNamed : Tie::kAlike;
}

// All pairs of a gathered group.
class Ties {
 public:
  [[nodiscard]] static absl::StatusOr<Ties> Of(const MatchedPatients& among, const MatchWeights& weights, const CountName& count) {
    Ties ties(among);
    for (std::size_t b = 0; b < among.patients.size(); ++b)
      for (std::size_t a = 0; a < b; ++a) {
        const auto match = CountedMatchOf(among.patients[a], among.patients[b], weights, count);
        if (!match.ok()) return match.status();
        const PatientLink &one = among.patients[a].link, &other = among.patients[b].link;
        ties.ties_[{a, b}] = {TieOf(among.patients[a], among.patients[b], *match, among.decisions), Decided(among.decisions.unlinked, one, other) ||
                                                                    (!Decided(among.decisions.linked, one, other) &&
                                                                     match->agreement.national == National::kDiffers),
                              match->agreement.AreTwins(), match->agreement.shows_twin};
      }
    return ties;
  }

  // Everyone whom ties of at least this strength connect to the patient at `from`.
  [[nodiscard]] Group Closure(std::size_t from, Tie at_least, const Group* within = nullptr) const {
    return Reach(from, [&](std::size_t a, std::size_t b) { return (within == nullptr || within->contains(b)) && At(a, b).tie >= at_least; });
  }

  // Tenants of those who contradict each other.
  [[nodiscard]] std::set<TenantId> Contradicting(const Group& group) const {
    std::set<TenantId> tenants;
    for (const std::size_t a : group)
      for (const std::size_t b : group)
        if (a < b && At(a, b).contradict) tenants.insert({TenantOf(a), TenantOf(b)});
    return tenants;
  }

  [[nodiscard]] bool HasTwins(const Group& group) const {
    return std::any_of(group.begin(), group.end(), [&](std::size_t a) {
      return std::any_of(group.begin(), group.end(), [&](std::size_t b) { return a < b && At(a, b).tie < Tie::kDecided && At(a, b).twins; });
    });
  }

  [[nodiscard]] bool ShowTwins(const Group& group) const {
    return std::any_of(group.begin(), group.end(), [&](std::size_t a) {
      return std::any_of(group.begin(), group.end(), [&](std::size_t b) { return a < b && At(a, b).shows_twin; });
    });
  }

  // Tenants that keep two of the group whom neither identifiers nor decisions of their own join: what another tenant merges, links or registers is not
  // for two charts of theirs to be one person's, else it would open the one by the consent in the other.
  [[nodiscard]] std::set<TenantId> KeepingNamesakes(const Group& group) const {
    std::set<TenantId> tenants;
    for (const std::size_t a : group) {
      const Group same = OneAt(a, &group);
      for (const std::size_t b : group)
        if (a < b && TenantOf(a) == TenantOf(b) && !same.contains(b)) tenants.insert(TenantOf(a));
    }
    return tenants;
  }

  // All but those who bear the identifiers of two charts that another tenant keeps apart: nobody's, whatever they are. They would show in what they join, though
  // their own charts be hidden, and take from the two what is certain of them.
  [[nodiscard]] Group WithoutBridges() const {
    Group group;
    for (std::size_t i = 0; i < among_->patients.size(); ++i) {
      std::map<TenantId, std::vector<std::size_t>> identified;
      for (std::size_t a = 0; a < among_->patients.size(); ++a)
        if (a != i && TenantOf(a) != TenantOf(i) && At(a, i).tie == Tie::kIdentified) identified[TenantOf(a)].push_back(a);
      const bool is_bridge = std::any_of(identified.begin(), identified.end(), [this](const auto& at) {
        if (at.second.size() == 1) return false;
        const Group same = OneAt(at.second.front(), nullptr);
        return !std::all_of(at.second.begin(), at.second.end(), [&same](std::size_t a) { return same.contains(a); });
      });
      if (!is_bridge) group.insert(i);
    }
    return group;
  }

 private:
  // Its tenant's charts whom that tenant's own identifiers and decisions connect to it.
  [[nodiscard]] Group OneAt(std::size_t from, const Group* within) const {
    return Reach(from, [&](std::size_t a, std::size_t b) {
      return TenantOf(b) == TenantOf(from) && (within == nullptr || within->contains(b)) && At(a, b).tie >= Tie::kDecided;
    });
  }

  // `from` and everyone to whom steps lead that `joined(a, b)` allows.
  template <typename Joined>
  [[nodiscard]] Group Reach(std::size_t from, const Joined& joined) const {
    Group reached{from};
    std::vector<std::size_t> waiting{from};
    while (!waiting.empty()) {
      const std::size_t at = waiting.back();
      waiting.pop_back();
      for (std::size_t i = 0; i < among_->patients.size(); ++i) {
        if (reached.contains(i) || !joined(at, i)) continue;
        reached.insert(i);
        waiting.push_back(i);
      }
    }
    return reached;
  }

  struct Pair {
    Tie tie = Tie::kNone;
    bool contradict = false;
    bool twins = false;
    bool shows_twin = false;
  };
  explicit Ties(const MatchedPatients& among) : among_(&among) {}
  [[nodiscard]] const Pair& At(std::size_t a, std::size_t b) const { return ties_.at(std::minmax(a, b)); }
  [[nodiscard]] const TenantId& TenantOf(std::size_t i) const { return among_->patients[i].link.tenant; }

  const MatchedPatients* among_;
  std::map<std::pair<std::size_t, std::size_t>, Pair> ties_;
};

}  // namespace

absl::StatusOr<Match> CountedMatchOf(const LocatedPatient& a, const LocatedPatient& b, const MatchWeights& weights,
                                     const CountName& count) {
  Match match;
  match.agreement = Compare(a, b);
  NameCount name;
  // The commoner of two names counts, be they two ways of writing one or all that one of them bears. Names say little unless birth dates agree.
  const bool counts = match.agreement.full_name ||
                      (match.agreement.NamesAgree() && (match.agreement.birth == Birth::kSame || match.agreement.birth == Birth::kNear));
  for (const LocatedPatient* one : {&a, &b}) {
    if (!counts || (one == &b && a.name_keys == b.name_keys)) continue;
    const auto counted = count(*one);
    if (!counted.ok()) return counted.status();
    const bool own_form = counted->bearers <= counted->born_that_day;
    const bool rarest = own_form || name.own_form;
    if (name.patients == 0 || counted->bearers - counted->born_that_day > name.bearers - name.born_that_day) name = *counted;
    name.own_form = rarest;
  }
  // Of those born on one's day, the other is none if it was born on another.
  if (counts && match.agreement.full_name && match.agreement.birth != Birth::kSame) ++name.born_that_day;
  match.score = ScoreOf(match.agreement, weights, name);
  match.grade = GradeOf(match.agreement, match.score, weights, name.patients);
  match.certain_unless_twin = match.agreement.unless_twin && match.grade != MatchGrade::kCertain &&
                              GradeOf(match.agreement, match.score, weights, name.patients, /*no_twin=*/true) == MatchGrade::kCertain;
  return match;
}

Match MatchOf(const LocatedPatient& a, const LocatedPatient& b, const MatchWeights& weights, const NameCount& name) {
  return CountedMatchOf(a, b, weights, [&name](const LocatedPatient&) { return name; }).value();
}

absl::StatusOr<Match> MatchPatients(std::string_view patient, std::string_view candidate, const MatchWeights& weights,
                                    const NameCount& name) {
  const auto located = [](std::string_view text) -> absl::StatusOr<LocatedPatient> {
    const auto json = Json::Parse(text);
    if (!json.ok()) return json.status();
    if (json->TextOf("resourceType") != "Patient") return absl::InvalidArgumentError("only Patients are matched");
    return Located({}, LocatorValuesOf(ReadDemographics(*json)), PlainHashes);
  };
  const auto one = located(patient);
  if (!one.ok()) return one.status();
  const auto other = located(candidate);
  if (!other.ok()) return other.status();
  return MatchOf(*one, *other, weights, name);
}

absl::StatusOr<MatchedPatients> Gather(const LocatedPatient& of, const MatchSource& source, const MatchWeights& weights) {
  MatchedPatients among;
  std::map<PatientLink, LocatedPatient> found{{of.link, of}};
  std::vector<LocatedPatient> newest{of};
  while (!newest.empty()) {
    auto candidates = source.candidates(newest, among.decisions);
    if (!candidates.ok()) return candidates.status();
    among.twins_unseen = among.twins_unseen || candidates->size() >= kCandidatesMax;
    std::vector<LocatedPatient> next;
    for (LocatedPatient& candidate : *candidates) {
      if (found.contains(candidate.link)) continue;
      bool tied = false;
      for (const LocatedPatient& from : newest) {
        const auto match = CountedMatchOf(from, candidate, weights, source.count);
        if (!match.ok()) return match.status();
        tied = tied || TieOf(from, candidate, *match, among.decisions) != Tie::kNone;
        if (match->agreement.shows_twin) among.twins.insert(candidate.link);
      }
      if (!tied) continue;
      if (found.size() >= kConnectedMax) {
        among.too_many = true;
        break;
      }
      found.emplace(candidate.link, candidate);
      next.push_back(std::move(candidate));
    }
    if (among.too_many) break;
    newest = std::move(next);
  }
  for (auto& [link, patient] : found) {
    among.twins.erase(link);
    among.patients.push_back(std::move(patient));
  }
  return among;
}

absl::StatusOr<PersonJudgement> CertainlySame(const PatientLink& of, const MatchedPatients& among, const MatchWeights& weights,
                                        const CountName& count) {
  if (among.too_many) return PersonJudgement{{of}, {of.tenant}};
  const auto found = std::find_if(among.patients.begin(), among.patients.end(),
                                  [&of](const LocatedPatient& patient) { return patient.link == of; });
  if (found == among.patients.end()) return PersonJudgement{{of}, {}};
  const auto self = static_cast<std::size_t>(found - among.patients.begin());
  const auto ties = Ties::Of(among, weights, count);
  if (!ties.ok()) return ties.status();

  PersonJudgement judgement;
  const Group counted = ties->WithoutBridges();
  if (!counted.contains(self)) return PersonJudgement{{of}, {}};
  Group same = ties->Closure(self, Tie::kUnlessTwin, &counted);
  for (const Tie at_least : {Tie::kUnlessTwin, Tie::kAlike, Tie::kNamed, Tie::kDecided, Tie::kIdentified}) {
    same = ties->Closure(self, at_least, &same);
    if (at_least == Tie::kUnlessTwin && (!among.twins.empty() || among.twins_unseen || ties->ShowTwins(same))) continue;
    // Twins whom a name between theirs connects stay connected each with those of the same name.
    if (at_least < Tie::kNamed && ties->HasTwins(same)) continue;
    std::set<TenantId> vetoes = ties->Contradicting(same);
    // Identifiers that contradict each other somewhere along the chain are no certainty either.
    if (at_least == Tie::kIdentified && !vetoes.empty()) same = {self};
    vetoes.merge(ties->KeepingNamesakes(same));
    if (vetoes.empty()) break;
    if (at_least > Tie::kUnlessTwin) judgement.vetoed_by.merge(vetoes);
  }
  for (const std::size_t i : same) judgement.same.push_back(among.patients[i].link);
  std::sort(judgement.same.begin(), judgement.same.end());
  return judgement;
}

}  // namespace custodian::exchange

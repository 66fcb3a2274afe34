// ConsentRules against an evaluator that is slow and plain: it works on the values as they are given, sentence by sentence of decide.h,
// and shares nothing with what it judges. Random Consents over small alphabets, so that rules meet questions often.
#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "services/consent/decide.h"

namespace custodian::consent {
namespace {

const absl::Time kEpoch = absl::FromUnixMillis(1'767'225'600'000);

bool Contains(const std::vector<std::string>& list, const std::string& one) {
  return std::find(list.begin(), list.end(), one) != list.end();
}

struct Says {
  Effect effect = Effect::kNone;
  std::set<std::string> kinds;
  int consent = -1;
};

class Reference {
 public:
  Reference(const std::vector<Consent>& consents, const Question& question, const Circumstances& circumstances)
      : consents_(consents), question_(question), circumstances_(circumstances) {}

  Decision Decide() {
    std::vector<Says> all;
    for (std::size_t i = 0; i < consents_.size(); ++i) {
      consent_ = static_cast<int>(i);
      if (!consents_[i].active || consents_[i].arrived > question_.time) continue;
      const Says says = Ask(consents_[i].provision, false, consents_[i].about_disclosure, {}, {});
      if (says.effect != Effect::kNone) all.push_back(says);
    }
    const Effect effect = Settle(all).effect;
    if (effect == Effect::kDeny) return {false, Reason::kDenied};
    if (effect == Effect::kPermit) return {true, Reason::kPermitted};
    const Data& data = question_.data;
    const bool sensitive = !data.labels.empty() || data.confidentiality == "R" || data.confidentiality == "V";
    bool opt_out = false;
    for (const std::string& purpose : PurposeAndAbove(question_.purpose))
      opt_out = opt_out || (purpose != "PurposeOfUse" && Contains(circumstances_.opt_out_purposes, purpose));
    if (opt_out && !sensitive) return {true, Reason::kLegalBasis};
    if (opt_out || withheld_) return {false, Reason::kWithheld};
    return {false, not_theirs_ ? Reason::kNotTheirs : Reason::kNoPermission};
  }

 private:
  absl::Time GivenOf(int consent) const {
    const Consent& one = consents_[static_cast<std::size_t>(consent)];
    return one.given && *one.given < one.arrived ? *one.given : one.arrived;
  }

  Says Settle(const std::vector<Says>& all) const {
    Says best;
    for (const Says& says : all) {
      if (says.effect == Effect::kPermit) {
        if (best.effect == Effect::kNone) best = says;
        continue;
      }
      bool stands = true;
      for (const Says& other : all) {
        if (other.effect != Effect::kPermit || other.kinds.size() <= says.kinds.size()) continue;
        if (!std::includes(other.kinds.begin(), other.kinds.end(), says.kinds.begin(), says.kinds.end())) continue;
        if (other.consent == says.consent || GivenOf(other.consent) > GivenOf(says.consent)) stands = false;
      }
      if (stands) return says;
    }
    return best;
  }

  // Three answers for one kind of criteria: surely, perhaps, no.
  enum class Fits { kNo, kPerhaps, kSurely };

  Fits ActorsFit(const Provision& rule) const {
    Fits fits = Fits::kNo;
    for (const Actor& actor : rule.actors) {
      if (actor.identifiers.empty() && fits == Fits::kNo) fits = Fits::kPerhaps;
      for (const Party& party : actor.identifiers) {
        if (!(party == question_.actor)) continue;
        fits = Contains(actor.roles, "IRCP") || Contains(actor.roles, "PRCP") ? Fits::kSurely : std::max(fits, Fits::kPerhaps);
      }
    }
    return fits;
  }
  Fits PurposesFit(const Provision& rule) const {
    Fits fits = Fits::kNo;
    for (const std::string& purpose : rule.purposes) {
      if (purpose.empty() || purpose == "PurposeOfUse") {
        // The root is above every known purpose.
        if (purpose.empty() || Contains(PurposeAndAbove(question_.purpose), purpose)) fits = std::max(fits, Fits::kPerhaps);
      } else if (Contains(PurposeAndAbove(question_.purpose), purpose)) {
        fits = Fits::kSurely;
      }
    }
    return fits;
  }
  Fits LabelsFit(const Provision& rule, Effect effect) const {
    const auto rank = [](const std::string& code) { return std::string("ULMNRV").find(code); };
    Fits fits = Fits::kNo;
    for (const std::string& label : rule.labels) {
      if (label.empty()) {
        fits = std::max(fits, Fits::kPerhaps);
      } else if (label.size() == 1) {
        const auto own = rank(question_.data.confidentiality);
        const bool as_much = own >= rank(label), as_little = own <= rank(label);
        if (effect == Effect::kDeny ? as_much : as_little) fits = Fits::kSurely;
        if (effect == Effect::kNone && as_much) fits = std::max(fits, Fits::kPerhaps);
      } else if (Contains(question_.data.labels, label)) {
        fits = Fits::kSurely;
      }
    }
    return fits;
  }
  Fits ClassesFit(const Provision& rule) const {
    Fits fits = Fits::kNo;
    const Data& data = question_.data;
    for (const Code& one : rule.classes) {
      if (one.system == "http://hl7.org/fhir/resource-types" ? one.code == data.type : Contains(data.profiles, one.code)) fits = Fits::kSurely;
      if (one.code.empty() || one.code == data.type || Contains(data.profiles, one.code)) fits = std::max(fits, Fits::kPerhaps);
    }
    return fits;
  }
  Fits CodesFit(const Provision& rule) const {
    Fits fits = Fits::kNo;
    for (const Code& wanted : rule.codes) {
      if (wanted.code.empty()) fits = std::max(fits, Fits::kPerhaps);
      for (const Code& code : question_.data.codes) {
        if (code == wanted) fits = Fits::kSurely;
        if (code.code == wanted.code) fits = std::max(fits, Fits::kPerhaps);
      }
    }
    return fits;
  }
  Fits PeriodFits(const Provision& rule) const {
    const Data& data = question_.data;
    if (rule.data_from <= data.from && data.until <= rule.data_until) return Fits::kSurely;
    return data.from < rule.data_until && rule.data_from < data.until ? Fits::kPerhaps : Fits::kNo;
  }
  Fits DataFits(const Provision& rule) const {
    Fits fits = Fits::kNo;
    const Data& data = question_.data;
    for (const DataReference& one : rule.data) {
      if (one.reference.empty()) fits = std::max(fits, Fits::kPerhaps);
      const bool self = one.reference == data.type + "/" + data.id;
      const bool refers = Contains(data.references, one.reference);
      const bool referred = Contains(data.referrers, one.reference);
      const bool wrote = Contains(data.authors, one.reference);
      switch (one.meaning) {
        case DataMeaning::kInstance: fits = self ? Fits::kSurely : fits; break;
        case DataMeaning::kRelated: fits = self || refers || referred ? Fits::kSurely : fits; break;
        case DataMeaning::kDependents: fits = self || refers ? Fits::kSurely : fits; break;
        case DataMeaning::kAuthoredBy: fits = wrote ? Fits::kSurely : fits; break;
      }
    }
    return fits;
  }

  Says Ask(const Provision& rule, bool nested, bool surely_around, std::set<std::string> kinds, std::vector<std::string> named) {
    if (question_.time < rule.from || question_.time >= rule.until) return {};
    const Effect effect = nested && rule.effect == Effect::kNone ? Effect::kDeny : rule.effect;
    Fits fits = rule.narrowed ? Fits::kPerhaps : Fits::kSurely;
    const auto criterion = [&](const char* kind, bool limits, Fits one) {
      if (!limits) return;
      kinds.insert(kind);
      fits = std::min(fits, one);
    };
    criterion("actor", !rule.actors.empty(), ActorsFit(rule));
    criterion("purpose", !rule.purposes.empty(), PurposesFit(rule));
    criterion("label", !rule.labels.empty(), LabelsFit(rule, effect));
    criterion("class", !rule.classes.empty(), ClassesFit(rule));
    criterion("code", !rule.codes.empty(), CodesFit(rule));
    criterion("period", rule.has_data_period, PeriodFits(rule));
    criterion("data", !rule.data.empty(), DataFits(rule));
    if (fits == Fits::kNo) return {};
    if (fits == Fits::kPerhaps || rule.narrowed) kinds.insert("unreadable");
    const bool surely = surely_around && fits == Fits::kSurely;
    named.insert(named.end(), rule.labels.begin(), rule.labels.end());
    std::vector<Says> exceptions;
    for (const Provision& one : rule.nested) {
      const Says says = Ask(one, true, surely, kinds, named);
      if (says.effect != Effect::kNone) exceptions.push_back(says);
    }
    const Says exception = Settle(exceptions);
    if (exception.effect != Effect::kNone || effect == Effect::kNone) return exception;
    if (effect == Effect::kDeny) return {Effect::kDeny, kinds, consent_};
    return surely && MaySpeak(named) ? Says{Effect::kPermit, kinds, consent_} : Says{};
  }

  bool MaySpeak(const std::vector<std::string>& named) {
    const Data& data = question_.data;
    for (const std::string& label : data.labels) {
      if (Contains(named, label)) continue;
      withheld_ = true;
      return false;
    }
    if (data.labels.empty() && ((data.confidentiality == "R" && !Contains(named, "R") && !Contains(named, "V")) ||
                                (data.confidentiality == "V" && !Contains(named, "V")))) {
      withheld_ = true;
      return false;
    }
    if (IsTheirs()) return true;
    not_theirs_ = true;
    return false;
  }

  bool IsTheirs() const {
    const Consent& consent = consents_[static_cast<std::size_t>(consent_)];
    const absl::Time given = GivenOf(consent_), now = question_.time;
    const auto& ages = circumstances_.of_age_for;
    bool decides_already = false, could_give = question_.data.labels.empty() ? given >= circumstances_.of_age : true;
    for (const std::string& label : question_.data.labels) {
      const bool own = ages.contains(label);
      if (own && now >= ages.at(label)) decides_already = true;
      could_give = could_give && given >= (own ? ages.at(label) : circumstances_.of_age);
    }
    const bool minor = now < circumstances_.of_age;
    switch (consent.giver) {
      case Giver::kNobody: return false;
      case Giver::kPatient: return could_give;
      case Giver::kParent: return minor && !decides_already;
      case Giver::kDelegate:
      case Giver::kUnstated: return (minor && !decides_already) || given >= circumstances_.of_age;
    }
    return false;
  }

  const std::vector<Consent>& consents_;
  const Question& question_;
  const Circumstances& circumstances_;
  int consent_ = 0;
  bool withheld_ = false;
  bool not_theirs_ = false;
};

class Dice {
 public:
  explicit Dice(std::uint64_t seed) : random_(seed) {}
  int Below(int n) { return static_cast<int>(random_() % static_cast<std::uint64_t>(n)); }
  bool Chance(int percent) { return Below(100) < percent; }
  template <typename T>
  T Of(const std::vector<T>& list) {
    return list[static_cast<std::size_t>(Below(static_cast<int>(list.size())))];
  }
  template <typename T>
  std::vector<T> Some(const std::vector<T>& list, int percent) {
    std::vector<T> some;
    for (const T& one : list)
      if (Chance(percent)) some.push_back(one);
    return some;
  }

 private:
  std::mt19937_64 random_;
};

const std::vector<Party> kParties = {{"urn:org", "north"}, {"urn:org", "south"}, {"urn:other", "north"}};
const std::vector<std::string> kPurposeCodes = {"TREAT", "ETREAT", "BTG", "HRESCH", "PurposeOfUse", "", "MADEUP"};
const std::vector<std::string> kLabelCodes = {"HIV", "MH", "42CFRPart2", "N", "R", "V", ""};
const std::vector<Code> kClassCodes = {{"http://hl7.org/fhir/resource-types", "Observation"},
                                       {"http://hl7.org/fhir/resource-types", "DiagnosticReport"},
                                       {"", "http://example.org/p"},
                                       {"urn:x", "DiagnosticReport"},
                                       {"", ""}};
const std::vector<Code> kCodes = {{"http://loinc.org", "1-1"}, {"http://snomed.info/sct", "1-1"}, {"http://loinc.org", "2-2"}, {"", ""}};
const std::vector<std::string> kReferences = {"Observation/o", "DiagnosticReport/d", "Encounter/e", "Practitioner/p", ""};
const std::vector<std::vector<std::string>> kRoles = {{"IRCP"}, {"PRCP", "AUT"}, {"AUT"}, {}};

absl::Time Moment(Dice& dice) { return kEpoch + absl::Hours(dice.Below(9) - 4); }

Provision RandomRule(Dice& dice, int depth) {
  Provision rule;
  rule.effect = dice.Of<Effect>({Effect::kPermit, Effect::kPermit, Effect::kDeny, Effect::kNone});
  if (dice.Chance(20)) rule.from = Moment(dice);
  if (dice.Chance(20)) rule.until = Moment(dice);
  if (dice.Chance(45)) {
    rule.actors.push_back({dice.Of(kRoles), dice.Some(kParties, 60)});
    if (dice.Chance(30)) rule.actors.push_back({dice.Of(kRoles), dice.Some(kParties, 60)});
  }
  if (dice.Chance(40)) rule.purposes = dice.Some(kPurposeCodes, 30);
  if (dice.Chance(35)) rule.labels = dice.Some(kLabelCodes, 40);
  if (dice.Chance(25)) rule.classes = dice.Some(kClassCodes, 40);
  if (dice.Chance(25)) rule.codes = dice.Some(kCodes, 40);
  if (dice.Chance(20)) {
    rule.has_data_period = true;
    rule.data_from = dice.Chance(30) ? absl::InfinitePast() : Moment(dice);
    rule.data_until = dice.Chance(30) ? absl::InfiniteFuture() : Moment(dice);
  }
  if (dice.Chance(15))
    rule.data = {{dice.Of<DataMeaning>({DataMeaning::kInstance, DataMeaning::kRelated, DataMeaning::kDependents, DataMeaning::kAuthoredBy}),
                  dice.Of(kReferences)}};
  rule.narrowed = dice.Chance(5);
  if (depth < 3)
    for (int i = dice.Below(4 - depth); i > 0; --i) rule.nested.push_back(RandomRule(dice, depth + 1));
  return rule;
}

Consent RandomConsent(Dice& dice) {
  Consent consent{dice.Chance(90), dice.Chance(90), RandomRule(dice, 0), Moment(dice)};
  if (dice.Chance(50)) consent.given = Moment(dice);
  consent.giver = dice.Of<Giver>({Giver::kUnstated, Giver::kUnstated, Giver::kPatient, Giver::kParent, Giver::kDelegate, Giver::kNobody});
  return consent;
}

Question RandomQuestion(Dice& dice) {
  Question question{dice.Of(kParties), dice.Of<std::string>({"TREAT", "TREAT", "ETREAT", "BTG", "HRESCH", "MADEUP"}), Moment(dice)};
  Data& data = question.data;
  data.type = dice.Of<std::string>({"Observation", "DiagnosticReport", "ImagingStudy"});
  data.id = dice.Of<std::string>({"o", "d"});
  if (dice.Chance(30)) data.profiles = {"http://example.org/p"};
  data.codes = dice.Some<Code>({{"http://loinc.org", "1-1"}, {"http://loinc.org", "2-2"}, {"urn:x", "1-1"}}, 50);
  data.labels = dice.Some<std::string>({"HIV", "MH", "42CFRPart2"}, 20);
  data.confidentiality = dice.Of<std::string>({"N", "N", "N", "R", "V", "L"});
  if (dice.Chance(80)) {
    data.from = Moment(dice);
    data.until = data.from + absl::Hours(dice.Below(3)) + absl::Milliseconds(1);
  }
  data.references = dice.Some<std::string>({"Encounter/e", "Observation/o", "Practitioner/p"}, 30);
  data.authors = dice.Some<std::string>({"Practitioner/p"}, 40);
  data.referrers = dice.Some<std::string>({"DiagnosticReport/d"}, 40);
  return question;
}

Circumstances RandomCircumstances(Dice& dice) {
  Circumstances circumstances;
  circumstances.opt_out_purposes = dice.Some<std::string>({"TREAT", "HRESCH"}, 20);
  if (dice.Chance(50)) circumstances.of_age = Moment(dice);
  if (dice.Chance(40)) circumstances.of_age_for["HIV"] = Moment(dice);
  if (dice.Chance(40)) circumstances.of_age_for["MH"] = Moment(dice);
  return circumstances;
}

TEST(ConsentReference, AgreesOnRandomConsents) {
  const char* given = std::getenv("CUSTODIAN_TEST_SEED");
  const std::uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
  std::cout << "CUSTODIAN_TEST_SEED=" << seed << "\n";
  Dice dice(seed);
  std::map<Reason, int> seen;
  for (int round = 0; round < 20'000; ++round) {
    std::vector<Consent> consents;
    for (int i = dice.Below(5); i > 0; --i) consents.push_back(RandomConsent(dice));
    const Circumstances circumstances = RandomCircumstances(dice);
    const ConsentRules rules(consents, circumstances);
    for (int i = 0; i < 5; ++i) {
      const Question question = RandomQuestion(dice);
      const Decision decision = rules.Decide(question);
      const Decision expected = Reference(consents, question, circumstances).Decide();
      ASSERT_EQ(decision.permit, expected.permit) << "round " << round << " question " << i;
      ASSERT_EQ(static_cast<int>(decision.reason), static_cast<int>(expected.reason)) << "round " << round << " question " << i;
      ++seen[decision.reason];
    }
  }
  // Every way to end was met, so that agreeing means something.
  for (const Reason reason : {Reason::kPermitted, Reason::kLegalBasis, Reason::kNoPermission, Reason::kDenied, Reason::kWithheld, Reason::kNotTheirs})
    EXPECT_GT(seen[reason], 200) << static_cast<int>(reason);
}

// What no change of the questions may do: a denial or a withdrawal added to a patient's consents never opens anything.
TEST(ConsentReference, MoreDenialsNeverPermitMore) {
  Dice dice(7);
  for (int round = 0; round < 5'000; ++round) {
    std::vector<Consent> consents;
    for (int i = dice.Below(4); i > 0; --i) consents.push_back(RandomConsent(dice));
    std::vector<Consent> more = consents;
    Consent denial = RandomConsent(dice);
    denial.provision.effect = Effect::kDeny;
    denial.provision.nested.clear();
    more.push_back(denial);
    const Question question = RandomQuestion(dice);
    EXPECT_LE(Decide(more, question).permit, Decide(consents, question).permit) << round;
  }
}

}  // namespace
}  // namespace custodian::consent

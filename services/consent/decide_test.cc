#include "services/consent/decide.h"

#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace custodian::consent {
namespace {

const Party kNorth{"urn:org", "north"};
const Party kSouth{"urn:org", "south"};
const absl::Time kNow = absl::FromUnixMillis(1'767'225'600'000);
const Question kQuestion{kNorth, "TREAT", kNow};

Provision Rule(Effect effect, const Party& actor = kNorth) {
  Provision provision;
  provision.effect = effect;
  provision.actors = {{{"IRCP"}, {actor}}};
  provision.purposes = {"TREAT"};
  return provision;
}
Consent Given(const Provision& provision, absl::Time given = kNow) { return {true, true, provision, given}; }
// A question about a record with these labels.
Question About(std::vector<std::string> labels, const std::string& confidentiality = "N") {
  Question question = kQuestion;
  question.data.type = "DiagnosticReport";
  question.data.id = "d1";
  question.data.labels = std::move(labels);
  question.data.confidentiality = confidentiality;
  return question;
}

TEST(Consent, WithoutConsentTheAnswerIsNo) {
  EXPECT_FALSE(Decide({}, kQuestion).permit);
  EXPECT_EQ(Decide({}, kQuestion).reason, Reason::kNoPermission);
}

TEST(Consent, PermitsTheNamedRecipientForTheNamedPurpose) {
  const Consent consent = Given(Rule(Effect::kPermit));
  EXPECT_TRUE(Decide({consent}, kQuestion).permit);
  EXPECT_FALSE(Decide({consent}, {kSouth, "TREAT", kNow}).permit);
  EXPECT_FALSE(Decide({consent}, {kNorth, "HRESCH", kNow}).permit);
  EXPECT_FALSE(Decide({consent}, {{"urn:other", "north"}, "TREAT", kNow}).permit);
}

TEST(Consent, PeriodIsHalfOpenToTheMillisecond) {
  Consent consent = Given(Rule(Effect::kPermit));
  consent.provision.from = kNow;
  consent.provision.until = kNow + absl::Milliseconds(1);
  EXPECT_TRUE(Decide({consent}, kQuestion).permit);
  consent.arrived = absl::InfinitePast();
  EXPECT_FALSE(Decide({consent}, {kNorth, "TREAT", kNow - absl::Milliseconds(1)}).permit);
  EXPECT_FALSE(Decide({consent}, {kNorth, "TREAT", kNow + absl::Milliseconds(1)}).permit);
}

TEST(Consent, AnInactiveOneNeitherPermitsNorDenies) {
  Consent permit = Given(Rule(Effect::kPermit));
  Consent deny = Given(Rule(Effect::kDeny));
  deny.active = false;
  EXPECT_TRUE(Decide({permit, deny}, kQuestion).permit);
  permit.active = false;
  EXPECT_FALSE(Decide({permit}, kQuestion).permit);
}

TEST(Consent, DenialWinsBetweenConsents) {
  const Decision decision = Decide({Given(Rule(Effect::kDeny)), Given(Rule(Effect::kPermit))}, kQuestion);
  EXPECT_FALSE(decision.permit);
  EXPECT_EQ(decision.reason, Reason::kDenied);
  EXPECT_TRUE(Decide({Given(Rule(Effect::kDeny, kSouth)), Given(Rule(Effect::kPermit))}, kQuestion).permit);
}

TEST(Consent, ANestedProvisionIsAnException) {
  Provision deny_all;
  deny_all.effect = Effect::kDeny;
  deny_all.nested = {Rule(Effect::kPermit)};
  EXPECT_TRUE(Decide({Given(deny_all)}, kQuestion).permit);
  EXPECT_FALSE(Decide({Given(deny_all)}, {kSouth, "TREAT", kNow}).permit);

  Provision permit_all;
  permit_all.effect = Effect::kPermit;
  permit_all.nested = {Rule(Effect::kDeny)};
  EXPECT_FALSE(Decide({Given(permit_all)}, kQuestion).permit);
  EXPECT_TRUE(Decide({Given(permit_all)}, {kSouth, "TREAT", kNow}).permit);

  permit_all.nested.push_back(Rule(Effect::kPermit));
  EXPECT_FALSE(Decide({Given(permit_all)}, kQuestion).permit);
}

TEST(Consent, AnExceptionAppliesOnlyWithinItsParent) {
  Provision expired;
  expired.until = kNow;
  expired.nested = {Rule(Effect::kPermit)};
  EXPECT_FALSE(Decide({Given(expired)}, kQuestion).permit);
  expired.until = kNow + absl::Milliseconds(1);
  EXPECT_TRUE(Decide({Given(expired)}, kQuestion).permit);
}

TEST(Consent, WhatCannotBeReadDeniesButNeverPermits) {
  const auto both = [](auto change) {
    Provision permit = Rule(Effect::kPermit), deny = Rule(Effect::kDeny);
    change(permit);
    change(deny);
    EXPECT_EQ(Decide({Given(permit)}, kQuestion).reason, Reason::kNoPermission);
    EXPECT_EQ(Decide({Given(deny)}, kQuestion).reason, Reason::kDenied);
  };
  both([](Provision& provision) { provision.narrowed = true; });
  both([](Provision& provision) { provision.actors = {{{"IRCP"}, {}}}; });
  both([](Provision& provision) { provision.purposes = {""}; });
  both([](Provision& provision) { provision.purposes = {"PurposeOfUse"}; });
  both([](Provision& provision) { provision.actors[0].roles = {"AUT"}; });
}

TEST(Consent, AnotherScopeMayDenyButNotPermit) {
  Consent permit = Given(Rule(Effect::kPermit));
  permit.about_disclosure = false;
  EXPECT_FALSE(Decide({permit}, kQuestion).permit);
  Consent deny = Given(Rule(Effect::kDeny));
  deny.about_disclosure = false;
  EXPECT_EQ(Decide({deny, Given(Rule(Effect::kPermit))}, kQuestion).reason, Reason::kDenied);
}

TEST(Consent, RevocationBindsFromItsEntryOn) {
  Consent deny = Given(Rule(Effect::kDeny));
  deny.arrived = kNow + absl::Milliseconds(1);
  Consent permit = Given(Rule(Effect::kPermit));
  permit.arrived = kNow - absl::Hours(1);
  EXPECT_TRUE(Decide({permit, deny}, kQuestion).permit);
  EXPECT_FALSE(Decide({permit, deny}, {kNorth, "TREAT", kNow + absl::Milliseconds(1)}).permit);
}

TEST(Consent, ANestedRuleWithoutATypeIsADenial) {
  Provision permit = Rule(Effect::kPermit);
  permit.nested = {Rule(Effect::kNone)};
  EXPECT_EQ(Decide({Given(permit)}, kQuestion).reason, Reason::kDenied);
}

TEST(Consent, SaysWhichRuleDecided) {
  Provision deny_all;
  deny_all.effect = Effect::kDeny;
  deny_all.nested = {Rule(Effect::kPermit, kSouth), Rule(Effect::kPermit)};
  EXPECT_EQ(Decide({Given(Rule(Effect::kPermit, kSouth)), Given(deny_all)}, kQuestion), (Decision{true, Reason::kPermitted, 1, 2}));
  EXPECT_EQ(Decide({Given(deny_all)}, {{"urn:org", "east"}, "TREAT", kNow}), (Decision{false, Reason::kDenied, 0, 0}));
  EXPECT_EQ(Decide({}, kQuestion), (Decision{false, Reason::kNoPermission, -1, -1}));
}

TEST(Consent, ADenialYieldsOnlyToWhatIsMoreSpecificAndLater) {
  Provision deny_all;
  deny_all.effect = Effect::kDeny;
  const Consent denial = Given(deny_all, kNow - absl::Hours(2));
  EXPECT_TRUE(Decide({denial, Given(Rule(Effect::kPermit))}, kQuestion).permit);
  EXPECT_FALSE(Decide({denial, Given(Rule(Effect::kPermit), kNow - absl::Hours(3))}, kQuestion).permit);
  // Equally specific: the denial, however old.
  EXPECT_FALSE(Decide({Given(Rule(Effect::kDeny), kNow - absl::Hours(9)), Given(Rule(Effect::kPermit))}, kQuestion).permit);
  // dateTime counts, but not later than the arrival.
  Consent signed_before = Given(Rule(Effect::kPermit));
  signed_before.given = kNow - absl::Hours(5);
  EXPECT_FALSE(Decide({denial, signed_before}, kQuestion).permit);
  Consent postdated = Given(Rule(Effect::kPermit), kNow - absl::Hours(3));
  postdated.given = kNow + absl::Hours(3);
  EXPECT_FALSE(Decide({denial, postdated}, kQuestion).permit);
  // Nobody is more specific than what cannot be read.
  Provision unreadable;
  unreadable.effect = Effect::kDeny;
  unreadable.narrowed = true;
  EXPECT_FALSE(Decide({Given(unreadable, kNow - absl::Hours(2)), Given(Rule(Effect::kPermit))}, kQuestion).permit);
}

TEST(Consent, SiblingsFollowTheSameOrderWithoutTime) {
  Provision root, deny_label, permit_label;
  deny_label.effect = Effect::kDeny;
  deny_label.labels = {"HIV"};
  permit_label = Rule(Effect::kPermit);
  root.nested = {deny_label, permit_label};
  root.effect = Effect::kPermit;
  EXPECT_EQ(Decide({Given(root)}, About({"HIV"})).reason, Reason::kDenied);
  root.nested[1].labels = {"HIV"};
  EXPECT_TRUE(Decide({Given(root)}, About({"HIV"})).permit);
}

TEST(Consent, ALabelledRecordIsWithheldUnlessEveryLabelIsNamed) {
  Provision rule = Rule(Effect::kPermit);
  EXPECT_EQ(Decide({Given(rule)}, About({"HIV"})).reason, Reason::kWithheld);
  rule.labels = {"HIV"};
  EXPECT_TRUE(Decide({Given(rule)}, About({"HIV"})).permit);
  EXPECT_EQ(Decide({Given(rule)}, About({"HIV", "MH"})).reason, Reason::kWithheld);
  // It speaks only of what it names.
  EXPECT_EQ(Decide({Given(rule)}, About({})).reason, Reason::kNoPermission);
  // The labels may be named around the rule that permits, or by an exception within.
  Provision root = Rule(Effect::kPermit);
  root.nested = {rule};
  EXPECT_TRUE(Decide({Given(root)}, About({"HIV"})).permit);
  EXPECT_TRUE(Decide({Given(root)}, About({})).permit);
  rule.labels = {"HIV", "MH"};
  EXPECT_TRUE(Decide({Given(rule)}, About({"HIV", "MH"})).permit);
}

TEST(Consent, ConfidentialityIsAHighWaterMark) {
  Provision rule = Rule(Effect::kPermit);
  EXPECT_EQ(Decide({Given(rule)}, About({}, "R")).reason, Reason::kWithheld);
  rule.labels = {"R"};
  EXPECT_TRUE(Decide({Given(rule)}, About({}, "R")).permit);
  EXPECT_TRUE(Decide({Given(rule)}, About({}, "N")).permit);
  EXPECT_FALSE(Decide({Given(rule)}, About({}, "V")).permit);
  // A sensitive record must be named by its label.
  EXPECT_EQ(Decide({Given(rule)}, About({"HIV"}, "R")).reason, Reason::kWithheld);
  Provision deny;
  deny.effect = Effect::kDeny;
  deny.labels = {"R"};
  Provision all = Rule(Effect::kPermit);
  all.nested = {deny};
  EXPECT_EQ(Decide({Given(all)}, About({}, "V")).reason, Reason::kDenied);
  EXPECT_TRUE(Decide({Given(all)}, About({}, "N")).permit);
}

TEST(Consent, ClassCodePeriodAndDataLimitARule) {
  Question question = About({});
  question.data.profiles = {"http://example.org/profile"};
  question.data.codes = {{"http://loinc.org", "30657-1"}};
  question.data.from = kNow - absl::Hours(10);
  question.data.until = kNow - absl::Hours(9);
  question.data.references = {"Encounter/e1"};
  question.data.authors = {"Practitioner/p1"};
  const auto permits = [&](auto change) {
    Provision rule = Rule(Effect::kPermit);
    change(rule);
    return Decide({Given(rule)}, question).permit;
  };
  const std::string types = "http://hl7.org/fhir/resource-types";
  EXPECT_TRUE(permits([&](Provision& rule) { rule.classes = {{types, "Observation"}, {types, "DiagnosticReport"}}; }));
  EXPECT_FALSE(permits([&](Provision& rule) { rule.classes = {{types, "Observation"}}; }));
  EXPECT_TRUE(permits([&](Provision& rule) { rule.classes = {{"", "http://example.org/profile"}}; }));
  EXPECT_TRUE(permits([&](Provision& rule) { rule.codes = {{"http://loinc.org", "30657-1"}}; }));
  EXPECT_FALSE(permits([&](Provision& rule) { rule.codes = {{"http://snomed.info/sct", "30657-1"}}; }));
  const auto period = [](absl::Duration from, absl::Duration until) {
    return [=](Provision& rule) {
      rule.has_data_period = true;
      rule.data_from = kNow + from;
      rule.data_until = kNow + until;
    };
  };
  EXPECT_TRUE(permits(period(-absl::Hours(10), -absl::Hours(9))));
  EXPECT_FALSE(permits(period(-absl::Hours(10), -absl::Hours(9) - absl::Milliseconds(1))));
  const auto data = [](DataMeaning meaning, const char* reference) {
    return [=](Provision& rule) { rule.data = {{meaning, reference}}; };
  };
  EXPECT_TRUE(permits(data(DataMeaning::kInstance, "DiagnosticReport/d1")));
  EXPECT_FALSE(permits(data(DataMeaning::kInstance, "Encounter/e1")));
  EXPECT_TRUE(permits(data(DataMeaning::kRelated, "Encounter/e1")));
  EXPECT_TRUE(permits(data(DataMeaning::kDependents, "Encounter/e1")));
  EXPECT_FALSE(permits(data(DataMeaning::kDependents, "DiagnosticReport/d2")));
  EXPECT_TRUE(permits(data(DataMeaning::kAuthoredBy, "Practitioner/p1")));
  EXPECT_FALSE(permits(data(DataMeaning::kAuthoredBy, "Practitioner/p2")));
  // A denial of the same code under another system may mean this one.
  Provision all = Rule(Effect::kPermit), deny;
  deny.effect = Effect::kDeny;
  deny.codes = {{"urn:oid:2.16.840.1.113883.6.1", "30657-1"}};
  all.nested = {deny};
  EXPECT_EQ(Decide({Given(all)}, question).reason, Reason::kDenied);
}

TEST(Consent, APurposeStandsForThoseBelowIt) {
  EXPECT_TRUE(Decide({Given(Rule(Effect::kPermit))}, {kNorth, "ETREAT", kNow}).permit);
  EXPECT_EQ(Decide({Given(Rule(Effect::kDeny))}, {kNorth, "BTG", kNow}).reason, Reason::kDenied);
  Provision emergency = Rule(Effect::kPermit);
  emergency.purposes = {"ETREAT"};
  EXPECT_FALSE(Decide({Given(emergency)}, kQuestion).permit);
}

TEST(Consent, WithoutARuleTheLegalBasisDecidesButReachesNothingSensitive) {
  Circumstances opt_out;
  opt_out.opt_out_purposes = {"TREAT"};
  EXPECT_EQ(Decide({}, kQuestion, opt_out).reason, Reason::kLegalBasis);
  EXPECT_FALSE(Decide({}, {kNorth, "HRESCH", kNow}, opt_out).permit);
  EXPECT_EQ(Decide({}, About({"MH"}), opt_out).reason, Reason::kWithheld);
  EXPECT_EQ(Decide({}, About({}, "V"), opt_out).reason, Reason::kWithheld);
  EXPECT_EQ(Decide({Given(Rule(Effect::kDeny))}, kQuestion, opt_out).reason, Reason::kDenied);
  // A consent for somebody else takes nothing away.
  EXPECT_TRUE(Decide({Given(Rule(Effect::kPermit, kSouth))}, kQuestion, opt_out).permit);
}

TEST(Consent, WhoGaveItDecidesWhomItSpeaksFor) {
  const auto decide = [](Giver giver, absl::Time given, absl::Time of_age, std::vector<std::string> labels = {}, absl::Time for_hiv = absl::InfiniteFuture()) {
    Provision rule = Rule(Effect::kPermit);
    if (!labels.empty()) rule.labels = labels;
    Consent consent = Given(rule, given);
    consent.giver = giver;
    Circumstances circumstances;
    circumstances.of_age = of_age;
    if (for_hiv != absl::InfiniteFuture()) circumstances.of_age_for["HIV"] = for_hiv;
    return Decide({consent}, About(std::move(labels)), circumstances);
  };
  const absl::Time past = kNow - absl::Hours(10), earlier = past - absl::Hours(10), future = kNow + absl::Hours(10);
  // An adult.
  EXPECT_TRUE(decide(Giver::kPatient, kNow, past).permit);
  EXPECT_TRUE(decide(Giver::kUnstated, kNow, past).permit);
  EXPECT_TRUE(decide(Giver::kDelegate, kNow, past).permit);
  EXPECT_EQ(decide(Giver::kParent, kNow, past).reason, Reason::kNotTheirs);
  EXPECT_EQ(decide(Giver::kNobody, kNow, past).reason, Reason::kNotTheirs);
  // A minor.
  EXPECT_EQ(decide(Giver::kPatient, kNow, future).reason, Reason::kNotTheirs);
  EXPECT_TRUE(decide(Giver::kParent, kNow, future).permit);
  EXPECT_TRUE(decide(Giver::kDelegate, kNow, future).permit);
  EXPECT_TRUE(decide(Giver::kUnstated, kNow, future).permit);
  // Come of age since.
  for (const Giver giver : {Giver::kPatient, Giver::kParent, Giver::kDelegate, Giver::kUnstated})
    EXPECT_EQ(decide(giver, earlier, past).reason, Reason::kNotTheirs);
  // What a minor decides.
  EXPECT_TRUE(decide(Giver::kPatient, kNow, future, {"HIV"}, past).permit);
  for (const Giver giver : {Giver::kParent, Giver::kDelegate, Giver::kUnstated})
    EXPECT_EQ(decide(giver, kNow, future, {"HIV"}, past).reason, Reason::kNotTheirs);
  EXPECT_EQ(decide(Giver::kPatient, earlier, future, {"HIV"}, past).reason, Reason::kNotTheirs);
  EXPECT_TRUE(decide(Giver::kParent, kNow, future, {"HIV"}, future).permit);
  // A denial speaks whoever gave it.
  Consent deny = Given(Rule(Effect::kDeny));
  deny.giver = Giver::kNobody;
  EXPECT_EQ(Decide({deny, Given(Rule(Effect::kPermit))}, kQuestion).reason, Reason::kDenied);
}

}  // namespace
}  // namespace custodian::consent

#include "services/consent/decide.h"

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
Consent Given(const Provision& provision) { return {true, true, provision, kNow}; }

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

}  // namespace
}  // namespace custodian::consent

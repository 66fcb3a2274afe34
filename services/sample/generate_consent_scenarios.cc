#include "services/sample/generate_scenarios.h"

namespace custodian::sample {
namespace {

constexpr absl::Duration kDay = absl::Hours(24);

// A usable result waits at the source; whether it may be read is the story.
absl::Time UsableBehindConsent(Case& c) {
  c.Choose(Offer::kSuggest);
  const absl::Time check = c.CheckTime();
  c.Enroll(c.ordering);
  c.Perform(c.Reusable(c.source, check));
  return check;
}

void CheckRefused(Case& c, absl::Time at, const std::string& reason) {
  CheckSpec spec;
  spec.at = at;
  c.MaybeCarryOut(c.Check(spec, Card::kNone, reason));
}

void WrongPurpose(Case& c) {
  const absl::Time check = UsableBehindConsent(c);
  ConsentFields consent;
  consent.purpose = c.random.Chance(50) ? "HRESCH" : "HPAYMT";
  c.Consent(c.source, c.ordering, consent);
  CheckRefused(c, check, "consent is for another purpose");
}

void Absent(Case& c) {
  const absl::Time check = UsableBehindConsent(c);
  // A consent for somebody else is none for us.
  if (c.random.Chance(50)) c.Permit(c.source, c.third);
  CheckRefused(c, check, "no consent names the ordering tenant");
}

void Denied(Case& c) {
  const absl::Time check = UsableBehindConsent(c);
  c.Deny(c.source, c.ordering);
  if (c.random.Chance(40)) c.Permit(c.source, c.third);
  CheckRefused(c, check, "consent is denied");
}

void Expired(Case& c) {
  const absl::Time check = UsableBehindConsent(c);
  ConsentFields consent;
  if (c.random.Chance(70)) {
    consent.given = consent.from = check - c.Between(kDay * 200, kDay * 500);
    consent.until = check - c.Between(kDay * 2, kDay * 60);
    c.Consent(c.source, c.ordering, consent);
    CheckRefused(c, check, "consent has expired");
  } else {
    consent.given = c.world.start() - kDay * 20;
    consent.from = check + c.Between(kDay * 2, kDay * 60);
    consent.until = consent.from + kDay * 365;
    c.Consent(c.source, c.ordering, consent);
    CheckRefused(c, check, "consent has not begun");
  }
}

void Revoked(Case& c) {
  if (c.random.Chance(40)) {
    const absl::Time check = UsableBehindConsent(c);
    const ConsentFields consent = c.Permit(c.source, c.ordering);
    c.Revoke(c.source, consent, check - c.Between(absl::Hours(2), kDay * 9));
    CheckRefused(c, check, "consent was revoked before the order");
    return;
  }
  c.Choose(Offer::kSuggest);
  const absl::Time check = c.CheckTime(kDay * 13);
  c.Enroll(c.ordering);
  const ConsentFields consent = c.Permit(c.source, c.ordering);
  c.Perform(c.Reusable(c.source, check, kDay * 6));
  CheckSpec spec;
  spec.at = check;
  Order order = c.Check(spec, Card::kSuggest, "a usable result, consent not yet revoked");
  c.Accept(order, check + c.Between(absl::Seconds(20), absl::Minutes(4)));
  c.Revoke(c.source, consent, check + c.Between(absl::Hours(1), kDay * 2));
  spec.at = check + c.Between(kDay * 2 + absl::Hours(1), kDay * 4);
  const Order again = c.Check(spec, Card::kNone, "consent was revoked since the first order");
  // What was avoided before the revocation stays avoided, unless the second order is carried out.
  if (c.random.Chance(50)) {
    c.CarryOut(again, again.checked + c.Between(absl::Hours(4), kDay * 5));
    c.Avoided(order, c.source, Outcome::kReversed);
  } else {
    c.Avoided(order, c.source, c.Kept(order));
  }
}

// The same birth, the same house: another person.
void Twin(Case& c) {
  c.Choose(Offer::kSuggest);
  const absl::Time check = c.CheckTime();
  c.Enroll(c.ordering);
  const bool same_given = c.random.Chance(40);
  c.Enroll(c.source, c.world.people().TwinOf(c.person, c.random, same_given));
  c.Permit(c.source, c.ordering);
  c.Perform(c.Reusable(c.source, check));
  CheckRefused(c, check, same_given ? "the result is of a namesake born the same day" : "the result is of the patient's twin");
}

void SlightlyDifferent(Case& c) {
  c.Choose(Offer::kSuggest);
  const absl::Time check = c.CheckTime();
  Person as_written = c.person;
  std::string reason;
  switch (c.random.Below(5)) {
    case 0:
      c.world.people().Marry(as_written, c.random);
      reason = "a usable result, written under the name before marriage";
      break;
    case 1:
      as_written.given = as_written.nickname;
      reason = "a usable result, written under a familiar name";
      break;
    case 2:
      as_written.ssn.clear();
      c.world.people().Move(as_written, c.random, c.source);
      reason = "a usable result, written with an earlier address and without the national number";
      break;
    case 3:
      as_written.ssn.clear();
      c.world.people().ChangePhone(as_written);
      reason = "a usable result, written with another telephone and without the national number";
      break;
    default:
      c.world.people().Move(as_written, c.random, c.source);
      c.world.people().ChangePhone(as_written);
      reason = "a usable result, written with another address and telephone";
  }
  c.Enroll(c.ordering);
  c.Enroll(c.source, as_written);
  c.Permit(c.source, c.ordering);
  c.Perform(c.Reusable(c.source, check));
  CheckSpec spec;
  spec.at = check;
  Order order = c.Check(spec, Card::kSuggest, reason);
  c.Accept(order, check + c.Between(absl::Seconds(20), absl::Minutes(4)));
  c.Avoided(order, c.source, c.Kept(order));
}

void TooDifferent(Case& c) {
  c.Choose(Offer::kSuggest);
  const absl::Time check = c.CheckTime();
  Person as_written = c.person;
  as_written.ssn.clear();
  c.world.people().Move(as_written, c.random, c.source);
  c.world.people().ChangePhone(as_written);
  c.Enroll(c.ordering);
  c.Enroll(c.source, as_written);
  c.Permit(c.source, c.ordering);
  c.Perform(c.Reusable(c.source, check));
  CheckRefused(c, check, "name and birth date alone do not make it certainly the same person");
}

}  // namespace

std::vector<Scenario> ConsentScenarios() {
  return {
      {"consent-wrong-purpose", WrongPurpose},
      {"consent-absent", Absent, 3},
      {"consent-denied", Denied, 2},
      {"consent-expired", Expired},
      {"consent-revoked", Revoked},
  };
}

std::vector<Scenario> IdentityScenarios() {
  return {
      {"same-name-twin", Twin},
      {"different-demographics", SlightlyDifferent},
      {"uncertain-demographics", TooDifferent},
  };
}

}  // namespace custodian::sample

#include "services/sample/generate_scenarios.h"

namespace custodian::sample {
namespace {

constexpr absl::Duration kDay = absl::Hours(24);

void Accepted(Case& c) {
  c.Choose(Offer::kSuggest);
  const Order order = c.Followed(c.CheckTime(), "a usable result");
  c.Avoided(order, c.source, c.Kept(order));
}

void Ignored(Case& c) {
  c.Choose(Offer::kSuggest);
  c.MaybeCarryOut(c.Suggested(c.CheckTime(), "a usable result; the card was ignored"));
}

void Overridden(Case& c) {
  c.Choose(Offer::kSuggest);
  Order order = c.Suggested(c.CheckTime(), "a usable result; the card was overridden");
  c.Override(order, order.checked + c.Between(absl::Seconds(10), absl::Minutes(3)));
  c.MaybeCarryOut(order);
}

void OverriddenAfterAcceptance(Case& c) {
  c.Choose(Offer::kSuggest);
  Order order = c.Followed(c.CheckTime(kDay * 14), "a usable result; accepted, then overridden");
  c.Override(order, order.accepted + c.Between(absl::Minutes(10), kDay * 3));
  if (c.random.Chance(60)) c.CarryOut(order, order.accepted + c.Between(kDay * 3 + absl::Hours(1), kDay * 9));
  c.Avoided(order, c.source, Outcome::kReversed);
}

void SelectAndSign(Case& c) {
  c.Choose(Offer::kSuggest);
  c.Enroll(c.ordering);
  c.Permit(c.source, c.ordering);
  CheckSpec spec;
  spec.at = c.CheckTime();
  spec.hook = "order-select";
  c.Perform(c.Reusable(c.source, spec.at));
  Order order = c.Check(spec, Card::kSuggest, "a usable result, shown at selection and at signature of one order");
  absl::Time last = spec.at;
  // Some heed the first card: the order is never signed.
  if (c.random.Chance(70)) {
    last += c.Between(absl::Seconds(20), absl::Minutes(15));
    c.Ask(order, "order-sign", last);
  }
  if (c.random.Chance(75)) {
    c.Accept(order, last + c.Between(absl::Seconds(20), absl::Minutes(4)));
    c.Avoided(order, c.source, c.Kept(order));
  }
}

void FeedbackTwice(Case& c) {
  c.Choose(Offer::kSuggest);
  Order order = c.Followed(c.CheckTime(kDay * 4), "a usable result; the acceptance was sent twice");
  Case::Feedback again;
  again.sender = order.site;
  again.outcome_time = order.accepted;
  again.received = order.accepted + c.Between(absl::Minutes(1), kDay * 3);
  // The second may claim another moment: the first binds.
  if (c.random.Chance(50)) again.outcome_time = again.received - absl::Seconds(10);
  c.Send(order, again);
  c.Avoided(order, c.source, c.Kept(order));
}

void FeedbackLate(Case& c) {
  c.Choose(Offer::kSuggest);
  Order order = c.Suggested(c.CheckTime(kDay * 14), "a usable result; the acceptance was reported days later");
  const absl::Time outcome = order.checked + c.Between(absl::Seconds(20), absl::Minutes(5));
  c.Accept(order, outcome, outcome + c.Between(kDay, kDay * 12));
  c.Avoided(order, c.source, c.Kept(order));
}

void FeedbackAhead(Case& c) {
  c.Choose(Offer::kSuggest);
  Order order = c.Suggested(c.CheckTime(), "a usable result; the EHR's clock ran ahead, the receipt counts");
  const absl::Time received = order.checked + c.Between(absl::Seconds(20), absl::Minutes(5));
  c.Accept(order, received + c.Between(absl::Minutes(1), absl::Hours(2)), received);
  order.accepted = received;
  c.Avoided(order, c.source, c.Kept(order));
}

void FeedbackForged(Case& c) {
  c.Choose(Offer::kSuggest);
  Order order = c.Suggested(c.CheckTime(kDay), "a usable result; somebody forged an acceptance");
  Case::Feedback forged;
  forged.sender = order.site;
  forged.outcome_time = order.checked + c.Between(absl::Seconds(5), absl::Seconds(60));
  forged.received = forged.outcome_time + absl::Seconds(1);
  switch (c.random.Below(4)) {
    case 0: forged.sender = c.random.Chance(50) ? c.source : c.third; break;
    case 1: forged.card = c.random.Uuid(); break;
    case 2: forged.suggestion = c.random.Uuid(); break;
    default: forged.outcome_time = order.checked - c.Between(absl::Minutes(5), kDay);
  }
  c.Send(order, forged);
  switch (c.random.Below(3)) {
    case 0: c.MaybeCarryOut(order); break;
    case 1: c.Override(order, order.checked + c.Between(absl::Minutes(2), absl::Minutes(9))); break;
    default:
      c.Accept(order, order.checked + c.Between(absl::Minutes(2), absl::Minutes(9)));
      c.Avoided(order, c.source, c.Kept(order));
  }
}

// The card informs but does not suggest.
void Informed(Case& c, CheckSpec spec, const std::string& reason) {
  spec.at = c.CheckTime();
  c.Enroll(c.ordering);
  c.Permit(c.source, c.ordering);
  ResultSpec prior = c.Reusable(c.source, spec.at);
  c.Perform(prior);
  Order order = c.Check(spec, Card::kInfo, reason);
  if (c.random.Chance(30)) c.Override(order, order.checked + c.Between(absl::Seconds(10), absl::Minutes(3)));
  c.MaybeCarryOut(order);
}

void InfoClass(Case& c) {
  c.Choose(Offer::kInfo);
  Informed(c, {}, "a usable result, of a class that is offered as information");
}

void InfoStat(Case& c) {
  c.Choose(Offer::kSuggest);
  CheckSpec spec;
  spec.priority = c.random.Chance(70) ? "stat" : "urgent";
  Informed(c, spec, "a usable result, but the order is not routine");
}

void InfoSetting(Case& c) {
  c.Choose(Offer::kSuggest);
  CheckSpec spec;
  spec.encounter_class = c.random.Chance(60) ? "IMP" : "EMER";
  Informed(c, spec, "a usable result, but the patient is not ambulatory");
}

void InfoPregnancy(Case& c) {
  c.world.people().MakeYoungWoman(c.person, c.random, absl::ToCivilDay(c.world.start(), absl::UTCTimeZone()));
  c.Choose(Offer::kSuggest);
  CheckSpec spec;
  spec.pregnant = true;
  Informed(c, spec, "a usable result, but the patient is pregnant");
}

void InfoPrefetch(Case& c) {
  c.Choose(Offer::kSuggest);
  CheckSpec spec;
  spec.conditions_prefetched = false;
  Informed(c, spec, "a usable result, but nothing was said of the patient's conditions");
}

}  // namespace

std::vector<Scenario> ClinicianScenarios() {
  return {
      {"accepted", Accepted, 14},
      {"card-ignored", Ignored, 4},
      {"card-overridden", Overridden, 3},
      {"overridden-after-acceptance", OverriddenAfterAcceptance},
      {"select-and-sign", SelectAndSign, 2},
      {"feedback-twice", FeedbackTwice},
      {"feedback-late", FeedbackLate},
      {"feedback-ahead", FeedbackAhead},
      {"feedback-forged", FeedbackForged},
      {"info-class", InfoClass, 2},
      {"info-stat", InfoStat},
      {"info-setting", InfoSetting},
      {"info-pregnancy", InfoPregnancy},
      {"info-prefetch", InfoPrefetch},
  };
}

}  // namespace custodian::sample

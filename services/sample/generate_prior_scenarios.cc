#include "services/sample/generate_scenarios.h"

namespace custodian::sample {
namespace {

constexpr absl::Duration kDay = absl::Hours(24);

Order CheckPlain(Case& c, absl::Time at, Card card, const std::string& reason) {
  CheckSpec spec;
  spec.at = at;
  return c.Check(spec, card, reason);
}

// Enrolled at both and permitted: only what is known of the exam decides.
void MeetAtTwo(Case& c) {
  c.Enroll(c.ordering);
  c.Enroll(c.source);
  c.Permit(c.source, c.ordering);
}

void NoPrior(Case& c) {
  c.Choose(Offer::kSuggest);
  MeetAtTwo(c);
  c.MaybeCarryOut(CheckPlain(c, c.CheckTime(), Card::kNone, "nobody holds a result of this exam"));
}

void ClassOff(Case& c) {
  c.Choose(Offer::kOff);
  const absl::Time check = c.CheckTime();
  MeetAtTwo(c);
  ResultSpec prior;
  prior.site = c.source;
  prior.exam = c.exam;
  prior.performed = check - c.Between(absl::Hours(9), c.exam->reuse());
  prior.stored = prior.performed + absl::Hours(2);
  c.Perform(prior);
  c.MaybeCarryOut(CheckPlain(c, check, Card::kNone, "the exam class is switched off"));
}

void PriorTooOld(Case& c) {
  c.Choose(Offer::kSuggest);
  const absl::Time check = c.CheckTime();
  MeetAtTwo(c);
  ResultSpec prior = c.Reusable(c.source, check);
  prior.performed = check - c.exam->reuse() - c.Between(absl::Hours(8), kDay * 120);
  prior.stored = prior.performed + absl::Hours(5);
  c.Perform(prior);
  c.MaybeCarryOut(CheckPlain(c, check, Card::kNone, "the result is older than the class allows"));
}

void WrongLaterality(Case& c) {
  c.Choose(FindExam("mr-knee-wo"));
  const absl::Time check = c.CheckTime();
  MeetAtTwo(c);
  ResultSpec prior = c.Reusable(c.source, check);
  CheckSpec spec;
  spec.at = check;
  std::string reason = "the result is of the other knee";
  switch (c.random.Below(4)) {
    case 0:
      prior.side = Side::kNone;
      reason = "the result does not say which knee";
      break;
    case 1:
      spec.side = Side::kNone;
      reason = "the order does not say which knee";
      break;
    default: prior.side = c.side == Side::kLeft ? Side::kRight : Side::kLeft;
  }
  c.Perform(prior);
  c.MaybeCarryOut(c.Check(spec, Card::kNone, reason));
}

void WrongContrast(Case& c) {
  c.Choose(Offer::kSuggest, [](const CatalogExam& exam) { return !exam.other_contrast.empty(); });
  const absl::Time check = c.CheckTime();
  MeetAtTwo(c);
  ResultSpec prior = c.Reusable(c.source, check);
  prior.exam = &FindExam(c.exam->other_contrast);
  c.Perform(prior);
  c.MaybeCarryOut(CheckPlain(c, check, Card::kNone, "the result is with another contrast"));
}

void OwnPrior(Case& c) {
  c.Choose(Offer::kSuggest);
  const absl::Time check = c.CheckTime();
  MeetAtTwo(c);
  c.Perform(c.Reusable(c.ordering, check));
  if (c.random.Chance(60)) c.Perform(c.Reusable(c.source, check));
  c.MaybeCarryOut(CheckPlain(c, check, Card::kNone, "the ordering tenant holds a usable result itself"));
}

void TwoPriors(Case& c) {
  c.Choose(Offer::kSuggest);
  const absl::Time check = c.CheckTime();
  MeetAtTwo(c);
  c.Enroll(c.third);
  const auto variant = c.random.Below(5);
  ResultSpec first = c.Reusable(c.source, check, kDay * 4);
  ResultSpec second = first;
  second.site = c.third;
  int winner = c.source;
  std::string reason;
  if (variant != 1) c.Permit(c.third, c.ordering);
  switch (variant) {
    case 0:
      second.performed -= c.Between(absl::Hours(2), kDay * 3);
      reason = "two usable results; the newer one is offered";
      break;
    case 1:
      second.performed += c.Between(absl::Hours(1), absl::Hours(3));
      if (c.random.Chance(50)) c.Deny(c.third, c.ordering);
      reason = "the newer result may not be read; the older one is offered";
      break;
    case 2: {
      const std::string stem = c.world.NewAccession(c.source);
      first.accession = stem + "-10";
      second.accession = stem + "-9";
      reason = "two usable results of one moment; the smaller accession (bytewise) is offered";
      break;
    }
    case 3:
      first.accession = second.accession = c.world.NewAccession(c.source);
      if (c.world.site(c.third).name < c.world.site(c.source).name) winner = c.third;
      reason = "two usable results of one moment and accession; the tenant first by name is offered";
      break;
    default:
      second.performed += c.Between(absl::Hours(1), absl::Hours(3));
      second.status = "preliminary";
      reason = "the newer result is preliminary; the older one is offered";
  }
  first.stored = first.performed + absl::Hours(5);
  second.stored = second.performed + absl::Hours(6);
  c.Perform(first);
  c.Perform(second);
  Order order = CheckPlain(c, check, Card::kSuggest, reason);
  c.Accept(order, check + c.Between(absl::Seconds(20), absl::Minutes(4)));
  c.Avoided(order, winner, c.Kept(order));
}

// The result has a status that nobody may rely on.
void Unfinished(Case& c, const std::string& status) {
  c.Choose(Offer::kSuggest);
  const absl::Time check = c.CheckTime();
  MeetAtTwo(c);
  ResultSpec prior = c.Reusable(c.source, check);
  prior.status = status;
  c.Perform(prior);
  c.MaybeCarryOut(CheckPlain(c, check, Card::kNone, "the result is " + status));
}

void Preliminary(Case& c) {
  if (c.random.Chance(60)) return Unfinished(c, "preliminary");
  c.Choose(Offer::kSuggest);
  const absl::Time check = c.CheckTime();
  MeetAtTwo(c);
  ResultSpec prior = c.Reusable(c.source, check);
  prior.status = "preliminary";
  prior.performed = check - c.Between(kDay * 2, kDay * 3);
  prior.stored = prior.performed + absl::Hours(1);
  Result result = c.Perform(prior);
  c.Restate(result, "final", check - absl::Hours(5));
  Order order = CheckPlain(c, check, Card::kSuggest, "the preliminary result became final before the order");
  c.Accept(order, check + c.Between(absl::Seconds(20), absl::Minutes(4)));
  c.Avoided(order, c.source, c.Kept(order));
}

void AmendedAfterAcceptance(Case& c) {
  c.Choose(Offer::kSuggest);
  const absl::Time check = c.CheckTime(kDay * 9);
  Order order = c.Followed(check, "a usable result, amended only after the acceptance");
  const char* const status = c.random.Chance(50) ? "amended" : "corrected";
  c.Restate(c.prior, status, order.accepted + c.Between(absl::Hours(3), kDay * 7));
  c.Avoided(order, c.source, c.Kept(order));
}

void ReportAndStudy(Case& c) {
  const auto imaging = [](const CatalogExam& exam) { return exam.imaging(); };
  switch (c.random.Below(3)) {
    case 0: {
      c.Choose(Offer::kSuggest, imaging);
      const absl::Time check = c.CheckTime();
      MeetAtTwo(c);
      ResultSpec prior = c.Reusable(c.source, check);
      prior.performed = check - c.exam->reuse() + c.Between(absl::Hours(1), absl::Hours(3));
      prior.study = true;
      prior.study_started = prior.performed - absl::Hours(4);
      c.Perform(prior);
      Order order =
          CheckPlain(c, check, Card::kSuggest, "report and study are one exam; the report's time, inside the window, counts");
      c.Accept(order, check + c.Between(absl::Seconds(20), absl::Minutes(4)));
      c.Avoided(order, c.source, c.Kept(order));
      return;
    }
    case 1: {
      c.Choose(Offer::kSuggest, imaging);
      const absl::Time check = c.CheckTime();
      MeetAtTwo(c);
      ResultSpec prior = c.Reusable(c.source, check);
      prior.performed = check - c.exam->reuse() - c.Between(absl::Hours(1), absl::Hours(3));
      prior.study = true;
      prior.study_started = prior.performed + absl::Hours(4);
      c.Perform(prior);
      c.MaybeCarryOut(
          CheckPlain(c, check, Card::kNone, "report and study are one exam; the report's time, outside the window, counts"));
      return;
    }
    default: {
      c.Choose(Offer::kSuggest, imaging);
      const absl::Time check = c.CheckTime(kDay * 12);
      Order order = c.Followed(check, "a usable result; the exam was done again, report and study being one exam");
      ResultSpec redo = c.Reusable(c.third, check);
      redo.performed = c.Moment(order.accepted + kDay, order.accepted + kDay * 9, c.third);
      redo.study = true;
      redo.study_started = redo.performed - absl::Minutes(35);
      c.Perform(redo);
      c.Avoided(order, c.source, Outcome::kReversed);
    }
  }
}

void CopyAtTwoTenants(Case& c) {
  c.Choose(Offer::kSuggest);
  const absl::Time check = c.CheckTime();
  c.Enroll(c.ordering);
  const auto variant = c.random.Below(3);
  const int holder = variant == 2 ? c.ordering : c.third;
  ResultSpec original = c.Reusable(c.source, check);
  original.accession = c.world.NewAccession(c.source);
  ResultSpec copy = original;
  copy.site = holder;
  copy.performer = c.source;
  copy.stored = original.performed + c.Between(absl::Hours(21), check - original.performed - absl::Hours(1));
  c.Perform(original);
  c.Perform(copy);
  if (variant != 2) c.Permit(c.third, c.ordering);
  if (variant != 1) {
    c.Permit(c.source, c.ordering);
  } else if (c.random.Chance(50)) {
    c.Deny(c.source, c.ordering);
  }
  if (variant == 2) {
    c.MaybeCarryOut(CheckPlain(c, check, Card::kNone, "the ordering tenant holds a copy of the usable result"));
    return;
  }
  Order order = CheckPlain(c, check, Card::kSuggest,
                           variant == 0 ? "one exam at two tenants; the one that performed it is the source"
                                        : "one exam at two tenants; only the copy's holder may show it");
  c.Accept(order, check + c.Between(absl::Seconds(20), absl::Minutes(4)));
  c.Avoided(order, variant == 0 ? c.source : c.third, c.Kept(order));
}

}  // namespace

std::vector<Scenario> PriorScenarios() {
  return {
      {"no-prior", NoPrior, 8},
      {"class-off", ClassOff},
      {"prior-too-old", PriorTooOld, 2},
      {"wrong-laterality", WrongLaterality},
      {"wrong-contrast", WrongContrast},
      {"own-prior", OwnPrior, 2},
      {"two-priors", TwoPriors},
      {"preliminary", Preliminary},
      {"cancelled", [](Case& c) { Unfinished(c, "cancelled"); }},
      {"entered-in-error", [](Case& c) { Unfinished(c, "entered-in-error"); }},
      {"amended-after-acceptance", AmendedAfterAcceptance},
      {"report-and-study", ReportAndStudy},
      {"copy-at-two-tenants", CopyAtTwoTenants},
  };
}

}  // namespace custodian::sample

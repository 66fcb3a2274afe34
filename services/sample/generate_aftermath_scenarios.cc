#include <algorithm>

#include "services/sample/generate_scenarios.h"

namespace custodian::sample {
namespace {

constexpr absl::Duration kDay = absl::Hours(24);

// The same exam as ordered, done again at `site`.
ResultSpec Redo(const Order& order, int site, absl::Time performed) {
  ResultSpec redo;
  redo.site = site;
  redo.exam = order.fields.exam;
  redo.side = order.fields.side;
  redo.performed = performed;
  return redo;
}

int AnySite(Case& c) { return static_cast<int>(c.random.Below(kSites)); }

// A moment well inside the window after `order`, and before the truth is told.
absl::Time Inside(Case& c, const Order& order, int site) {
  const absl::Time last = std::min(order.accepted + order.fields.exam->observe() - kDay, c.world.as_of() - kDay * 3);
  return c.Moment(order.accepted + kDay, std::max(last, order.accepted + kDay + absl::Hours(1)), site);
}

absl::Time ChooseObserved(Case& c, absl::Duration after) {
  return c.ChooseWithTail([after](const CatalogExam& exam) { return exam.observe() + after; });
}

void OrderedTwice(Case& c) {
  c.Choose(Offer::kSuggest);
  const absl::Time check = c.CheckTime(kDay * 13);
  const auto variant = c.random.Below(4);
  c.Enroll(c.ordering);
  c.Permit(c.source, c.ordering);
  c.Perform(c.Reusable(c.source, check, kDay * 8));
  CheckSpec spec;
  spec.at = check;
  Order first = c.Check(spec, Card::kSuggest, "a usable result; the exam was ordered again later");
  c.Accept(first, check + c.Between(absl::Seconds(20), absl::Minutes(4)));
  int source_of_second = c.source;
  if (variant == 1) c.Override(first, first.accepted + c.Between(absl::Minutes(10), absl::Hours(20)));
  if (variant == 2) {
    source_of_second = c.third;
    c.Permit(c.third, c.ordering);
    ResultSpec redo = Redo(first, c.third, first.accepted + c.Between(absl::Hours(1), absl::Hours(8)));
    redo.stored = redo.performed + absl::Hours(4);
    c.Perform(redo);
  }
  spec.at = first.accepted + c.Between(kDay + absl::Hours(1), kDay * 4);
  Order second = c.Check(spec, Card::kSuggest,
                         variant == 1   ? "ordered again after the first acceptance was overridden: avoided anew"
                         : variant == 2 ? "ordered again after the exam was done again: avoided anew"
                                        : "ordered again while the first acceptance stands: accepted, but the same exam");
  c.Accept(second, spec.at + c.Between(absl::Seconds(20), absl::Minutes(4)));
  switch (variant) {
    case 1:
    case 2:
      c.Avoided(first, c.source, Outcome::kReversed);
      c.Avoided(second, source_of_second, c.Kept(second));
      break;
    case 3:
      // Too late for the second: it was accepted while the first stood.
      c.Override(first, second.accepted + c.Between(absl::Hours(1), kDay * 3));
      c.Avoided(first, c.source, Outcome::kReversed);
      break;
    default: c.Avoided(first, c.source, c.Kept(first));
  }
}

void OrderedAtTwoTenants(Case& c) {
  c.Choose(Offer::kSuggest);
  const absl::Time check = c.CheckTime(kDay * 13);
  const auto variant = c.random.Below(3);
  c.Permit(c.source, c.ordering);
  c.Permit(c.source, c.third);
  c.Perform(c.Reusable(c.source, check, kDay * 5));
  CheckSpec spec;
  spec.at = check;
  Order here = c.Check(spec, Card::kSuggest, "a usable result; ordered at two tenants");
  if (variant == 0) c.Accept(here, check + c.Between(absl::Seconds(20), absl::Minutes(4)));
  spec.site = c.third;
  spec.at = variant == 0 ? here.accepted + c.Between(absl::Hours(1), kDay * 3) : check + absl::Seconds(5);
  Order there = c.Check(spec, Card::kSuggest, "a usable result; ordered at two tenants");
  switch (variant) {
    case 0:
      c.Accept(there, spec.at + c.Between(absl::Seconds(20), absl::Minutes(4)));
      c.Avoided(here, c.source, c.Kept(here));
      break;
    case 1: {
      // Accepted first, heard of last.
      const absl::Time outcome = spec.at + c.Between(absl::Seconds(20), absl::Minutes(2));
      c.Accept(here, outcome + c.Between(absl::Seconds(30), absl::Minutes(4)));
      c.Accept(there, outcome, outcome + c.Between(kDay, kDay * 9));
      c.Avoided(there, c.source, c.Kept(there));
      break;
    }
    default: {
      const absl::Time outcome = spec.at + c.Between(absl::Seconds(20), absl::Minutes(2));
      c.Accept(here, outcome);
      c.Accept(there, outcome);
      const Order& first = c.world.site(here.site).name < c.world.site(there.site).name ? here : there;
      c.Avoided(first, c.source, c.Kept(first));
    }
  }
}

void LeftAndRightKnee(Case& c) {
  c.Choose(FindExam("mr-knee-wo"));
  const absl::Time check = c.CheckTime(kDay * 13);
  const auto variant = c.random.Below(3);
  const int source_right = c.random.Chance(50) ? c.source : c.third;
  c.Enroll(c.ordering);
  c.Permit(c.source, c.ordering);
  if (source_right != c.source) c.Permit(source_right, c.ordering);
  ResultSpec prior = c.Reusable(c.source, check, kDay * 2);
  prior.side = Side::kLeft;
  c.Perform(prior);
  prior = c.Reusable(source_right, check, kDay * 2);
  prior.side = Side::kRight;
  c.Perform(prior);
  CheckSpec spec;
  spec.at = check;
  spec.side = Side::kLeft;
  Order left = c.Check(spec, Card::kSuggest, "a usable result of the left knee");
  c.Accept(left, check + c.Between(absl::Seconds(20), absl::Minutes(4)));
  spec.at = left.accepted + c.Between(absl::Minutes(1), absl::Minutes(20));
  spec.side = Side::kRight;
  Order right = c.Check(spec, Card::kSuggest, "a usable result of the right knee");
  c.Accept(right, spec.at + c.Between(absl::Seconds(20), absl::Minutes(4)));
  if (variant == 0) {
    c.Avoided(left, c.source, c.Kept(left));
    c.Avoided(right, source_right, c.Kept(right));
    return;
  }
  const int site = AnySite(c);
  ResultSpec redo = Redo(left, site, c.Moment(right.accepted + kDay, right.accepted + kDay * 9, c.ordering));
  if (variant == 2) redo.side = c.random.Chance(50) ? Side::kBoth : Side::kNone;
  c.Perform(redo);
  c.Avoided(left, c.source, Outcome::kReversed);
  c.Avoided(right, source_right, variant == 1 ? c.Kept(right) : Outcome::kReversed);
}

void PerformedAnyway(Case& c) {
  c.Choose(Offer::kSuggest);
  const Order order = c.Followed(c.CheckTime(kDay * 12), "a usable result; accepted, but the exam was performed all the same");
  c.CarryOut(order, order.accepted + c.Between(absl::Hours(1), kDay * 10));
  c.Avoided(order, c.source, Outcome::kReversed);
}

void RedoneInside(Case& c) {
  c.Choose(Offer::kSuggest);
  const Order order = c.Followed(c.CheckTime(kDay * 8), "a usable result; done again inside the window");
  const int site = AnySite(c);
  ResultSpec redo = Redo(order, site, Inside(c, order, site));
  if (order.fields.side != Side::kNone && c.random.Chance(30)) redo.side = Side::kBoth;
  if (c.random.Chance(20)) redo.status = "preliminary";
  if (c.exam->imaging() && c.random.Chance(25)) {
    redo.report = false;
    redo.study = true;
  }
  c.Perform(redo);
  c.Avoided(order, c.source, Outcome::kReversed);
}

void RedoneOutside(Case& c) {
  const Order order = c.Followed(ChooseObserved(c, kDay * 10), "a usable result; done again after the window");
  const int site = AnySite(c);
  const absl::Time closed = order.accepted + c.exam->observe();
  c.Perform(Redo(order, site, c.Moment(closed + kDay, closed + kDay * 8, site)));
  c.Avoided(order, c.source, Outcome::kConfirmed);
}

void RedoneOtherContrast(Case& c) {
  c.Choose(Offer::kSuggest, [](const CatalogExam& exam) { return !exam.other_contrast.empty(); });
  const Order order = c.Followed(c.CheckTime(kDay * 8), "a usable result; done again with another contrast");
  const int site = AnySite(c);
  ResultSpec redo = Redo(order, site, Inside(c, order, site));
  redo.exam = &FindExam(c.exam->other_contrast);
  c.Perform(redo);
  c.Avoided(order, c.source, Outcome::kReversed);
}

void RedoneOtherSide(Case& c) {
  c.Choose(FindExam("mr-knee-wo"));
  const Order order = c.Followed(c.CheckTime(kDay * 8), "a usable result; later the other knee was examined");
  const int site = AnySite(c);
  ResultSpec redo = Redo(order, site, Inside(c, order, site));
  redo.side = c.side == Side::kLeft ? Side::kRight : Side::kLeft;
  c.Perform(redo);
  c.Avoided(order, c.source, c.Kept(order));
}

void RedoneWhereDenied(Case& c) {
  c.Choose(Offer::kSuggest);
  const Order order = c.Followed(c.CheckTime(kDay * 8), "a usable result; done again at a tenant that may not show it");
  c.Deny(c.third, c.ordering);
  c.Perform(Redo(order, c.third, Inside(c, order, c.third)));
  c.Avoided(order, c.source, Outcome::kReversed);
}

void RedoneLate(Case& c) {
  const Order order = c.Followed(ChooseObserved(c, kDay * 8), "a usable result; done again inside the window, heard of after it");
  const int site = AnySite(c);
  const absl::Time closed = order.accepted + c.exam->observe();
  ResultSpec redo = Redo(order, site, c.Moment(order.accepted + kDay, closed - kDay, site));
  redo.stored = closed + c.Between(kDay, kDay * 7);
  c.Perform(redo);
  c.Avoided(order, c.source, Outcome::kReversed);
}

void RedoCancelled(Case& c) {
  c.Choose(Offer::kSuggest);
  const Order order = c.Followed(c.CheckTime(kDay * 8), "a usable result; another exam was scheduled but not performed");
  const int site = AnySite(c);
  ResultSpec redo = Redo(order, site, Inside(c, order, site));
  if (c.random.Chance(50)) {
    redo.status = "cancelled";
    c.Perform(redo);
  } else {
    // Taken back a day later.
    redo.study = false;
    redo.stored = redo.performed + absl::Hours(3);
    Result result = c.Perform(redo);
    c.Restate(result, "entered-in-error", *redo.stored + c.Between(absl::Hours(1), kDay));
  }
  c.Avoided(order, c.source, c.Kept(order));
}

void FeedGap(Case& c) {
  c.Choose(Offer::kSuggest);
  c.world.InterruptFeed();
  const absl::Time check = c.Moment(c.world.start() + kDay, c.world.start() + kDay * 7, c.ordering);
  const bool redone = c.random.Chance(25);
  const Order order = c.Followed(check, redone ? "a usable result; a feed failed, and the exam was done again"
                                               : "a usable result; a feed failed within the window");
  if (redone) {
    c.Perform(Redo(order, c.third, c.Moment(c.world.gap_until() + kDay, order.accepted + c.exam->observe() - kDay, c.third)));
  }
  c.Avoided(order, c.source, redone ? Outcome::kReversed : Outcome::kCensored);
}

void Death(Case& c) {
  c.Choose(Offer::kSuggest);
  const Order order = c.Followed(c.CheckTime(kDay * 8), "a usable result; the patient died within the window");
  const int site = c.random.Chance(50) ? c.ordering : c.source;
  const absl::Time died = Inside(c, order, site);
  c.Die(site, died, died + c.Between(absl::Hours(1), kDay * 2));
  c.Avoided(order, c.source, Outcome::kCensored);
}

}  // namespace

std::vector<Scenario> AftermathScenarios() {
  return {
      {"ordered-twice", OrderedTwice, 2},
      {"ordered-at-two-tenants", OrderedAtTwoTenants, 2},
      {"left-and-right-knee", LeftAndRightKnee},
      {"performed-anyway", PerformedAnyway, 2},
      {"redone-inside", RedoneInside, 2},
      {"redone-outside", RedoneOutside},
      {"redone-other-contrast", RedoneOtherContrast},
      {"redone-other-side", RedoneOtherSide},
      {"redone-where-denied", RedoneWhereDenied},
      {"redone-late", RedoneLate},
      {"redo-cancelled", RedoCancelled},
      {"feed-gap", FeedGap},
      {"death", Death},
  };
}

}  // namespace custodian::sample

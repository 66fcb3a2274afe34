#include "services/sample/generate_scenarios.h"

namespace custodian::sample {
namespace {

constexpr absl::Duration kDay = absl::Hours(24);
constexpr absl::Duration kTick = absl::Milliseconds(1);

// Enrolled, permitted, and a report (no study) of the ordered exam performed exactly `age` before the check.
Order CheckAged(Case& c, absl::Time check, absl::Duration age, Card card, const std::string& reason) {
  c.Enroll(c.ordering);
  c.Permit(c.source, c.ordering);
  ResultSpec prior = c.Reusable(c.source, check);
  prior.performed = check - age;
  prior.stored = age < absl::Hours(1) ? check : prior.performed + absl::Minutes(50);
  prior.study = false;
  c.Perform(prior);
  CheckSpec spec;
  spec.at = check;
  return c.Check(spec, card, reason);
}

void ReuseEdge(Case& c, bool at_begin, bool inside) {
  c.Choose(Offer::kSuggest);
  const absl::Time check = c.CheckTime();
  const absl::Duration age =
      at_begin ? (inside ? absl::ZeroDuration() : -kTick) : (inside ? c.exam->reuse() - kTick : c.exam->reuse());
  std::string reason =
      at_begin ? (inside ? "the result is of this very millisecond" : "the result is of the next millisecond")
               : (inside ? "the result is in its last millisecond of reuse" : "the result is one millisecond past reuse");
  Order order = CheckAged(c, check, age, inside ? Card::kSuggest : Card::kNone, reason);
  if (!inside) return;
  c.Accept(order, check + c.Between(absl::Seconds(20), absl::Minutes(4)));
  c.Avoided(order, c.source, c.Kept(order));
}

// Done again exactly `after` the acceptance.
void RedoAfter(Case& c, const Order& order, absl::Duration after) {
  ResultSpec redo;
  redo.site = static_cast<int>(c.random.Below(kSites));
  redo.exam = order.fields.exam;
  redo.side = order.fields.side;
  redo.performed = order.accepted + after;
  redo.stored = redo.performed + absl::Hours(6);
  redo.study = false;
  c.Perform(redo);
}

void RedoBeginEdge(Case& c, bool inside) {
  c.Choose(Offer::kSuggest);
  const Order order = c.Followed(c.CheckTime(kDay), inside ? "a usable result; done again one millisecond after the acceptance"
                                                           : "a usable result; done at the very millisecond of the acceptance");
  RedoAfter(c, order, inside ? kTick : absl::ZeroDuration());
  c.Avoided(order, c.source, inside ? Outcome::kReversed : c.Kept(order));
}

void RedoEndEdge(Case& c, bool inside) {
  const absl::Time check = c.ChooseWithTail([](const CatalogExam& exam) { return exam.observe() + kDay; });
  const Order order = c.Followed(check, inside ? "a usable result; done again in the window's last millisecond"
                                               : "a usable result; done again when the window had just closed");
  RedoAfter(c, order, inside ? c.exam->observe() - kTick : c.exam->observe());
  c.Avoided(order, c.source, inside ? Outcome::kReversed : Outcome::kConfirmed);
}

void TruthEdge(Case& c, bool inside) {
  c.Choose(Offer::kSuggest,
           [&c](const CatalogExam& exam) { return c.world.as_of() - exam.observe() > c.world.first_order() + kDay; });
  const absl::Time accepted = c.world.as_of() - c.exam->observe() + (inside ? absl::ZeroDuration() : kTick);
  Order order = c.Suggested(accepted - c.Between(absl::Seconds(20), absl::Minutes(4)),
                            inside ? "a usable result; the window closes as the truth is told"
                                   : "a usable result; the window closes one millisecond after the truth is told");
  c.Accept(order, accepted);
  c.Avoided(order, c.source, inside ? Outcome::kConfirmed : Outcome::kPending);
}

void DeathEdge(Case& c, bool inside) {
  const absl::Time check = c.ChooseWithTail([](const CatalogExam& exam) { return exam.observe() + kDay * 3; });
  const Order order = c.Followed(check, inside ? "a usable result; the patient died in the window's last millisecond"
                                               : "a usable result; the patient died when the window had just closed");
  const absl::Time died = order.accepted + c.exam->observe() - (inside ? kTick : absl::ZeroDuration());
  c.Die(c.random.Chance(50) ? c.ordering : c.source, died, died + absl::Hours(30));
  c.Avoided(order, c.source, inside ? Outcome::kCensored : Outcome::kConfirmed);
}

void GapEdge(Case& c, bool inside) {
  c.Choose(Offer::kSuggest);
  c.world.InterruptFeed();
  const absl::Time accepted = c.world.gap_until() - (inside ? kTick : absl::ZeroDuration());
  Order order = c.Suggested(accepted - c.Between(absl::Seconds(20), absl::Minutes(4)),
                            inside ? "a usable result, accepted in the last millisecond of a feed's failure"
                                   : "a usable result, accepted as a failed feed had just recovered");
  c.Accept(order, accepted);
  c.Avoided(order, c.source, inside ? Outcome::kCensored : c.Kept(order));
}

}  // namespace

std::vector<Scenario> EdgeScenarios() {
  return {
      {"edge-reuse-begin-inside", [](Case& c) { ReuseEdge(c, true, true); }},
      {"edge-reuse-begin-outside", [](Case& c) { ReuseEdge(c, true, false); }},
      {"edge-reuse-end-inside", [](Case& c) { ReuseEdge(c, false, true); }},
      {"edge-reuse-end-outside", [](Case& c) { ReuseEdge(c, false, false); }},
      {"edge-redo-begin-inside", [](Case& c) { RedoBeginEdge(c, true); }},
      {"edge-redo-begin-outside", [](Case& c) { RedoBeginEdge(c, false); }},
      {"edge-redo-end-inside", [](Case& c) { RedoEndEdge(c, true); }},
      {"edge-redo-end-outside", [](Case& c) { RedoEndEdge(c, false); }},
      {"edge-truth-inside", [](Case& c) { TruthEdge(c, true); }},
      {"edge-truth-outside", [](Case& c) { TruthEdge(c, false); }},
      {"edge-death-inside", [](Case& c) { DeathEdge(c, true); }},
      {"edge-death-outside", [](Case& c) { DeathEdge(c, false); }},
      {"edge-gap-inside", [](Case& c) { GapEdge(c, true); }},
      {"edge-gap-outside", [](Case& c) { GapEdge(c, false); }},
  };
}

}  // namespace custodian::sample

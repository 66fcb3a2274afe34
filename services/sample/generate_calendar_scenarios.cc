#include <algorithm>

#include "absl/time/civil_time.h"
#include "services/sample/generate_scenarios.h"

namespace custodian::sample {
namespace {

constexpr absl::Duration kDay = absl::Hours(24);
// Half of what a change of clocks moves: enough to tell 24-hour days from calendar days.
constexpr absl::Duration kHalfHour = absl::Minutes(30);

// Changes of clocks at a tenant within (low, high).
std::vector<absl::Time> ClockChanges(const Site& site, absl::Time low, absl::Time high) {
  std::vector<absl::Time> changes;
  absl::TimeZone::CivilTransition transition;
  for (absl::Time t = low; site.zone.NextTransition(t, &transition); t = changes.back()) {
    // The civil second after the jump names one moment, also when clocks go back.
    const absl::Time change = site.zone.At(transition.to).trans;
    if (change >= high) break;
    changes.push_back(change);
  }
  return changes;
}

// So that the window of a prior may cross the change, and the check falls among the orders.
std::vector<absl::Time> ChangesBeforeOrders(const World& world, int site) {
  return ClockChanges(world.site(site), world.first_order() - kDay * 9, world.end() - kDay * 2);
}
// So that the window of an acceptance crosses the change and closes before the truth is told.
std::vector<absl::Time> ChangesWithinWindows(const World& world, int site) {
  return ClockChanges(world.site(site), world.first_order() + kDay * 2, world.as_of() - kDay * 4);
}

bool AtEverySite(const World& world, std::vector<absl::Time> (*changes)(const World&, int)) {
  for (int site = 0; site < kSites; ++site) {
    if (changes(world, site).empty()) return false;
  }
  return true;
}
bool ClocksChangeBeforeOrders(const World& world) { return AtEverySite(world, ChangesBeforeOrders); }
bool ClocksChangeWithinWindows(const World& world) { return AtEverySite(world, ChangesWithinWindows); }

void ReuseAcrossClockChange(Case& c, bool inside) {
  c.Choose(Offer::kSuggest);
  const absl::Time change = c.random.Pick(ChangesBeforeOrders(c.world, c.source));
  const absl::Time check = c.Moment(std::max(c.world.first_order(), change + kDay),
                                    std::min(c.world.end(), change + c.exam->reuse() - kDay), c.ordering);
  c.Enroll(c.ordering);
  c.Permit(c.source, c.ordering);
  ResultSpec prior = c.Reusable(c.source, check);
  prior.performed = check - c.exam->reuse() + (inside ? kHalfHour : -kHalfHour);
  prior.stored = prior.performed + absl::Hours(3);
  prior.study = false;
  c.Perform(prior);
  CheckSpec spec;
  spec.at = check;
  Order order = c.Check(spec, inside ? Card::kSuggest : Card::kNone,
                        inside ? "clocks changed since: still inside a window of 24-hour days"
                               : "clocks changed since: past a window of 24-hour days");
  if (!inside) return;
  c.Accept(order, check + c.Between(absl::Seconds(20), absl::Minutes(4)));
  c.Avoided(order, c.source, c.Kept(order));
}

void RedoAcrossClockChange(Case& c, bool inside) {
  c.Choose(Offer::kSuggest, [](const CatalogExam& exam) { return exam.observe_days <= 30; });
  const absl::Time change = c.random.Pick(ChangesWithinWindows(c.world, c.ordering));
  const absl::Time check =
      c.Moment(std::max(c.world.first_order(), change - c.exam->observe() + kDay),
               std::min({c.world.end(), change - kDay, c.world.as_of() - c.exam->observe() - kDay}), c.ordering);
  const Order order =
      c.Followed(check, inside ? "a usable result; done again across a change of clocks, inside a window of 24-hour days"
                               : "a usable result; done again across a change of clocks, past a window of 24-hour days");
  ResultSpec redo = c.Reusable(c.ordering, check);
  redo.performed = order.accepted + c.exam->observe() + (inside ? -kHalfHour : kHalfHour);
  redo.stored = redo.performed + absl::Hours(3);
  redo.study = false;
  c.Perform(redo);
  c.Avoided(order, c.source, inside ? Outcome::kReversed : Outcome::kConfirmed);
}

// First moments of UTC months among the orders.
std::vector<absl::Time> MonthChanges(const World& world) {
  std::vector<absl::Time> changes;
  for (absl::CivilMonth month = absl::ToCivilMonth(world.first_order() + kDay, absl::UTCTimeZone()) + 1;; ++month) {
    const absl::Time change = absl::FromCivil(month, absl::UTCTimeZone());
    if (change > world.end() - kDay) return changes;
    if (change != World::PriceYear()) changes.push_back(change);
  }
}

void AcceptedAround(Case& c, absl::Time change, bool after, const std::string& reason) {
  c.Choose(Offer::kSuggest);
  const absl::Time accepted = after ? change : change - absl::Milliseconds(1);
  Order order = c.Suggested(accepted - c.Between(absl::Minutes(1), absl::Minutes(9)), reason);
  c.Accept(order, accepted);
  c.Avoided(order, c.source, c.Kept(order));
}

void MonthChange(Case& c) {
  const bool after = c.random.Chance(50);
  AcceptedAround(c, c.random.Pick(MonthChanges(c.world)), after,
                 after ? "a usable result, accepted in the first millisecond of a month"
                       : "a usable result, accepted in the last millisecond of a month");
}

bool PricesChange(const World& world) {
  return World::PriceYear() > world.first_order() + kDay && World::PriceYear() < world.end() - kDay;
}

void PriceYearChange(Case& c, bool after) {
  AcceptedAround(c, World::PriceYear(), after,
                 after ? "a usable result, accepted in the first millisecond of the new prices"
                       : "a usable result, accepted in the last millisecond of the old prices");
}

absl::Time Midnight(const Site& site, absl::CivilDay day) { return absl::FromCivil(day, site.zone); }

void DateOnlyPrior(Case& c, bool inside) {
  c.Choose(Offer::kSuggest);
  const Site& site = c.world.site(c.source);
  const absl::Time about = c.Moment(c.world.first_order() + kDay * 2, c.world.end() - kDay * 2, c.source);
  const absl::Time day = Midnight(site, absl::ToCivilDay(about - c.exam->reuse(), site.zone));
  // The day counts from its first millisecond where it was performed.
  const absl::Duration off =
      inside ? -c.Between(absl::Milliseconds(1), absl::Hours(4)) : c.Between(absl::ZeroDuration(), absl::Hours(17));
  c.Enroll(c.ordering);
  c.Permit(c.source, c.ordering);
  CheckSpec spec;
  spec.at = day + c.exam->reuse() + off;
  ResultSpec prior = c.Reusable(c.source, spec.at);
  prior.performed = day;
  prior.date_only = true;
  prior.stored = day + absl::Hours(40);
  c.Perform(prior);
  Order order =
      c.Check(spec, inside ? Card::kSuggest : Card::kNone,
              inside ? "a usable result that states only its day" : "the result states only its day, which began too long ago");
  if (!inside) return;
  c.Accept(order, spec.at + c.Between(absl::Seconds(20), absl::Minutes(4)));
  c.Avoided(order, c.source, c.Kept(order));
}

void DateOnlyRedo(Case& c, bool inside) {
  const absl::Time check = c.ChooseWithTail([](const CatalogExam& exam) { return exam.observe() + kDay * 4; });
  const Order order = c.Followed(check, inside ? "a usable result; done again on a day that touches the window"
                                               : "a usable result; done again on the day after the window's last");
  ResultSpec redo = c.Reusable(static_cast<int>(c.random.Below(kSites)), check);
  const Site& site = c.world.site(redo.site);
  const bool same_day = inside && c.random.Chance(30);
  absl::CivilDay day = absl::ToCivilDay(same_day ? order.accepted : order.accepted + c.exam->observe(), site.zone);
  if (!inside) ++day;
  redo.performed = Midnight(site, day);
  redo.date_only = true;
  redo.stored = std::max(redo.performed, order.accepted) + absl::Hours(30);
  c.Perform(redo);
  c.Avoided(order, c.source, inside ? Outcome::kReversed : Outcome::kConfirmed);
}

}  // namespace

std::vector<Scenario> CalendarScenarios() {
  return {
      {"daylight-saving-reuse-inside", [](Case& c) { ReuseAcrossClockChange(c, true); }, 1, ClocksChangeBeforeOrders},
      {"daylight-saving-reuse-outside", [](Case& c) { ReuseAcrossClockChange(c, false); }, 1, ClocksChangeBeforeOrders},
      {"daylight-saving-redo-inside", [](Case& c) { RedoAcrossClockChange(c, true); }, 1, ClocksChangeWithinWindows},
      {"daylight-saving-redo-outside", [](Case& c) { RedoAcrossClockChange(c, false); }, 1, ClocksChangeWithinWindows},
      {"month-change", MonthChange, 1, [](const World& world) { return !MonthChanges(world).empty(); }},
      {"price-year-before", [](Case& c) { PriceYearChange(c, false); }, 1, PricesChange},
      {"price-year-after", [](Case& c) { PriceYearChange(c, true); }, 1, PricesChange},
      {"date-only-prior-inside", [](Case& c) { DateOnlyPrior(c, true); }},
      {"date-only-prior-outside", [](Case& c) { DateOnlyPrior(c, false); }},
      {"date-only-redo-inside", [](Case& c) { DateOnlyRedo(c, true); }},
      {"date-only-redo-outside", [](Case& c) { DateOnlyRedo(c, false); }},
  };
}

}  // namespace custodian::sample

#include "services/savings/postings.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

namespace custodian::savings {
namespace {

using ledger::v1::Kind;
using ledger::v1::Side;

// Where something is posted.
using Place = std::tuple<std::string, Kind, Side>;

struct Planner {
  const AvoidanceRow& avoidance;
  const std::vector<KnownState>& states;
  const std::vector<Posting>& posted;
  absl::Time watermark;
  absl::Time now;

  // Month of what each posting that should stand says happened.
  std::map<Place, std::string> wanted = {};
  const KnownState* network = StateAt(states, now);
  const KnownState* month_before = StateAt(states, TenantViewOf(now));
  bool network_elsewhere = IsReversedElsewhere(network, avoidance.ordering_tenant);
  bool tenants_elsewhere = IsReversedElsewhere(month_before, avoidance.ordering_tenant);

  bool Passed() const { return avoidance.deadline <= now && watermark >= avoidance.deadline; }
  // Open as the tenants see it.
  bool TenantsSeeOpen() const {
    if (tenants_elsewhere || !network) return false;
    return network_elsewhere || network->standing == Standing::kOpen;
  }

  void Want(const std::string& log, Kind kind, Side side, const std::string& month) { wanted[{log, kind, side}] = month; }

  void WantAll() {
    const std::string& ordering = avoidance.ordering_tenant;
    if (network_elsewhere) {
      const std::string month = MonthOf(*network->ended_at);
      Want(network->reversed_by, ledger::v1::KIND_AVOIDANCE_REVERSED, ledger::v1::SIDE_ORDERING, month);
      Want(network->reversed_by, ledger::v1::KIND_AVOIDANCE_REVERSED, ledger::v1::SIDE_SOURCE, month);
    }
    if (tenants_elsewhere) {
      Want(ordering, ledger::v1::KIND_AVOIDANCE_REVERSED, ledger::v1::SIDE_ORDERING, MonthOf(TenantViewOf(now)));
      return;
    }
    if (!network) return;
    const bool open = TenantsSeeOpen();
    if (open && Passed())
      Want(ordering, ledger::v1::KIND_AVOIDANCE_CONFIRMED, ledger::v1::SIDE_ORDERING, MonthOf(avoidance.deadline));
    if (!open && network->standing == Standing::kReversed) {
      Want(ordering, ledger::v1::KIND_AVOIDANCE_REVERSED, ledger::v1::SIDE_ORDERING, MonthOf(*network->ended_at));
      return;
    }
    if (!open) Want(ordering, ledger::v1::KIND_AVOIDANCE_CENSORED, ledger::v1::SIDE_ORDERING, MonthOf(*network->ended_at));
    Want(avoidance.source_tenant, ledger::v1::KIND_SOURCE_CREDITED, ledger::v1::SIDE_SOURCE, MonthOf(avoidance.t));
  }

  // The redo's own entry, at once; everything else follows the tenants' view.
  bool IsAtOnce(const Place& place) const {
    return std::get<Kind>(place) == ledger::v1::KIND_AVOIDANCE_REVERSED &&
           std::get<std::string>(place) != avoidance.ordering_tenant;
  }

  PostingPlan Plan(bool aggregates) {
    WantAll();
    std::map<Place, const Posting*> last;
    for (const Posting& posting : posted) {
      const Posting*& slot = last[{posting.log_tenant, posting.kind, posting.side}];
      if (!slot || posting.sequence > slot->sequence) slot = &posting;
    }
    const auto stands = [&](const Place& place) {
      const auto found = last.find(place);
      return found != last.end() && found->second->sequence % 2 == 0;
    };
    // The tenants' view enters or leaves "redone elsewhere": only in a monthly aggregate.
    const Place reversed{avoidance.ordering_tenant, ledger::v1::KIND_AVOIDANCE_REVERSED, ledger::v1::SIDE_ORDERING};
    const bool leaves_elsewhere = stands(reversed) && !last.at(reversed)->aggregate_month.empty();
    const bool in_aggregate = tenants_elsewhere || leaves_elsewhere;
    const std::string aggregate_month = in_aggregate ? MonthOf(TenantViewOf(now)) : "";

    PostingPlan plan;
    bool left_out = false;
    const auto add = [&](const Place& place, std::int64_t cents, std::int64_t exams, const std::string& month) {
      const bool aggregate = in_aggregate && !IsAtOnce(place);
      if (aggregate && !aggregates) {
        left_out = true;
        return;
      }
      const auto before = last.find(place);
      plan.postings.push_back({.log_tenant = std::get<std::string>(place),
                               .kind = std::get<Kind>(place),
                               .side = std::get<Side>(place),
                               .sequence = before == last.end() ? 0 : before->second->sequence + 1,
                               .cents = cents,
                               .exams = exams,
                               .month = aggregate ? aggregate_month : month,
                               .aggregate_month = aggregate ? aggregate_month : ""});
    };
    for (const auto& [place, posting] : last) {
      if (stands(place) && !wanted.contains(place)) add(place, -posting->cents, -posting->exams, posting->month);
    }
    for (const auto& [place, month] : wanted) {
      if (stands(place)) continue;
      const std::int64_t sign = std::get<Kind>(place) == ledger::v1::KIND_AVOIDANCE_REVERSED ? -1 : 1;
      const bool ordering = std::get<Side>(place) == ledger::v1::SIDE_ORDERING;
      add(place, sign * (ordering ? OrderingShare(avoidance.cents) : SourceShare(avoidance.cents)), sign, month);
    }
    SetDue(plan, left_out);
    return plan;
  }

  void SetDue(PostingPlan& plan, bool left_out) const {
    const auto at = [&](absl::Time time) { plan.due = plan.due ? std::min(*plan.due, time) : time; };
    if (left_out) at(now);
    // Something known today happens later: a date in the future.
    for (const KnownState& state : states) {
      if (state.known_from > now) at(state.known_from);
      if (state.known_to > now && state.known_to < absl::InfiniteFuture()) at(state.known_to);
    }
    if (network_elsewhere != tenants_elsewhere)
      at(absl::FromCivil(absl::ToCivilMonth(now, absl::UTCTimeZone()) + 1, absl::UTCTimeZone()));
    if (TenantsSeeOpen() && !Passed()) plan.feed_due = avoidance.deadline;
  }
};

}  // namespace

std::string MonthOf(absl::Time time) { return absl::FormatTime("%Y-%m", time, absl::UTCTimeZone()); }

absl::Time MonthStart(absl::Time time) {
  return absl::FromCivil(absl::ToCivilMonth(time, absl::UTCTimeZone()), absl::UTCTimeZone());
}

absl::Time TenantViewOf(absl::Time now) { return MonthStart(now) - absl::Milliseconds(1); }

const KnownState* StateAt(const std::vector<KnownState>& states, absl::Time moment) {
  for (const KnownState& state : states) {
    if (state.known_from <= moment && moment < state.known_to) return &state;
  }
  return nullptr;
}

bool IsReversedElsewhere(const KnownState* state, const std::string& ordering_tenant) {
  return state && state->standing == Standing::kReversed && !state->reversed_by.empty() && state->reversed_by != ordering_tenant;
}

PostingPlan PlanPostings(const AvoidanceRow& avoidance, const std::vector<KnownState>& states, const std::vector<Posting>& posted,
                         absl::Time watermark, absl::Time now, bool aggregates) {
  Planner planner{.avoidance = avoidance, .states = states, .posted = posted, .watermark = watermark, .now = now};
  return planner.Plan(aggregates);
}

}  // namespace custodian::savings

#include "services/savings/avoidance.h"

#include <numeric>
#include <tuple>

namespace custodian::savings {
namespace {

constexpr absl::Duration kMillisecond = absl::Milliseconds(1);

bool IsRedoOf(const Redo& redo, const Acceptance& acceptance) {
  const absl::Time t = acceptance.t;
  if (!redo.ordering_tenant.empty() && redo.ordering_tenant != acceptance.tenant) return false;
  if (redo.performed_begin <= t && redo.arrived <= t) return false;
  // Some millisecond x of [begin, end) with t < x < t + observe.
  return redo.performed_begin < t + acceptance.observe && redo.performed_end - kMillisecond > t;
}

bool Censors(const Censoring& censoring, const Acceptance& acceptance) {
  if (censoring.from >= acceptance.t + acceptance.observe) return false;
  return censoring.why != "gap" || censoring.to > acceptance.t;
}

// Why an avoidance ended, if it did, and when its key is free again.
struct Fate {
  Avoidance avoidance;
  absl::Time open_until;
};

void Reverse(Fate& fate, const Acceptance& acceptance, absl::Time at, std::string why, std::string by) {
  at = std::max(at, acceptance.t);
  fate.open_until = std::min(fate.open_until, at);
  if (fate.avoidance.state == State::kReversed) return;
  fate.avoidance.state = State::kReversed;
  fate.avoidance.ended_at = at;
  fate.avoidance.why = std::move(why);
  fate.avoidance.reversed_by_tenant = std::move(by);
}

Fate FateOf(const Acceptance& acceptance, const std::vector<Redo>& redos, const std::vector<Censoring>& censorings,
            absl::Time watermark, absl::Time as_of) {
  const absl::Time deadline = acceptance.t + acceptance.observe;
  Fate fate{.avoidance = {}, .open_until = deadline};
  if (acceptance.withdrawn_at && KnownAt(*acceptance.withdrawn_at, acceptance.withdrawal_arrived) <= as_of) {
    Reverse(fate, acceptance, *acceptance.withdrawn_at, "withdrawn", "");
  }
  if (acceptance.unlinked_at && KnownAt(*acceptance.unlinked_at, acceptance.unlink_arrived) <= as_of) {
    Reverse(fate, acceptance, *acceptance.unlinked_at, "unlink", "");
  }
  // What was relied on is gone while the avoidance could still be undone: then it was none.
  if (acceptance.prior_withdrawn_at && *acceptance.prior_withdrawn_at <= as_of && *acceptance.prior_withdrawn_at < deadline) {
    Reverse(fate, acceptance, *acceptance.prior_withdrawn_at, "prior-withdrawn", "");
  }
  // The ordering tenant's redos first, then by time: the first one given to Reverse() names the reason.
  const auto rank = [&](const Redo& redo) {
    return std::make_tuple(redo.performing_tenant != acceptance.tenant, redo.performed_begin, std::cref(redo.performing_tenant));
  };
  std::vector<const Redo*> known;
  for (const Redo& redo : redos) {
    if (KnownAt(redo.performed_begin, redo.arrived) <= as_of && IsRedoOf(redo, acceptance)) known.push_back(&redo);
  }
  std::sort(known.begin(), known.end(), [&](const Redo* a, const Redo* b) { return rank(*a) < rank(*b); });
  for (const Redo* redo : known) Reverse(fate, acceptance, redo->performed_begin, "redo", redo->performing_tenant);

  const Censoring* first = nullptr;
  for (const Censoring& censoring : censorings) {
    if (KnownAt(censoring.from, censoring.arrived) > as_of || !Censors(censoring, acceptance)) continue;
    if (!first || std::tie(censoring.from, censoring.why) < std::tie(first->from, first->why)) first = &censoring;
  }
  if (first) {
    const absl::Time at = std::max(first->from, acceptance.t);
    fate.open_until = std::min(fate.open_until, at);
    if (fate.avoidance.state != State::kReversed) {
      fate.avoidance.state = State::kCensored;
      fate.avoidance.ended_at = at;
      fate.avoidance.why = first->why;
    }
  }
  if (fate.avoidance.state == State::kPending && deadline <= as_of && watermark >= deadline)
    fate.avoidance.state = State::kConfirmed;
  return fate;
}

}  // namespace

bool SideReverses(std::string_view ordered, std::string_view performed) {
  return !(ordered == "left" && performed == "right") && !(ordered == "right" && performed == "left");
}

std::vector<Avoidance> Evaluate(const std::vector<Acceptance>& acceptances, const std::vector<Redo>& redos,
                                const std::vector<Censoring>& censorings, absl::Time watermark, absl::Time as_of) {
  std::vector<std::size_t> order(acceptances.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    const auto key = [&](std::size_t i) {
      const Acceptance& x = acceptances[i];
      return std::tie(x.t, x.tenant, x.order, x.avoidance_id);
    };
    return key(a) < key(b);
  });
  std::vector<Avoidance> result;
  absl::Time open_until = absl::InfinitePast();
  for (const std::size_t index : order) {
    const Acceptance& acceptance = acceptances[index];
    if (KnownAt(acceptance.t, acceptance.arrived) > as_of) continue;
    // Half-open: what ended at t is no longer open at t.
    if (acceptance.t < open_until) continue;
    Fate fate = FateOf(acceptance, redos, censorings, watermark, as_of);
    fate.avoidance.acceptance = index;
    open_until = fate.open_until;
    result.push_back(std::move(fate.avoidance));
  }
  return result;
}

}  // namespace custodian::savings

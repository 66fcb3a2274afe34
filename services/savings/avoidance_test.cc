#include "services/savings/avoidance.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace custodian::savings {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr absl::Duration kMs = absl::Milliseconds(1);
constexpr absl::Duration kDay = absl::Hours(24);
constexpr absl::Duration kObserve = absl::Hours(90 * 24);

absl::Time T0() { return absl::FromCivil(absl::CivilSecond(2025, 10, 1, 9, 30, 0), absl::UTCTimeZone()); }
// Long after every window.
absl::Time Late() { return T0() + 400 * kDay; }

Acceptance AcceptanceAt(absl::Time t, std::string order = "o1", std::string tenant = "lakeside") {
  Acceptance acceptance;
  acceptance.tenant = std::move(tenant);
  acceptance.order = std::move(order);
  acceptance.avoidance_id = "id-" + acceptance.tenant + "-" + acceptance.order;
  acceptance.class_id = "mr-knee-wo";
  acceptance.modality = "MR";
  acceptance.laterality = "left";
  acceptance.source_tenant = "summit";
  acceptance.t = t;
  acceptance.observe = kObserve;
  acceptance.cents = 20'022;
  acceptance.arrived = t;
  return acceptance;
}

Redo RedoAt(absl::Time performed, std::string tenant = "summit") {
  return {.performing_tenant = std::move(tenant),
          .performed_begin = performed,
          .performed_end = performed + kMs,
          .arrived = performed};
}

Redo RedoOnDay(absl::Time begin, absl::Time arrived, std::string tenant = "summit") {
  return {.performing_tenant = std::move(tenant), .performed_begin = begin, .performed_end = begin + kDay, .arrived = arrived};
}

Censoring Gap(absl::Time from, absl::Time to) { return {.from = from, .to = to, .arrived = to, .why = "gap"}; }
Censoring Moment(absl::Time at, std::string why = "death") {
  return {.from = at, .to = at, .arrived = at, .why = std::move(why)};
}

std::vector<Avoidance> At(absl::Time as_of, const std::vector<Acceptance>& acceptances, const std::vector<Redo>& redos = {},
                          const std::vector<Censoring>& censorings = {}, absl::Time watermark = absl::InfiniteFuture()) {
  return Evaluate(acceptances, redos, censorings, watermark, as_of);
}

State StateOf(const std::vector<Acceptance>& acceptances, const std::vector<Redo>& redos,
              const std::vector<Censoring>& censorings = {}, absl::Time as_of = Late()) {
  const auto result = At(as_of, acceptances, redos, censorings);
  EXPECT_THAT(result, SizeIs(1));
  return result.empty() ? State::kPending : result[0].state;
}

// T8: pending and confirmed.

TEST(Avoidance, NothingFollowsFromNothing) { EXPECT_THAT(At(Late(), {}, {RedoAt(T0())}, {Moment(T0())}), IsEmpty()); }

TEST(Avoidance, IsPendingUntilItsWindowHasEnded) {
  const auto a = AcceptanceAt(T0());
  EXPECT_EQ(At(T0() + kObserve - kMs, {a})[0].state, State::kPending);
  EXPECT_EQ(At(T0() + kObserve, {a})[0].state, State::kConfirmed);
}

TEST(Avoidance, IsConfirmedOnlyWhenEveryFeedHasPassedItsWindow) {
  const auto a = AcceptanceAt(T0());
  EXPECT_EQ(At(Late(), {a}, {}, {}, T0() + kObserve - kMs)[0].state, State::kPending);
  EXPECT_EQ(At(Late(), {a}, {}, {}, T0() + kObserve)[0].state, State::kConfirmed);
  EXPECT_EQ(At(Late(), {a}, {}, {}, absl::InfinitePast())[0].state, State::kPending);
}

TEST(Avoidance, AnAcceptanceIsUnknownBeforeItArrives) {
  auto a = AcceptanceAt(T0());
  a.arrived = T0() + kDay;
  EXPECT_THAT(At(T0() + kDay - kMs, {a}), IsEmpty());
  EXPECT_THAT(At(T0() + kDay, {a}), SizeIs(1));
}

TEST(Avoidance, AFactThatArrivedBeforeItHappenedCountsFromWhenItHappened) {
  auto a = AcceptanceAt(T0());
  auto redo = RedoAt(T0() + 10 * kDay);
  redo.arrived = T0() + kDay;
  EXPECT_EQ(StateOf({a}, {redo}, {}, T0() + 10 * kDay - kMs), State::kPending);
  EXPECT_EQ(StateOf({a}, {redo}, {}, T0() + 10 * kDay), State::kReversed);
}

// T7: the redo's window is open at both ends.

TEST(Avoidance, ARedoAtTheMomentOfAcceptanceDoesNotReverse) {
  EXPECT_EQ(StateOf({AcceptanceAt(T0())}, {RedoAt(T0())}), State::kConfirmed);
}

TEST(Avoidance, ARedoAMillisecondAfterAcceptanceReverses) {
  EXPECT_EQ(StateOf({AcceptanceAt(T0())}, {RedoAt(T0() + kMs)}), State::kReversed);
}

TEST(Avoidance, ARedoInTheLastMillisecondOfTheWindowReverses) {
  EXPECT_EQ(StateOf({AcceptanceAt(T0())}, {RedoAt(T0() + kObserve - kMs)}), State::kReversed);
}

TEST(Avoidance, ARedoAtTheEndOfTheWindowDoesNotReverse) {
  EXPECT_EQ(StateOf({AcceptanceAt(T0())}, {RedoAt(T0() + kObserve)}), State::kConfirmed);
}

TEST(Avoidance, ARedoBeforeAcceptanceDoesNotReverse) {
  EXPECT_EQ(StateOf({AcceptanceAt(T0())}, {RedoAt(T0() - kMs)}), State::kConfirmed);
}

TEST(Avoidance, AWindowIsHoursNotCalendarDays) {
  // Across the end of daylight saving in Chicago (2025-11-02): still 90 x 86,400 s.
  EXPECT_EQ(StateOf({AcceptanceAt(T0())}, {RedoAt(T0() + absl::Hours(90 * 24) - kMs)}), State::kReversed);
  EXPECT_EQ(StateOf({AcceptanceAt(T0())}, {RedoAt(T0() + absl::Hours(90 * 24))}), State::kConfirmed);
}

TEST(Avoidance, ADateOnlyRedoReversesWhenAnyOfItsDayLiesInTheWindow) {
  const auto a = AcceptanceAt(T0());
  const absl::Time known = T0() + 5 * kDay;
  // The day holds t and what comes after it.
  EXPECT_EQ(StateOf({a}, {RedoOnDay(T0() - absl::Hours(9), known)}), State::kReversed);
  // Its last millisecond is t + 1 ms: in; t itself: out.
  EXPECT_EQ(StateOf({a}, {RedoOnDay(T0() + 2 * kMs - kDay, known)}), State::kReversed);
  EXPECT_EQ(StateOf({a}, {RedoOnDay(T0() + kMs - kDay, known)}), State::kConfirmed);
  // Its first millisecond is the window's last; then the first one past it.
  EXPECT_EQ(StateOf({a}, {RedoOnDay(T0() + kObserve - kMs, Late())}), State::kReversed);
  EXPECT_EQ(StateOf({a}, {RedoOnDay(T0() + kObserve, Late())}), State::kConfirmed);
}

TEST(Avoidance, ADateOnlyPriorOfTheSameDayIsNoRedoOfItself) {
  const auto a = AcceptanceAt(T0());
  EXPECT_EQ(StateOf({a}, {RedoOnDay(T0() - absl::Hours(9), T0() - kMs)}), State::kConfirmed);
  EXPECT_EQ(StateOf({a}, {RedoOnDay(T0() - absl::Hours(9), T0())}), State::kConfirmed);
  EXPECT_EQ(StateOf({a}, {RedoOnDay(T0() - absl::Hours(9), T0() + kMs)}), State::kReversed);
}

TEST(Avoidance, ADateOnlyRedoReversesAtTheEarliestAtAcceptance) {
  const auto result = At(Late(), {AcceptanceAt(T0())}, {RedoOnDay(T0() - absl::Hours(9), T0() + kDay)});
  ASSERT_THAT(result, SizeIs(1));
  EXPECT_EQ(result[0].ended_at, T0());
}

TEST(Avoidance, OnlyTheOppositeSideDoesNotReverse) {
  EXPECT_FALSE(SideReverses("left", "right"));
  EXPECT_FALSE(SideReverses("right", "left"));
  for (const char* performed : {"left", "bilateral", ""}) EXPECT_TRUE(SideReverses("left", performed));
  for (const char* performed : {"left", "right", "bilateral", ""}) {
    EXPECT_TRUE(SideReverses("bilateral", performed));
    EXPECT_TRUE(SideReverses("", performed));
  }
}

TEST(Avoidance, ARedoAtAnyTenantReverses) {
  for (const char* tenant : {"lakeside", "summit", "harbor"}) {
    const auto result = At(Late(), {AcceptanceAt(T0())}, {RedoAt(T0() + kDay, tenant)});
    ASSERT_THAT(result, SizeIs(1));
    EXPECT_EQ(result[0].state, State::kReversed);
    EXPECT_EQ(result[0].reversed_by_tenant, tenant);
    EXPECT_EQ(result[0].why, "redo");
    EXPECT_EQ(result[0].ended_at, T0() + kDay);
  }
}

TEST(Avoidance, ALateRedoReversesWhatWasConfirmed) {
  auto redo = RedoAt(T0() + 10 * kDay);
  redo.arrived = T0() + 200 * kDay;
  const auto a = AcceptanceAt(T0());
  EXPECT_EQ(StateOf({a}, {redo}, {}, T0() + 200 * kDay - kMs), State::kConfirmed);
  EXPECT_EQ(StateOf({a}, {redo}, {}, T0() + 200 * kDay), State::kReversed);
}

TEST(Avoidance, TheEarliestRedoElsewhereNamesTheReason) {
  const auto result = At(Late(), {AcceptanceAt(T0())}, {RedoAt(T0() + 5 * kDay, "harbor"), RedoAt(T0() + 3 * kDay, "summit")});
  EXPECT_EQ(result[0].reversed_by_tenant, "summit");
  EXPECT_EQ(result[0].ended_at, T0() + 3 * kDay);
}

TEST(Avoidance, TheOrderingTenantsOwnActNamesTheReasonBeforeARedoElsewhere) {
  auto a = AcceptanceAt(T0());
  const auto own = At(Late(), {a}, {RedoAt(T0() + 3 * kDay, "summit"), RedoAt(T0() + 5 * kDay, "lakeside")});
  EXPECT_EQ(own[0].reversed_by_tenant, "lakeside");
  a.withdrawn_at = T0() + 9 * kDay;
  a.withdrawal_arrived = *a.withdrawn_at;
  const auto withdrawn = At(Late(), {a}, {RedoAt(T0() + 3 * kDay, "summit"), RedoAt(T0() + 5 * kDay, "lakeside")});
  EXPECT_EQ(withdrawn[0].why, "withdrawn");
  EXPECT_EQ(withdrawn[0].reversed_by_tenant, "");
}

// T5, T8: withdrawal and unlink.

TEST(Avoidance, ALaterOverrideWithdraws) {
  auto a = AcceptanceAt(T0());
  a.withdrawn_at = T0() + kDay;
  a.withdrawal_arrived = T0() + 2 * kDay;
  EXPECT_EQ(StateOf({a}, {}, {}, T0() + 2 * kDay - kMs), State::kPending);
  const auto result = At(T0() + 2 * kDay, {a});
  EXPECT_EQ(result[0].state, State::kReversed);
  EXPECT_EQ(result[0].why, "withdrawn");
  EXPECT_EQ(result[0].ended_at, T0() + kDay);
}

TEST(Avoidance, AWithdrawalReversesEvenAfterTheWindow) {
  auto a = AcceptanceAt(T0());
  a.withdrawn_at = T0() + kObserve + kDay;
  a.withdrawal_arrived = *a.withdrawn_at;
  EXPECT_EQ(StateOf({a}, {}, {}, *a.withdrawn_at - kMs), State::kConfirmed);
  EXPECT_EQ(StateOf({a}, {}, {}, *a.withdrawn_at), State::kReversed);
}

TEST(Avoidance, AnUnmadeLinkReverses) {
  auto a = AcceptanceAt(T0());
  a.unlinked_at = T0() + kDay;
  a.unlink_arrived = T0() + kDay;
  const auto result = At(Late(), {a});
  EXPECT_EQ(result[0].state, State::kReversed);
  EXPECT_EQ(result[0].why, "unlink");
}

TEST(Avoidance, AWithdrawnPriorReversesWithinTheWindowOnly) {
  auto a = AcceptanceAt(T0());
  a.prior_withdrawn_at = T0() + a.observe - kMs;
  const auto result = At(Late(), {a});
  EXPECT_EQ(result[0].state, State::kReversed);
  EXPECT_EQ(result[0].why, "prior-withdrawn");
  EXPECT_EQ(result[0].reversed_by_tenant, "");
  EXPECT_NE(StateOf({a}, {}, {}, *a.prior_withdrawn_at - kMs), State::kReversed);
  // Before the acceptance, of which it then takes everything.
  a.prior_withdrawn_at = T0() - kDay;
  EXPECT_EQ(At(Late(), {a})[0].ended_at, T0());
  a.prior_withdrawn_at = T0() + a.observe;
  EXPECT_EQ(StateOf({a}, {}, {}, Late()), State::kConfirmed);
}

// T8: censoring.

TEST(Avoidance, AGapCensorsWhatItOverlapsHalfOpen) {
  const auto a = AcceptanceAt(T0());
  EXPECT_EQ(StateOf({a}, {}, {Gap(T0() - kDay, T0())}), State::kConfirmed);
  EXPECT_EQ(StateOf({a}, {}, {Gap(T0() - kDay, T0() + kMs)}), State::kCensored);
  EXPECT_EQ(StateOf({a}, {}, {Gap(T0() + kObserve - kMs, T0() + kObserve + kDay)}), State::kCensored);
  EXPECT_EQ(StateOf({a}, {}, {Gap(T0() + kObserve, T0() + kObserve + kDay)}), State::kConfirmed);
}

TEST(Avoidance, DeathBeforeTheEndOfTheWindowCensors) {
  const auto a = AcceptanceAt(T0());
  for (const char* why : {"death", "erasure", "departure"}) {
    EXPECT_EQ(StateOf({a}, {}, {Moment(T0() + kObserve - kMs, why)}), State::kCensored);
    EXPECT_EQ(StateOf({a}, {}, {Moment(T0() + kObserve, why)}), State::kConfirmed);
    EXPECT_EQ(StateOf({a}, {}, {Moment(T0() + kDay, why)}), State::kCensored);
  }
  // A date-only death of the same day begins before t.
  EXPECT_EQ(StateOf({a}, {}, {Moment(T0() - absl::Hours(9))}), State::kCensored);
}

TEST(Avoidance, ACensoringIsUnknownBeforeItArrives) {
  const auto a = AcceptanceAt(T0());
  auto death = Moment(T0() + kDay);
  death.arrived = T0() + 20 * kDay;
  EXPECT_EQ(StateOf({a}, {}, {death}, T0() + 20 * kDay - kMs), State::kPending);
  const auto result = At(T0() + 20 * kDay, {a}, {}, {death});
  EXPECT_EQ(result[0].state, State::kCensored);
  EXPECT_EQ(result[0].why, "death");
  EXPECT_EQ(result[0].ended_at, T0() + kDay);
}

TEST(Avoidance, ALateCensoringTakesAConfirmationBack) {
  const auto a = AcceptanceAt(T0());
  auto gap = Gap(T0() + kDay, T0() + 2 * kDay);
  gap.arrived = T0() + 200 * kDay;
  EXPECT_EQ(StateOf({a}, {}, {gap}, T0() + 200 * kDay - kMs), State::kConfirmed);
  EXPECT_EQ(StateOf({a}, {}, {gap}, T0() + 200 * kDay), State::kCensored);
}

TEST(Avoidance, ReversalOutranksCensoringWhicheverCameFirst) {
  const auto a = AcceptanceAt(T0());
  EXPECT_EQ(StateOf({a}, {RedoAt(T0() + 5 * kDay)}, {Gap(T0() + kDay, T0() + 2 * kDay)}), State::kReversed);
  EXPECT_EQ(StateOf({a}, {RedoAt(T0() + 5 * kDay)}, {Moment(T0() + 9 * kDay)}), State::kReversed);
}

// T6: one avoidance while its key is open.

TEST(Avoidance, AFurtherAcceptanceWhileOpenIsOnlyAccepted) {
  const auto result = At(Late(), {AcceptanceAt(T0()), AcceptanceAt(T0() + kObserve - kMs, "o2")});
  ASSERT_THAT(result, SizeIs(1));
  EXPECT_EQ(result[0].acceptance, 0u);
}

TEST(Avoidance, AnAcceptanceAtTheEndOfTheWindowOpensAnew) {
  EXPECT_THAT(At(Late(), {AcceptanceAt(T0()), AcceptanceAt(T0() + kObserve, "o2")}), SizeIs(2));
}

TEST(Avoidance, TheEarliestOpensWhateverTheOrderOfArrival) {
  auto first = AcceptanceAt(T0(), "o9", "summit");
  first.arrived = T0() + 3 * kDay;
  const auto second = AcceptanceAt(T0() + kDay, "o1");
  const auto before = At(T0() + 3 * kDay - kMs, {second, first});
  ASSERT_THAT(before, SizeIs(1));
  EXPECT_EQ(before[0].acceptance, 0u);
  const auto after = At(T0() + 3 * kDay, {second, first});
  ASSERT_THAT(after, SizeIs(1));
  EXPECT_EQ(after[0].acceptance, 1u);
}

TEST(Avoidance, TiesGoToTheSmallestTenantThenTheSmallestOrder) {
  const auto by_tenant = At(Late(), {AcceptanceAt(T0(), "o1", "summit"), AcceptanceAt(T0(), "o9", "harbor")});
  ASSERT_THAT(by_tenant, SizeIs(1));
  EXPECT_EQ(by_tenant[0].acceptance, 1u);
  const auto by_order = At(Late(), {AcceptanceAt(T0(), "o2"), AcceptanceAt(T0(), "o1")});
  ASSERT_THAT(by_order, SizeIs(1));
  EXPECT_EQ(by_order[0].acceptance, 1u);
}

TEST(Avoidance, ARedoFreesTheKeyFromWhenItWasPerformed) {
  const absl::Time performed = T0() + 10 * kDay;
  const auto still = At(Late(), {AcceptanceAt(T0()), AcceptanceAt(performed - kMs, "o2")}, {RedoAt(performed)});
  EXPECT_THAT(still, SizeIs(1));
  const auto anew = At(Late(), {AcceptanceAt(T0()), AcceptanceAt(performed, "o2")}, {RedoAt(performed)});
  ASSERT_THAT(anew, SizeIs(2));
  EXPECT_EQ(anew[0].state, State::kReversed);
  // The same redo, at exactly the second one's t, is none of it.
  EXPECT_EQ(anew[1].state, State::kConfirmed);
}

TEST(Avoidance, AWithdrawalFreesTheKeyFromItsOutcomeTimestamp) {
  auto a = AcceptanceAt(T0());
  a.withdrawn_at = T0() + 2 * kDay;
  a.withdrawal_arrived = T0() + 4 * kDay;
  EXPECT_THAT(At(Late(), {a, AcceptanceAt(T0() + 2 * kDay - kMs, "o2")}), SizeIs(1));
  const auto anew = At(Late(), {a, AcceptanceAt(T0() + 2 * kDay, "o2")});
  ASSERT_THAT(anew, SizeIs(2));
  EXPECT_EQ(anew[0].state, State::kReversed);
  EXPECT_EQ(anew[1].state, State::kConfirmed);
  // Before the withdrawal is known, the second is only accepted.
  EXPECT_THAT(At(T0() + 4 * kDay - kMs, {a, AcceptanceAt(T0() + 2 * kDay, "o2")}), SizeIs(1));
}

TEST(Avoidance, AWithdrawnFurtherAcceptanceChangesNothing) {
  auto further = AcceptanceAt(T0() + kDay, "o2");
  further.withdrawn_at = T0() + 2 * kDay;
  further.withdrawal_arrived = T0() + 2 * kDay;
  EXPECT_EQ(StateOf({AcceptanceAt(T0()), further}, {}), State::kConfirmed);
}

TEST(Avoidance, CensoringFreesTheKeyFromItsBeginning) {
  const auto gap = Gap(T0() + 10 * kDay, T0() + 12 * kDay);
  EXPECT_THAT(At(Late(), {AcceptanceAt(T0()), AcceptanceAt(T0() + 10 * kDay - kMs, "o2")}, {}, {gap}), SizeIs(1));
  const auto inside = At(Late(), {AcceptanceAt(T0()), AcceptanceAt(T0() + 11 * kDay, "o2")}, {}, {gap});
  ASSERT_THAT(inside, SizeIs(2));
  EXPECT_EQ(inside[1].state, State::kCensored);
  const auto after = At(Late(), {AcceptanceAt(T0()), AcceptanceAt(T0() + 12 * kDay, "o2")}, {}, {gap});
  ASSERT_THAT(after, SizeIs(2));
  EXPECT_EQ(after[1].state, State::kConfirmed);
}

TEST(Avoidance, AfterItsWindowTheKeyIsFreeEvenWhileFeedsLag) {
  const auto result = At(Late(), {AcceptanceAt(T0()), AcceptanceAt(T0() + kObserve + kDay, "o2")}, {}, {}, T0());
  ASSERT_THAT(result, SizeIs(2));
  EXPECT_EQ(result[0].state, State::kPending);
  EXPECT_EQ(result[1].state, State::kPending);
}

TEST(Avoidance, EachClassHasItsOwnWindow) {
  auto a = AcceptanceAt(T0());
  a.observe = 30 * kDay;
  EXPECT_EQ(StateOf({a}, {RedoAt(T0() + 30 * kDay)}), State::kConfirmed);
  EXPECT_EQ(StateOf({a}, {RedoAt(T0() + 30 * kDay - kMs)}), State::kReversed);
}

}  // namespace
}  // namespace custodian::savings

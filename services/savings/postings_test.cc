#include "services/savings/postings.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace custodian::savings {
namespace {

using ledger::v1::KIND_AVOIDANCE_CENSORED;
using ledger::v1::KIND_AVOIDANCE_CONFIRMED;
using ledger::v1::KIND_AVOIDANCE_REVERSED;
using ledger::v1::KIND_SOURCE_CREDITED;
using ledger::v1::SIDE_ORDERING;
using ledger::v1::SIDE_SOURCE;
using ::testing::IsEmpty;
using ::testing::SizeIs;

absl::Time Utc(int month, int day, int hour = 0) {
  return absl::FromCivil(absl::CivilSecond(2025, month, day, hour, 0, 0), absl::UTCTimeZone());
}

AvoidanceRow Row() {
  return {.avoidance_id = std::string(16, 'a'),
          .ordering_tenant = "lakeside",
          .source_tenant = "summit",
          .class_id = "mr-knee-wo",
          .modality = "MR",
          .cents = 20'023,
          .t = Utc(3, 10),
          .deadline = Utc(6, 8),
          .acceptance_index = 7};
}

KnownState Open(absl::Time from, absl::Time to = absl::InfiniteFuture()) {
  return {.known_from = from, .known_to = to, .why = "", .reversed_by = "", .ended_at = std::nullopt};
}
KnownState Redone(absl::Time from, std::string by, absl::Time performed, absl::Time to = absl::InfiniteFuture()) {
  return {.known_from = from,
          .known_to = to,
          .standing = Standing::kReversed,
          .why = "redo",
          .reversed_by = std::move(by),
          .ended_at = performed};
}

// Plans step by step, as the evaluator does, and keeps what was posted.
struct Book {
  AvoidanceRow row = Row();
  std::vector<Posting> posted;
  PostingPlan last;

  std::vector<Posting> At(absl::Time now, const std::vector<KnownState>& states, absl::Time watermark, bool aggregates = true) {
    last = PlanPostings(row, states, posted, watermark, now, aggregates);
    posted.insert(posted.end(), last.postings.begin(), last.postings.end());
    return last.postings;
  }
  // Sum of cents over a log, a kind and a side.
  std::int64_t Cents(const std::string& log, ledger::v1::Kind kind, ledger::v1::Side side) const {
    std::int64_t sum = 0;
    for (const Posting& p : posted) {
      if (p.log_tenant == log && p.kind == kind && p.side == side) sum += p.cents;
    }
    return sum;
  }
};

TEST(Postings, SharesAddUpAndTheSourceGetsTheFloor) {
  for (const std::int64_t cents : {0, 1, 2, 20'023}) EXPECT_EQ(SourceShare(cents) + OrderingShare(cents), cents);
  EXPECT_EQ(SourceShare(20'023), 10'011);
  EXPECT_EQ(OrderingShare(1), 1);
}

TEST(Postings, MonthsAreUtc) {
  EXPECT_EQ(MonthOf(Utc(4, 1) - absl::Milliseconds(1)), "2025-03");
  EXPECT_EQ(MonthOf(Utc(4, 1)), "2025-04");
  EXPECT_EQ(MonthStart(Utc(4, 17, 5)), Utc(4, 1));
  EXPECT_EQ(TenantViewOf(Utc(4, 1)), Utc(4, 1) - absl::Milliseconds(1));
}

TEST(Postings, OpeningCreditsTheSourceOnce) {
  Book book;
  const auto first = book.At(Utc(3, 10), {Open(Utc(3, 10))}, absl::InfinitePast());
  ASSERT_THAT(first, SizeIs(1));
  EXPECT_EQ(first[0].log_tenant, "summit");
  EXPECT_EQ(first[0].kind, KIND_SOURCE_CREDITED);
  EXPECT_EQ(first[0].side, SIDE_SOURCE);
  EXPECT_EQ(first[0].cents, 10'011);
  EXPECT_EQ(first[0].exams, 1);
  EXPECT_EQ(first[0].month, "2025-03");
  EXPECT_EQ(book.last.feed_due, Utc(6, 8));
  EXPECT_EQ(book.last.due, std::nullopt);
  EXPECT_THAT(book.At(Utc(3, 11), {Open(Utc(3, 10))}, absl::InfinitePast()), IsEmpty());
}

TEST(Postings, ConfirmationWaitsForTimeAndFeeds) {
  Book book;
  const std::vector<KnownState> states = {Open(Utc(3, 10))};
  (void)book.At(Utc(3, 10), states, absl::InfinitePast());
  EXPECT_THAT(book.At(Utc(6, 8), states, Utc(6, 7)), IsEmpty());
  EXPECT_EQ(book.last.feed_due, Utc(6, 8));
  EXPECT_THAT(book.At(Utc(6, 8) - absl::Milliseconds(1), states, Utc(6, 8)), IsEmpty());
  const auto confirmed = book.At(Utc(6, 9), states, Utc(6, 8));
  ASSERT_THAT(confirmed, SizeIs(1));
  EXPECT_EQ(confirmed[0].log_tenant, "lakeside");
  EXPECT_EQ(confirmed[0].kind, KIND_AVOIDANCE_CONFIRMED);
  EXPECT_EQ(confirmed[0].side, SIDE_ORDERING);
  EXPECT_EQ(confirmed[0].cents, 10'012);
  EXPECT_EQ(confirmed[0].month, "2025-06");
  EXPECT_EQ(book.last.feed_due, std::nullopt);
}

TEST(Postings, AnOwnRedoReversesAtOnceOnBothSides) {
  Book book;
  (void)book.At(Utc(3, 10), {Open(Utc(3, 10))}, absl::InfinitePast());
  const std::vector<KnownState> states = {Open(Utc(3, 10), Utc(3, 20)), Redone(Utc(3, 20), "lakeside", Utc(3, 19))};
  const auto reversed = book.At(Utc(3, 20), states, absl::InfinitePast(), false);
  EXPECT_THAT(reversed, SizeIs(2));
  EXPECT_EQ(book.Cents("lakeside", KIND_AVOIDANCE_REVERSED, SIDE_ORDERING), -10'012);
  EXPECT_EQ(book.Cents("summit", KIND_SOURCE_CREDITED, SIDE_SOURCE), 0);
  for (const Posting& posting : reversed) EXPECT_EQ(posting.aggregate_month, "");
  EXPECT_EQ(book.last.due, std::nullopt);
}

TEST(Postings, ARedoElsewhereIsEnteredThereAtOnceAndHereInNextMonthsAggregate) {
  Book book;
  (void)book.At(Utc(3, 10), {Open(Utc(3, 10))}, absl::InfinitePast());
  const std::vector<KnownState> states = {Open(Utc(3, 10), Utc(3, 20)), Redone(Utc(3, 20), "harbor", Utc(3, 19))};
  const auto there = book.At(Utc(3, 20), states, absl::InfinitePast(), false);
  ASSERT_THAT(there, SizeIs(2));
  for (const Posting& posting : there) {
    EXPECT_EQ(posting.log_tenant, "harbor");
    EXPECT_EQ(posting.kind, KIND_AVOIDANCE_REVERSED);
    EXPECT_EQ(posting.aggregate_month, "");
    EXPECT_EQ(posting.month, "2025-03");
  }
  EXPECT_EQ(book.Cents("harbor", KIND_AVOIDANCE_REVERSED, SIDE_ORDERING), -10'012);
  EXPECT_EQ(book.Cents("harbor", KIND_AVOIDANCE_REVERSED, SIDE_SOURCE), -10'011);
  EXPECT_EQ(book.last.due, Utc(4, 1));
  // Still open for ordering and source tenant, to the last millisecond of the month.
  EXPECT_THAT(book.At(Utc(4, 1) - absl::Milliseconds(1), states, absl::InfinitePast()), IsEmpty());
  // A run that may not aggregate leaves it due.
  EXPECT_THAT(book.At(Utc(4, 1), states, absl::InfinitePast(), false), IsEmpty());
  EXPECT_EQ(book.last.due, Utc(4, 1));
  const auto here = book.At(Utc(4, 1), states, absl::InfinitePast(), true);
  ASSERT_THAT(here, SizeIs(2));
  for (const Posting& posting : here) {
    EXPECT_EQ(posting.aggregate_month, "2025-03");
    EXPECT_EQ(posting.month, "2025-03");
  }
  EXPECT_EQ(book.Cents("lakeside", KIND_AVOIDANCE_REVERSED, SIDE_ORDERING), -10'012);
  EXPECT_EQ(book.Cents("summit", KIND_SOURCE_CREDITED, SIDE_SOURCE), 0);
  EXPECT_EQ(book.last.due, std::nullopt);
  EXPECT_THAT(book.At(Utc(5, 1), states, absl::InfiniteFuture()), IsEmpty());
}

TEST(Postings, WhatTheTenantsSeeConfirmedIsTakenBackOnlyInTheAggregate) {
  Book book;
  (void)book.At(Utc(6, 8), {Open(Utc(3, 10))}, Utc(6, 8));
  EXPECT_EQ(book.Cents("lakeside", KIND_AVOIDANCE_CONFIRMED, SIDE_ORDERING), 10'012);
  const std::vector<KnownState> states = {Open(Utc(3, 10), Utc(6, 20)), Redone(Utc(6, 20), "summit", Utc(4, 1))};
  (void)book.At(Utc(6, 20), states, Utc(6, 20));
  EXPECT_EQ(book.Cents("lakeside", KIND_AVOIDANCE_CONFIRMED, SIDE_ORDERING), 10'012);
  // The source performed it: its own log has the redo at once, for both sides, and its credit until the aggregate.
  EXPECT_EQ(book.Cents("summit", KIND_AVOIDANCE_REVERSED, SIDE_SOURCE), -10'011);
  EXPECT_EQ(book.Cents("summit", KIND_SOURCE_CREDITED, SIDE_SOURCE), 10'011);
  (void)book.At(Utc(7, 1), states, Utc(7, 1));
  EXPECT_EQ(book.Cents("lakeside", KIND_AVOIDANCE_CONFIRMED, SIDE_ORDERING), 0);
  EXPECT_EQ(book.Cents("lakeside", KIND_AVOIDANCE_REVERSED, SIDE_ORDERING), -10'012);
  EXPECT_EQ(book.Cents("summit", KIND_SOURCE_CREDITED, SIDE_SOURCE), 0);
}

TEST(Postings, AWindowThatEndsBetweenRedoAndAggregateIsConfirmedForTheTenantsUntilThen) {
  Book book;
  (void)book.At(Utc(3, 10), {Open(Utc(3, 10))}, absl::InfinitePast());
  const std::vector<KnownState> states = {Open(Utc(3, 10), Utc(6, 2)), Redone(Utc(6, 2), "harbor", Utc(6, 1))};
  (void)book.At(Utc(6, 2), states, Utc(6, 2));
  EXPECT_EQ(book.last.feed_due, Utc(6, 8));
  (void)book.At(Utc(6, 9), states, Utc(6, 9));
  EXPECT_EQ(book.Cents("lakeside", KIND_AVOIDANCE_CONFIRMED, SIDE_ORDERING), 10'012);
  (void)book.At(Utc(7, 2), states, Utc(7, 1));
  EXPECT_EQ(book.Cents("lakeside", KIND_AVOIDANCE_CONFIRMED, SIDE_ORDERING), 0);
}

TEST(Postings, ARedoTakenBackCompensatesThereAtOnceAndHereAMonthLater) {
  Book book;
  (void)book.At(Utc(3, 10), {Open(Utc(3, 10))}, absl::InfinitePast());
  std::vector<KnownState> states = {Open(Utc(3, 10), Utc(3, 20)), Redone(Utc(3, 20), "harbor", Utc(3, 19), Utc(4, 10)),
                                    Open(Utc(4, 10))};
  (void)book.At(Utc(3, 20), states, absl::InfinitePast());
  (void)book.At(Utc(4, 1), states, absl::InfinitePast());
  (void)book.At(Utc(4, 10), states, absl::InfinitePast());
  EXPECT_EQ(book.Cents("harbor", KIND_AVOIDANCE_REVERSED, SIDE_ORDERING), 0);
  EXPECT_EQ(book.Cents("lakeside", KIND_AVOIDANCE_REVERSED, SIDE_ORDERING), -10'012);
  EXPECT_EQ(book.last.due, Utc(5, 1));
  const auto back = book.At(Utc(5, 1), states, absl::InfinitePast());
  for (const Posting& posting : back) EXPECT_EQ(posting.aggregate_month, "2025-04");
  EXPECT_EQ(book.Cents("lakeside", KIND_AVOIDANCE_REVERSED, SIDE_ORDERING), 0);
  EXPECT_EQ(book.Cents("summit", KIND_SOURCE_CREDITED, SIDE_SOURCE), 10'011);
}

TEST(Postings, ARedoTakenBackWithinTheMonthNeverReachesTheTenants) {
  Book book;
  (void)book.At(Utc(3, 10), {Open(Utc(3, 10))}, absl::InfinitePast());
  const std::vector<KnownState> states = {Open(Utc(3, 10), Utc(3, 20)), Redone(Utc(3, 20), "harbor", Utc(3, 19), Utc(3, 25)),
                                          Open(Utc(3, 25))};
  (void)book.At(Utc(3, 20), states, absl::InfinitePast());
  (void)book.At(Utc(3, 25), states, absl::InfinitePast());
  EXPECT_THAT(book.At(Utc(4, 1), states, absl::InfinitePast()), IsEmpty());
  EXPECT_EQ(book.Cents("harbor", KIND_AVOIDANCE_REVERSED, SIDE_SOURCE), 0);
}

TEST(Postings, ALateCensoringTakesTheConfirmationBack) {
  Book book;
  (void)book.At(Utc(6, 8), {Open(Utc(3, 10))}, Utc(6, 8));
  KnownState censored{
      .known_from = Utc(6, 20), .standing = Standing::kCensored, .why = "gap", .reversed_by = "", .ended_at = Utc(5, 1)};
  (void)book.At(Utc(6, 20), {Open(Utc(3, 10), Utc(6, 20)), censored}, Utc(6, 20));
  EXPECT_EQ(book.Cents("lakeside", KIND_AVOIDANCE_CONFIRMED, SIDE_ORDERING), 0);
  EXPECT_EQ(book.Cents("lakeside", KIND_AVOIDANCE_CENSORED, SIDE_ORDERING), 10'012);
  // Censored is not reversed: the source keeps its credit in gross.
  EXPECT_EQ(book.Cents("summit", KIND_SOURCE_CREDITED, SIDE_SOURCE), 10'011);
}

TEST(Postings, WhatIsNoAvoidanceAnyMoreIsTakenBackInTheMonthItWasSaid) {
  Book book;
  (void)book.At(Utc(6, 8), {Open(Utc(3, 10))}, Utc(6, 8));
  const auto back = book.At(Utc(7, 3), {Open(Utc(3, 10), Utc(7, 3))}, Utc(7, 3));
  ASSERT_THAT(back, SizeIs(2));
  EXPECT_EQ(back[0].month, "2025-06");
  EXPECT_EQ(back[0].sequence, 1);
  EXPECT_EQ(book.Cents("lakeside", KIND_AVOIDANCE_CONFIRMED, SIDE_ORDERING), 0);
  EXPECT_EQ(book.Cents("summit", KIND_SOURCE_CREDITED, SIDE_SOURCE), 0);
}

TEST(Postings, WhatIsKnownToHappenLaterIsDueThen) {
  Book book;
  (void)book.At(Utc(3, 10), {Open(Utc(3, 10), Utc(3, 20)), Redone(Utc(3, 20), "lakeside", Utc(3, 20))}, absl::InfinitePast());
  EXPECT_EQ(book.last.due, Utc(3, 20));
  EXPECT_EQ(book.Cents("lakeside", KIND_AVOIDANCE_REVERSED, SIDE_ORDERING), 0);
}

}  // namespace
}  // namespace custodian::savings

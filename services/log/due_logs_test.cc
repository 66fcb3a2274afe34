#include "services/log/due_logs.h"

#include <gtest/gtest.h>

#include "absl/time/clock.h"

namespace custodian::log {
namespace {

TEST(DueLogs, GivesTheLongestDueFirstAndEachOnce) {
  DueLogs due;
  const absl::Time now = absl::Now();
  due.Add(1, now - absl::Seconds(1));
  due.Add(2, now - absl::Seconds(3));
  due.Add(3, now - absl::Seconds(2));
  due.Add(1, now - absl::Seconds(4));
  due.Add(1, now);
  EXPECT_EQ(due.Take(), 1u);
  EXPECT_EQ(due.Take(), 2u);
  EXPECT_EQ(due.Take(), 3u);
}

TEST(DueLogs, WhatFallsDueWhileItIsWorkedOnComesAfterwards) {
  DueLogs due;
  due.Add(1, absl::Now());
  ASSERT_EQ(due.Take(), 1u);
  due.Add(1, absl::Now());
  due.Add(2, absl::Now());
  EXPECT_EQ(due.Take(), 2u);
  due.Done(1, absl::InfiniteFuture());
  EXPECT_EQ(due.Take(), 1u);
}

TEST(DueLogs, WaitsUntilItIsDue) {
  DueLogs due;
  due.Add(1, absl::Now());
  ASSERT_EQ(due.Take(), 1u);
  const absl::Time next = absl::Now() + absl::Milliseconds(30);
  due.Done(1, next);
  EXPECT_EQ(due.Take(), 1u);
  EXPECT_GE(absl::Now(), next);
}

TEST(DueLogs, NothingIsGivenWhileResting) {
  DueLogs due;
  const absl::Time until = absl::Now() + absl::Milliseconds(30);
  due.RestUntil(until);
  due.Add(1, absl::InfinitePast());
  EXPECT_EQ(due.Take(), 1u);
  EXPECT_GE(absl::Now(), until);
}

TEST(DueLogs, NothingOnceStopped) {
  DueLogs due;
  due.Add(1, absl::Now());
  due.Stop();
  EXPECT_EQ(due.Take(), std::nullopt);
}

}  // namespace
}  // namespace custodian::log

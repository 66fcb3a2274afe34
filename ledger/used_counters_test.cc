#include "ledger/used_counters.h"

#include <gtest/gtest.h>

namespace custodian::ledger {
namespace {

// "7-9,12-12" of what is missing at a log time.
std::string Missing(const UsedCounters& used, std::int64_t log_ms) {
  std::string text;
  for (const MissingCounters& missing : used.Missing(log_ms)) text += (text.empty() ? "" : ",") + std::to_string(missing.first) + "-" + std::to_string(missing.last);
  return text;
}

TEST(UsedCounters, ForgetsTheLowestGapPastALimit) {
  UsedCounters used;
  for (std::uint64_t counter = 2; counter <= 2 * 1'024; counter += 2) EXPECT_TRUE(used.Insert(counter, 0));
  EXPECT_EQ(used.runs().size(), 1'025u);
  EXPECT_TRUE(used.Insert(1, 0));
  EXPECT_TRUE(used.Insert(3'000, 0));
  EXPECT_TRUE(used.Insert(5'000, 0));
  // One gap too many: 3 was the lowest.
  EXPECT_FALSE(used.Insert(3, 0));
  EXPECT_TRUE(used.Insert(5, 0));
  EXPECT_FALSE(used.Insert(5, 0));
  EXPECT_EQ(UsedCounters::Create(used.runs())->runs().size(), used.runs().size());
  EXPECT_FALSE(UsedCounters::Create({{0, {3, 0}}, {4, {5, 0}}}).ok());
  EXPECT_FALSE(UsedCounters::Create({{1, {3, 0}}}).ok());
}

TEST(UsedCounters, GapIsMissingOnceItIsOlderThanAMinute) {
  UsedCounters used;
  EXPECT_TRUE(used.Insert(1, 1'000));
  EXPECT_TRUE(used.Insert(5, 2'000));
  EXPECT_EQ(Missing(used, 62'000), "");
  EXPECT_EQ(Missing(used, 62'001), "2-4");
  // What is left of it is as old as it was.
  EXPECT_TRUE(used.Insert(3, 62'001));
  EXPECT_EQ(Missing(used, 62'001), "2-2,4-4");
  EXPECT_TRUE(used.Insert(9, 62'001));
  EXPECT_EQ(Missing(used, 62'002), "2-2,4-4");
  EXPECT_TRUE(used.Insert(2, 62'002));
  EXPECT_TRUE(used.Insert(4, 62'002));
  EXPECT_EQ(Missing(used, 122'001), "");
  EXPECT_EQ(Missing(used, 122'002), "6-8");
}

TEST(UsedCounters, NumbersBeforeTheFirstAreAGap) {
  UsedCounters used;
  EXPECT_TRUE(used.Insert(3, 0));
  EXPECT_EQ(Missing(used, 60'001), "1-2");
}

}  // namespace
}  // namespace custodian::ledger

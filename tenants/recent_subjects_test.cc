#include "tenants/recent_subjects.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace custodian::tenants {
namespace {

using testing::ElementsAre;
using testing::Optional;

TEST(RecentSubjects, KnowsWhatWasNotedWithoutAGap) {
  RecentSubjects recent;
  EXPECT_EQ(recent.Take(0, 1), std::nullopt);
  recent.Note(10, {"a", ""});
  recent.Note(12, {std::nullopt});
  EXPECT_THAT(recent.Take(10, 3), Optional(ElementsAre("a", "", std::nullopt)));
  EXPECT_THAT(recent.Take(11, 1), Optional(ElementsAre("")));
  EXPECT_EQ(recent.Take(10, 1), std::nullopt) << "what was passed is forgotten";
  EXPECT_EQ(recent.Take(11, 3), std::nullopt);
  EXPECT_EQ(recent.Take(14, 0), std::nullopt);
  recent.Note(20, {"b"});
  EXPECT_EQ(recent.Take(12, 1), std::nullopt);
  EXPECT_THAT(recent.Take(20, 1), Optional(ElementsAre("b")));
}

TEST(RecentSubjects, ForgetsTheOldestPastItsLimit) {
  RecentSubjects recent;
  recent.Note(0, std::vector<RecentSubjects::Subject>(29'999, "a"));
  recent.Note(29'999, {"b", "c"});
  EXPECT_EQ(recent.Take(0, 1), std::nullopt);
  EXPECT_THAT(recent.Take(29'998, 3), Optional(ElementsAre("a", "b", "c")));
}

}  // namespace
}  // namespace custodian::tenants

#include "services/savings/timeline.h"

#include <algorithm>
#include <map>
#include <sstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace custodian::savings {
namespace {

using exchange::Exam;
using exchange::OpenedRecord;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr absl::Duration kMs = absl::Milliseconds(1);
absl::Duration Days(int days) { return absl::Hours(24 * days); }
absl::Time T0() { return absl::FromCivil(absl::CivilSecond(2025, 10, 1, 9, 30, 0), absl::UTCTimeZone()); }

Acceptance AcceptanceAt(absl::Time t, std::string order = "o1") {
  Acceptance acceptance;
  acceptance.tenant = "lakeside";
  acceptance.order = std::move(order);
  acceptance.avoidance_id = acceptance.order;
  acceptance.class_id = "mr-knee-wo";
  acceptance.modality = "MR";
  acceptance.laterality = "left";
  acceptance.source_tenant = "summit";
  acceptance.t = t;
  acceptance.observe = Days(90);
  acceptance.reversal_set = {"mr-knee-wo", "mr-knee-w"};
  acceptance.cents = 20'022;
  acceptance.arrived = t;
  return acceptance;
}

// The exams of these tests: a record "Exam" whose JSON is "<class> <laterality> <status> <performed ms>"; the newest version says
// what is so, the earliest performed one since when it is known. (What FHIR resources become exams is exchange::ExamsOf's
// business.)
std::vector<Exam> ExamsOfLines(const std::vector<const OpenedRecord*>& records, std::string_view /*ordering_tenant*/) {
  std::map<std::string, std::vector<const OpenedRecord*>> by_id;
  for (const OpenedRecord* record : records) {
    if (record->resource_type == "Exam") by_id[record->id].push_back(record);
  }
  std::vector<Exam> exams;
  for (auto& [id, versions] : by_id) {
    std::sort(versions.begin(), versions.end(), [](auto* a, auto* b) { return a->version < b->version; });
    Exam exam;
    bool known = false;
    for (const OpenedRecord* version : versions) {
      std::istringstream line(version->json);
      std::string status;
      std::int64_t ms = 0;
      line >> exam.class_id >> exam.laterality >> status >> ms;
      exam.performed = status == "final";
      exam.performed_begin = absl::FromUnixMillis(ms);
      exam.performed_end = exam.performed_begin + kMs;
      if (exam.performed && !known) exam.arrived = version->arrived;
      known |= exam.performed;
    }
    exam.performing_tenant = versions.back()->tenant_name;
    exam.accession = id;
    exams.push_back(exam);
  }
  return exams;
}

OpenedRecord ExamRecord(std::string id, std::uint64_t version, std::string class_and_side, std::string status,
                        absl::Time performed, absl::Time arrived) {
  return {.tenant_name = "summit",
          .resource_type = "Exam",
          .id = std::move(id),
          .version = version,
          .json = class_and_side + " " + status + " " + std::to_string(absl::ToUnixMillis(performed)),
          .arrived = arrived};
}

OpenedRecord PatientRecord(std::uint64_t version, std::string json, absl::Time arrived) {
  return {.tenant_name = "lakeside",
          .resource_type = "Patient",
          .id = "p",
          .version = version,
          .json = std::move(json),
          .arrived = arrived};
}

std::vector<std::vector<KnownState>> TimelineOf(const Evidence& evidence) {
  return Timeline(evidence, ExamsOfLines, [](std::string_view) {
    absl::TimeZone zone;
    EXPECT_TRUE(absl::LoadTimeZone("America/Chicago", &zone));
    return zone;
  });
}

TEST(Timeline, IsEmptyWithoutAcceptances) { EXPECT_THAT(TimelineOf({}), IsEmpty()); }

TEST(Timeline, AnAcceptanceIsOpenFromItsArrivalOn) {
  auto a = AcceptanceAt(T0());
  a.arrived = T0() + Days(1);
  const auto states = TimelineOf({.acceptances = {a}, .history = {}, .gaps = {}});
  ASSERT_THAT(states, SizeIs(1));
  ASSERT_THAT(states[0], SizeIs(1));
  EXPECT_EQ(states[0][0], (KnownState{.known_from = T0() + Days(1), .why = "", .reversed_by = "", .ended_at = std::nullopt}));
}

TEST(Timeline, ARedoCountsFromItsArrivalNotFromWhenAJobLooked) {
  const auto redo = ExamRecord("x", 1, "mr-knee-wo left", "final", T0() + Days(10), T0() + Days(40));
  const auto states = TimelineOf({.acceptances = {AcceptanceAt(T0())}, .history = {redo}, .gaps = {}});
  ASSERT_THAT(states[0], SizeIs(2));
  EXPECT_EQ(states[0][0].known_to, T0() + Days(40));
  EXPECT_EQ(states[0][1].known_from, T0() + Days(40));
  EXPECT_EQ(states[0][1].standing, Standing::kReversed);
  EXPECT_EQ(states[0][1].ended_at, T0() + Days(10));
  EXPECT_EQ(states[0][1].reversed_by, "summit");
}

TEST(Timeline, AFutureExamReversesOnlyWhenItHasHappened) {
  const auto redo = ExamRecord("x", 1, "mr-knee-wo left", "final", T0() + Days(10), T0() + Days(2));
  const auto states = TimelineOf({.acceptances = {AcceptanceAt(T0())}, .history = {redo}, .gaps = {}});
  ASSERT_THAT(states[0], SizeIs(2));
  EXPECT_EQ(states[0][1].known_from, T0() + Days(10));
}

TEST(Timeline, ARedoEnteredInErrorReversesOnlyWhileItStood) {
  const Evidence evidence{
      .acceptances = {AcceptanceAt(T0())},
      .history = {ExamRecord("x", 1, "mr-knee-wo left", "final", T0() + Days(10), T0() + Days(11)),
                  ExamRecord("x", 2, "mr-knee-wo left", "entered-in-error", T0() + Days(10), T0() + Days(20))},
      .gaps = {}};
  const auto states = TimelineOf(evidence);
  ASSERT_THAT(states[0], SizeIs(3));
  EXPECT_EQ(states[0][1].standing, Standing::kReversed);
  EXPECT_EQ(states[0][2].standing, Standing::kOpen);
  EXPECT_EQ(states[0][2].known_from, T0() + Days(20));
}

TEST(Timeline, OnlyTheReversalSetAndTheSameSideReverse) {
  for (const auto& [what, reverses] : std::vector<std::pair<std::string, bool>>{{"mr-knee-wo left", true},
                                                                                {"mr-knee-w left", true},
                                                                                {"mr-knee-wo bilateral", true},
                                                                                {"mr-knee-wo right", false},
                                                                                {"mr-lumbar-wo left", false}}) {
    const auto states = TimelineOf({.acceptances = {AcceptanceAt(T0())},
                                    .history = {ExamRecord("x", 1, what, "final", T0() + Days(1), T0() + Days(1))},
                                    .gaps = {}});
    EXPECT_EQ(states[0].back().standing == Standing::kReversed, reverses) << what;
  }
}

TEST(Timeline, TheOtherSideIsAKeyOfItsOwn) {
  auto right = AcceptanceAt(T0() + Days(1), "o2");
  right.laterality = "right";
  const auto states = TimelineOf({.acceptances = {AcceptanceAt(T0()), right}, .history = {}, .gaps = {}});
  EXPECT_THAT(states[0], SizeIs(1));
  EXPECT_THAT(states[1], SizeIs(1));
}

TEST(Timeline, ALateEarlierAcceptanceTakesThePlaceOfTheFirst) {
  auto late = AcceptanceAt(T0() - Days(1), "o2");
  late.arrived = T0() + Days(5);
  const auto states = TimelineOf({.acceptances = {AcceptanceAt(T0()), late}, .history = {}, .gaps = {}});
  ASSERT_THAT(states[0], SizeIs(1));
  EXPECT_EQ(states[0][0].known_to, T0() + Days(5));
  ASSERT_THAT(states[1], SizeIs(1));
  EXPECT_EQ(states[1][0].known_from, T0() + Days(5));
  EXPECT_EQ(states[1][0].known_to, absl::InfiniteFuture());
}

TEST(Timeline, AGapCensorsFromItsArrival) {
  const Censoring gap{.from = T0() + Days(3), .to = T0() + Days(4), .arrived = T0() + Days(6), .why = "gap"};
  const auto states = TimelineOf({.acceptances = {AcceptanceAt(T0())}, .history = {}, .gaps = {gap}});
  ASSERT_THAT(states[0], SizeIs(2));
  EXPECT_EQ(states[0][1].standing, Standing::kCensored);
  EXPECT_EQ(states[0][1].known_from, T0() + Days(6));
  EXPECT_EQ(states[0][1].ended_at, T0() + Days(3));
}

TEST(Timeline, ADeathCensorsWhicheverTenantReportsIt) {
  const Evidence evidence{
      .acceptances = {AcceptanceAt(T0())},
      .history = {PatientRecord(1, R"({"resourceType":"Patient"})", T0() - Days(9)),
                  PatientRecord(2, R"({"resourceType":"Patient","deceasedDateTime":"2025-10-20"})", T0() + Days(30))},
      .gaps = {}};
  const auto states = TimelineOf(evidence);
  ASSERT_THAT(states[0], SizeIs(2));
  EXPECT_EQ(states[0][1].why, "death");
  EXPECT_EQ(states[0][1].known_from, T0() + Days(30));
  // Midnight in Chicago.
  EXPECT_EQ(states[0][1].ended_at, absl::FromCivil(absl::CivilSecond(2025, 10, 20, 5, 0, 0), absl::UTCTimeZone()));
}

TEST(Timeline, ADeathWithoutATimeCountsFromWhenItWasFirstSaid) {
  const Evidence evidence{.acceptances = {AcceptanceAt(T0())},
                          .history = {PatientRecord(1, R"({"deceasedBoolean":false})", T0() - Days(9)),
                                      PatientRecord(2, R"({"deceasedBoolean":true})", T0() + Days(30)),
                                      PatientRecord(3, R"({"deceasedBoolean":true,"active":false})", T0() + Days(50))},
                          .gaps = {}};
  const auto states = TimelineOf(evidence);
  ASSERT_THAT(states[0], SizeIs(2));
  EXPECT_EQ(states[0][1].ended_at, T0() + Days(30));
}

TEST(Timeline, ADeathTakenBackCensorsNoLonger) {
  const Evidence evidence{.acceptances = {AcceptanceAt(T0())},
                          .history = {PatientRecord(1, R"({"deceasedBoolean":true})", T0() + Days(30)),
                                      PatientRecord(2, R"({"deceasedBoolean":false})", T0() + Days(31))},
                          .gaps = {}};
  const auto states = TimelineOf(evidence);
  ASSERT_THAT(states[0], SizeIs(3));
  EXPECT_EQ(states[0][2].standing, Standing::kOpen);
}

TEST(Timeline, AWithdrawalIsKnownFromItsArrival) {
  auto a = AcceptanceAt(T0());
  a.withdrawn_at = T0() + Days(1);
  a.withdrawal_arrived = T0() + Days(2);
  const auto states = TimelineOf({.acceptances = {a}, .history = {}, .gaps = {}});
  ASSERT_THAT(states[0], SizeIs(2));
  EXPECT_EQ(states[0][1].known_from, T0() + Days(2));
  EXPECT_EQ(states[0][1].why, "withdrawn");
}

}  // namespace
}  // namespace custodian::savings

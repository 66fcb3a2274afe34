#include "services/savings/evaluator.h"

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "services/savings/metrics.h"
#include "services/savings/test_network.h"

namespace custodian::savings {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

absl::Duration Days(int days) { return absl::Hours(24 * days); }

// The class is observed for 90 days and costs 18,827 cents: 9,413 to the source, 9,414 to the ordering tenant.
class EvaluatorTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    const auto postgres = testing::TestSuperuser();
    ASSERT_TRUE(postgres.ok()) << postgres.status();
    shared = std::make_unique<TestNetwork>();
  }
  static void TearDownTestSuite() { shared.reset(); }
  void SetUp() override {
    ASSERT_NE(shared, nullptr);
    net = shared.get();
    net->Begin();
    t0 = net->Start();
  }
  // Whatever was done and wherever it stopped, an honest projection has no discrepancies.
  void TearDown() override {
    EXPECT_EQ(net->Audit(), "");
    net->clock.Advance(Days(100));
    EXPECT_EQ(net->Audit(), "");
    net->AdvanceAllFeeds();
    EXPECT_EQ(net->Audit(), "");
    Drain();
    EXPECT_EQ(net->Audit(), "");
  }
  void Drain() {
    EXPECT_EQ(net->Audit(), "");
    const absl::Status status = net->Drain();
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_EQ(net->Audit(), "");
  }
  // To a moment, with all feeds.
  void MoveTo(absl::Time time) {
    net->clock.Set(time);
    EXPECT_EQ(net->Audit(), "");
    net->AdvanceAllFeeds();
    Drain();
  }

  static inline std::unique_ptr<TestNetwork> shared;
  TestNetwork* net = nullptr;
  absl::Time t0;
};

TEST_F(EvaluatorTest, AnAcceptanceIsPendingAndCreditsTheSource) {
  net->Accept("lakeside", "summit", "c1");
  Drain();
  EXPECT_EQ(net->Exams(), "1/1/0/0/0");
  EXPECT_THAT(net->MoneyOf("summit"), ElementsAre("SOURCE_CREDITED source 9413 1"));
  EXPECT_THAT(net->MoneyOf("lakeside"), IsEmpty());
}

TEST_F(EvaluatorTest, AReportDrainsWhatWaits) {
  net->Accept("lakeside", "summit", "c1");
  EXPECT_EQ(net->Exams(), "1/1/0/0/0");
}

TEST_F(EvaluatorTest, ASecondAcceptanceOfTheSameExamElsewhereIsNoSecondAvoidance) {
  net->Accept("lakeside", "summit", "c1");
  net->clock.Advance(absl::Hours(1));
  net->Accept("harbor", "summit", "c2");
  EXPECT_EQ(net->Exams(), "1/1/0/0/0");
}

TEST_F(EvaluatorTest, ConfirmationNeedsTheTimeAndEveryFeed) {
  net->Accept("lakeside", "summit", "c1");
  net->clock.Set(t0 + Days(90));
  net->Feed("lakeside", false, t0, t0 + Days(90));
  net->Feed("summit", false, t0, t0 + Days(90));
  EXPECT_EQ(net->Exams(), "1/1/0/0/0");
  net->Feed("harbor", false, t0, t0 + Days(90));
  EXPECT_EQ(net->Exams(), "1/0/1/0/0");
  EXPECT_EQ(net->Exams("", t0 + Days(90) - absl::Milliseconds(1)), "1/1/0/0/0");
  EXPECT_THAT(net->MoneyOf("lakeside"), ElementsAre("AVOIDANCE_CONFIRMED ordering 9414 1"));
}

TEST_F(EvaluatorTest, WhatTheOrderingTenantsNodeSaysMarksTheFigure) {
  net->Accept("lakeside", "summit", "c1");
  Drain();
  const std::string acceptance = net->database("lakeside").One("SELECT max(entry_index) FROM savings.fact");
  const auto says = [&](const char* kind, const std::string& first, const std::string& past, int after) {
    net->clock.Advance(absl::Hours(1));
    const std::string row = absl::StrCat("INSERT INTO savings.tenants_word (entry_index, kind, first_index, past_index, arrived_ms) VALUES (", acceptance, " + ",
                                         after, ", '", kind, "', ", first, ", ", past, ", ", absl::ToUnixMillis(net->clock.Now()), ")");
    ASSERT_TRUE(net->database("lakeside").Sql(row).ok());
    ASSERT_TRUE(net->evaluator->TakeWord(net->At("lakeside").tenant.id).ok());
  };
  const auto marks = [&](std::optional<absl::Time> as_of = std::nullopt) {
    const Report report = net->reporter->Make(as_of, "").value();
    return absl::StrCat(report.total.countersigned.gross.exams, "/", report.total.disputed.gross.exams);
  };
  EXPECT_EQ(marks(), "0/0");
  says("countersigned", "0", acceptance, 1);
  EXPECT_EQ(marks(), "0/0") << "the range ends before it";
  const absl::Time before = net->clock.Now();
  says("countersigned", acceptance, acceptance + " + 1", 2);
  EXPECT_EQ(marks(), "1/0");
  EXPECT_EQ(marks(before), "0/0") << "as it was known then";
  says("disputed", acceptance, acceptance + " + 1", 3);
  EXPECT_EQ(marks(), "0/1");
  ASSERT_TRUE(net->evaluator->TakeWord(net->At("lakeside").tenant.id).ok());
  EXPECT_EQ(net->Exams(), "1/1/0/0/0");
}

TEST_F(EvaluatorTest, ARedoAtTheOrderingTenantReversesOnBothSidesAtOnce) {
  net->Accept("lakeside", "summit", "c1");
  Drain();
  net->clock.Set(t0 + Days(5));
  net->PutExam("lakeside", "A1", t0 + Days(4));
  EXPECT_EQ(net->Exams(), "1/0/0/1/0");
  EXPECT_EQ(net->Exams("lakeside"), "1/0/0/1/0");
  EXPECT_THAT(net->MoneyOf("lakeside"), ElementsAre("AVOIDANCE_REVERSED ordering -9414 -1"));
  EXPECT_THAT(net->MoneyOf("summit"), ElementsAre("SOURCE_CREDITED source 9413 1", "SOURCE_CREDITED source -9413 -1"));
  // What was known before stays known as it was.
  EXPECT_EQ(net->Exams("", t0 + Days(5) - absl::Milliseconds(1)), "1/1/0/0/0");
}

TEST_F(EvaluatorTest, ARedoElsewhereReachesTheTenantsWithTheMonthsAggregate) {
  net->Accept("lakeside", "summit", "c1");
  net->clock.Set(t0 + Days(5));
  net->PutExam("harbor", "H1", t0 + Days(4));
  EXPECT_EQ(net->Exams(), "1/0/0/1/0");
  EXPECT_EQ(net->Exams("lakeside"), "1/1/0/0/0");
  EXPECT_EQ(net->Exams("summit"), "1/1/0/0/0");
  EXPECT_THAT(net->MoneyOf("harbor"),
              UnorderedElementsAre("AVOIDANCE_REVERSED ordering -9414 -1", "AVOIDANCE_REVERSED source -9413 -1"));
  EXPECT_THAT(net->MoneyOf("lakeside"), IsEmpty());
  const std::string metrics = Metrics(*net->reporter).Render();
  EXPECT_THAT(metrics, HasSubstr(R"(custodian_savings_reversed_usd_total{modality="MR",side="ordering",tenant="lakeside"} 0)"));

  const absl::Time april = net->Month(4);
  MoveTo(april);
  EXPECT_EQ(net->Exams("lakeside"), "1/0/0/1/0");
  EXPECT_EQ(net->Exams("lakeside", april - absl::Milliseconds(1)), "1/1/0/0/0");
  EXPECT_THAT(net->MoneyOf("lakeside"), ElementsAre("AVOIDANCE_REVERSED ordering -9414 -1 aggregate"));
  EXPECT_THAT(net->MoneyOf("summit"), ElementsAre("SOURCE_CREDITED source 9413 1", "SOURCE_CREDITED source -9413 -1 aggregate"));
  EXPECT_THAT(Metrics(*net->reporter).Render(),
              HasSubstr(R"(custodian_savings_reversed_usd_total{modality="MR",side="ordering",tenant="lakeside"} 94.14)"));
  // Nothing more follows, however often it is settled.
  MoveTo(april + Days(31));
  EXPECT_EQ(net->MoneyOf("lakeside").size(), 1u);
}

TEST_F(EvaluatorTest, AMonthsRedosElsewhereMakeOneAggregateEntryASide) {
  net->Accept("lakeside", "summit", "c1");
  net->clock.Set(t0 + Days(2));
  net->PutExam("harbor", "H1", t0 + Days(2));
  net->clock.Set(t0 + Days(3));
  net->Accept("lakeside", "summit", "c2");
  net->clock.Set(t0 + Days(5));
  net->PutExam("harbor", "H2", t0 + Days(5));
  EXPECT_EQ(net->Exams(), "2/0/0/2/0");
  MoveTo(net->Month(4));
  EXPECT_THAT(net->MoneyOf("lakeside"), ElementsAre("AVOIDANCE_REVERSED ordering -18828 -2 aggregate"));
}

TEST_F(EvaluatorTest, AWithdrawalReversesAndFreesTheKey) {
  net->Accept("lakeside", "summit", "c1");
  net->clock.Set(t0 + Days(1));
  net->Withdraw("lakeside", "c1");
  EXPECT_EQ(net->Exams(), "1/0/0/1/0");
  net->clock.Set(t0 + Days(2));
  net->Accept("lakeside", "summit", "c2");
  EXPECT_EQ(net->Exams(), "2/1/0/1/0");
}

TEST_F(EvaluatorTest, AGapOfAnyTenantsFeedCensors) {
  net->Accept("lakeside", "summit", "c1");
  Drain();
  net->clock.Set(t0 + Days(10));
  net->Feed("harbor", true, t0 + Days(3), t0 + Days(4));
  EXPECT_EQ(net->Exams(), "1/0/0/0/1");
  EXPECT_EQ(net->Exams("", t0 + Days(9)), "1/1/0/0/0");
  EXPECT_THAT(net->MoneyOf("lakeside"), ElementsAre("AVOIDANCE_CENSORED ordering 9414 1"));
}

TEST_F(EvaluatorTest, AGapKnownBeforeALateAcceptanceCensorsItToo) {
  net->clock.Set(t0 + Days(10));
  net->Feed("harbor", true, t0 + Days(9), t0 + Days(11));
  Drain();
  net->Accept("lakeside", "summit", "c1");
  EXPECT_EQ(net->Exams(), "1/0/0/0/1");
}

TEST_F(EvaluatorTest, ADeathCensors) {
  net->Accept("lakeside", "summit", "c1");
  net->clock.Set(t0 + Days(20));
  net->Put("harbor", "Patient/" + net->PatientName(),
           net->PatientJson(absl::StrCat(R"(,"deceasedDateTime":")", net->year, R"(-03-25T10:00:00-05:00")")));
  EXPECT_EQ(net->Exams(), "1/0/0/0/1");
}

TEST_F(EvaluatorTest, ALateRedoTakesTheConfirmationBack) {
  net->Accept("lakeside", "summit", "c1");
  MoveTo(t0 + Days(91));
  EXPECT_EQ(net->Exams(), "1/0/1/0/0");
  net->clock.Set(t0 + Days(92));
  net->PutExam("lakeside", "A1", t0 + Days(50));
  EXPECT_EQ(net->Exams(), "1/0/0/1/0");
  EXPECT_EQ(net->Exams("", t0 + Days(91)), "1/0/1/0/0");
  EXPECT_THAT(net->MoneyOf("lakeside"),
              ElementsAre("AVOIDANCE_CONFIRMED ordering 9414 1", "AVOIDANCE_CONFIRMED ordering -9414 -1",
                          "AVOIDANCE_REVERSED ordering -9414 -1"));
}

TEST_F(EvaluatorTest, ACancelledRedoReversesNoLonger) {
  net->Accept("lakeside", "summit", "c1");
  net->clock.Set(t0 + Days(5));
  net->PutExam("lakeside", "A1", t0 + Days(4));
  EXPECT_EQ(net->Exams(), "1/0/0/1/0");
  net->clock.Set(t0 + Days(6));
  net->PutExam("lakeside", "A1", t0 + Days(4), "entered-in-error");
  EXPECT_EQ(net->Exams(), "1/1/0/0/0");
  EXPECT_EQ(net->Exams("", t0 + Days(5)), "1/0/0/1/0");
}

TEST_F(EvaluatorTest, AWithdrawnPriorReversesUntilItIsRestored) {
  net->PutExam("summit", "P1", t0 - Days(3));
  net->Accept("lakeside", "summit", "c1", "P1");
  net->clock.Set(t0 + Days(2));
  net->PutExam("summit", "P1", t0 - Days(3), "amended");
  EXPECT_EQ(net->Exams(), "1/1/0/0/0");
  net->clock.Set(t0 + Days(3));
  net->PutExam("summit", "P1", t0 - Days(3), "entered-in-error");
  EXPECT_EQ(net->Exams(), "1/0/0/1/0");
  EXPECT_EQ(net->network->One("SELECT why FROM savings.known_state ORDER BY known_from_ms DESC LIMIT 1"), "prior-withdrawn");
  EXPECT_EQ(net->Exams("", t0 + Days(2)), "1/1/0/0/0");
  EXPECT_THAT(net->MoneyOf("lakeside"), ::testing::Contains("AVOIDANCE_REVERSED ordering -9414 -1"));
  net->clock.Set(t0 + Days(4));
  net->PutExam("summit", "P1", t0 - Days(3), "corrected");
  EXPECT_EQ(net->Exams(), "1/1/0/0/0");
  EXPECT_EQ(net->Exams("", t0 + Days(3)), "1/0/0/1/0");
  net->clock.Set(t0 + Days(5));
  net->DeleteExam("summit", "P1");
  EXPECT_EQ(net->Exams(), "1/0/0/1/0");
}

TEST_F(EvaluatorTest, APriorWithdrawnAfterTheWindowReversesNothing) {
  net->PutExam("summit", "P1", t0 - Days(3));
  net->Accept("lakeside", "summit", "c1", "P1");
  MoveTo(t0 + Days(91));
  net->PutExam("summit", "P1", t0 - Days(3), "cancelled");
  EXPECT_EQ(net->Exams(), "1/0/1/0/0");
}

TEST_F(EvaluatorTest, AnUnlinkedSourceReversesFromWhenItIsKnown) {
  net->Accept("lakeside", "summit", "c1");
  MoveTo(t0 + Days(91));
  EXPECT_EQ(net->Exams(), "1/0/1/0/0");
  net->clock.Set(t0 + Days(92));
  net->Unlink("summit");
  EXPECT_EQ(net->Exams(), "1/0/0/1/0");
  EXPECT_EQ(net->network->One("SELECT why FROM savings.known_state ORDER BY known_from_ms DESC LIMIT 1"), "unlink");
  EXPECT_EQ(net->Exams("", t0 + Days(91)), "1/0/1/0/0");
  // Nothing moves when it is looked at again later.
  net->clock.Set(t0 + Days(95));
  ASSERT_TRUE(net->evaluator->EvaluatePerson({net->At("lakeside").tenant.id, net->Patient("lakeside")}).ok());
  EXPECT_EQ(net->Exams("", t0 + Days(92)), "1/0/0/1/0");
  // Known is known (T8), though the link comes back.
  net->Put("summit", "Patient/" + net->PatientName(), net->PatientJson());
  EXPECT_EQ(net->Exams(), "1/0/0/1/0");
}

TEST_F(EvaluatorTest, AnUndoneMergeUnlinksWhatLiesInTheOtherChart) {
  // Summit keeps two charts, which nothing but its merge joins; the prior lies in the second.
  const std::string second = net->PatientName() + "-b";
  const auto put_second = [&](const std::string& link) {
    net->Put("summit", "Patient/" + second,
             absl::StrCat(R"({"resourceType":"Patient","id":")", second, R"(","name":[{"family":"Maiden","given":["Ada"]}],"birthDate":"1970-02-03")", link, "}"));
  };
  const std::string merge = absl::StrCat(R"(,"link":[{"other":{"reference":"Patient/)", net->PatientName(), R"("},"type":"replaced-by"}])");
  put_second(merge);
  net->PutExam("summit", "P1", t0 - Days(3), "final", second);
  net->PutExam("summit", "P2", t0 - Days(9));
  net->Accept("lakeside", "summit", "c1", "P1");
  EXPECT_EQ(net->Exams(), "1/1/0/0/0");
  net->clock.Set(t0 + Days(2));
  put_second("");
  EXPECT_EQ(net->Exams(), "1/0/0/1/0");
  EXPECT_EQ(net->network->One("SELECT why FROM savings.known_state ORDER BY known_from_ms DESC LIMIT 1"), "unlink");
  EXPECT_EQ(net->Exams("", t0 + Days(1)), "1/1/0/0/0");
  // Known is known (T8), though the charts are merged again.
  net->clock.Set(t0 + Days(3));
  put_second(merge);
  EXPECT_EQ(net->Exams(), "1/0/0/1/0");
}

TEST_F(EvaluatorTest, AMergeUndoneElsewhereLeavesThePriorLinked) {
  const std::string second = net->PatientName() + "-b";
  const auto put_second = [&](const std::string& link) {
    net->Put("summit", "Patient/" + second,
             absl::StrCat(R"({"resourceType":"Patient","id":")", second, R"(","name":[{"family":"Maiden","given":["Ada"]}],"birthDate":"1970-02-03")", link, "}"));
  };
  put_second(absl::StrCat(R"(,"link":[{"other":{"reference":"Patient/)", net->PatientName(), R"("},"type":"seealso"}])"));
  net->PutExam("summit", "P1", t0 - Days(3));
  net->Accept("lakeside", "summit", "c1", "P1");
  EXPECT_EQ(net->Exams(), "1/1/0/0/0");
  put_second("");
  EXPECT_EQ(net->Exams(), "1/1/0/0/0");
}

TEST_F(EvaluatorTest, AnUndoneMergeTakesNoRedoBack) {
  // The redo lies in summit's second chart, its class in the report and its time in the study.
  for (const bool has_study : {false, true}) {
    SetUp();
    const std::string second = net->PatientName() + "-b";
    const auto put_second = [&](const std::string& link) {
      net->Put("summit", "Patient/" + second,
               absl::StrCat(R"({"resourceType":"Patient","id":")", second, R"(","name":[{"family":"Maiden","given":["Ada"]}],"birthDate":"1970-02-03")", link, "}"));
    };
    const std::string merge = absl::StrCat(R"(,"link":[{"other":{"reference":"Patient/)", net->PatientName(), R"("},"type":"replaced-by"}])");
    put_second(merge);
    net->PutExam("summit", "P1", t0 - Days(3));
    net->Accept("lakeside", "summit", "c1", "P1");
    net->clock.Set(t0 + Days(5));
    if (has_study) net->PutStudy("summit", "R1", t0 + Days(4), second);
    net->PutExam("summit", "R1", has_study ? absl::InfinitePast() : t0 + Days(4), "final", second);
    EXPECT_EQ(net->Exams(), "1/0/0/1/0");
    net->clock.Set(t0 + Days(6));
    put_second("");
    EXPECT_EQ(net->Exams(), "1/0/0/1/0") << has_study;
    EXPECT_EQ(net->network->One("SELECT string_agg(why, ' ') FROM savings.known_state WHERE state = 'reversed'"), "redo");
    // Merged again, its tenant may take it back.
    net->clock.Set(t0 + Days(7));
    put_second(merge);
    EXPECT_EQ(net->Exams(), "1/0/0/1/0") << has_study;
    if (has_study) net->PutStudy("summit", "R1", t0 + Days(4), second, "cancelled");
    net->PutExam("summit", "R1", has_study ? absl::InfinitePast() : t0 + Days(4), "cancelled", second);
    EXPECT_EQ(net->Exams(), "1/1/0/0/0") << has_study;
    EXPECT_EQ(net->Exams("", t0 + Days(6)), "1/0/0/1/0") << has_study;
  }
}

TEST_F(EvaluatorTest, AnUnlinkedOrderingPatientReversesToo) {
  net->Accept("lakeside", "summit", "c1");
  Drain();
  net->clock.Set(t0 + Days(2));
  net->Unlink("lakeside");
  EXPECT_EQ(net->Exams(), "1/0/0/1/0");
}

TEST_F(EvaluatorTest, AnUnlinkTakesNoRedoBack) {
  for (const char* redone_at : {"harbor", "summit"}) {
    SetUp();
    net->Accept("lakeside", "summit", "c1");
    net->clock.Set(t0 + Days(5));
    net->PutExam(redone_at, "H1", t0 + Days(4));
    EXPECT_EQ(net->Exams(), "1/0/0/1/0");
    net->clock.Set(t0 + Days(6));
    net->Accept("lakeside", "summit", "c2");
    EXPECT_EQ(net->Exams(), "2/1/0/1/0");
    net->clock.Set(t0 + Days(7));
    net->Unlink(redone_at);
    const std::string after = redone_at == std::string("harbor") ? "2/1/0/1/0" : "2/0/0/2/0";
    EXPECT_EQ(net->Exams(), after) << redone_at;
    EXPECT_EQ(net->Exams("", t0 + Days(5)), "1/0/0/1/0") << redone_at;
    net->clock.Set(t0 + Days(8));
    for (int i = 0; i < 2; ++i)
      ASSERT_TRUE(net->evaluator->EvaluatePerson({net->At("lakeside").tenant.id, net->Patient("lakeside")}).ok());
    EXPECT_EQ(net->Exams(), after) << redone_at;
    EXPECT_EQ(net->Exams("", t0 + Days(5)), "1/0/0/1/0") << redone_at;
  }
}

TEST_F(EvaluatorTest, AnUnlinkBeforeACrashIsEvaluatedAfterwards) {
  net->Accept("lakeside", "summit", "c1");
  Drain();
  net->clock.Set(t0 + Days(2));
  ASSERT_TRUE(net->network->Sql("ALTER TABLE savings.posting RENAME TO posting_away").ok());
  net->Unlink("summit");
  EXPECT_FALSE(net->Drain().ok());
  ASSERT_TRUE(net->network->Sql("ALTER TABLE savings.posting_away RENAME TO posting").ok());
  EXPECT_EQ(net->Exams(), "1/0/0/1/0");
}

TEST_F(EvaluatorTest, ACancelledReportHidesNoRedoWhoseStudyWasMade) {
  net->Accept("lakeside", "summit", "c1");
  net->clock.Set(t0 + Days(5));
  // The report's time and status are not those of what was carried out.
  net->PutExam("lakeside", "A1", t0 - Days(400), "cancelled");
  EXPECT_EQ(net->Exams(), "1/1/0/0/0");
  net->PutStudy("lakeside", "A1", t0 + Days(4));
  EXPECT_EQ(net->Exams(), "1/0/0/1/0");
}

TEST_F(EvaluatorTest, ATenantsNarrowTableHidesNoRedo) {
  const std::string table = *TestNetwork::Table("exam-classes");
  std::string without_class;
  for (const std::string& line : std::vector<std::string>(absl::StrSplit(table, '\n'))) {
    if (!absl::StartsWith(line, "mr-lumbar-wo,")) absl::StrAppend(&without_class, line, "\n");
  }
  for (const std::string& narrow : {absl::StrReplaceAll(table, {{"30679-5", "00000-0"}}), without_class}) {
    for (const char* tenant : {"harbor", "lakeside"}) {
      SetUp();
      net->Accept("lakeside", "summit", "c1");
      net->clock.Set(t0 + Days(1));
      net->Accept("harbor", "summit", "c2");
      Drain();
      ASSERT_NE(narrow, table);
      net->own_exams[net->At(tenant).tenant.id.text()] = narrow;
      net->exam_tables->Forget();
      net->clock.Set(t0 + Days(5));
      net->PutExam("summit", "S1", t0 + Days(4));
      EXPECT_EQ(net->Exams(), "1/0/0/1/0") << tenant;
    }
  }
}

TEST_F(EvaluatorTest, RunningAgainChangesNothing) {
  net->Accept("lakeside", "summit", "c1");
  Drain();
  const auto size = net->At("summit").writer->size();
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(net->evaluator->EvaluatePerson({net->At("harbor").tenant.id, net->Patient("harbor")}).ok());
    ASSERT_TRUE(net->evaluator->Settle().ok());
  }
  EXPECT_EQ(net->At("summit").writer->size(), size);
  EXPECT_EQ(net->network->One("SELECT count(*) FROM savings.known_state"), "1");
}

TEST_F(EvaluatorTest, ACrashAfterAdmissionLeavesAnEntryThatTheNextRunMarks) {
  net->Accept("lakeside", "summit", "c1");
  Drain();
  const std::string index = net->network->One("SELECT entry_index FROM savings.posting");
  const auto size = net->At("summit").writer->size();
  ASSERT_TRUE(net->network->Sql("UPDATE savings.posting SET entry_index = NULL").ok());
  ASSERT_TRUE(net->evaluator->Settle().ok());
  EXPECT_EQ(net->network->One("SELECT entry_index FROM savings.posting"), index);
  EXPECT_EQ(net->At("summit").writer->size(), size);
}

TEST_F(EvaluatorTest, ACrashAfterPlanningAnAggregateAdmitsItOnce) {
  net->Accept("lakeside", "summit", "c1");
  net->clock.Set(t0 + Days(5));
  net->PutExam("harbor", "H1", t0 + Days(4));
  MoveTo(net->Month(4));
  const auto size = net->At("lakeside").writer->size();
  ASSERT_TRUE(net->network->Sql("UPDATE savings.posting SET entry_index = NULL").ok());
  ASSERT_TRUE(net->evaluator->Settle().ok());
  EXPECT_EQ(net->At("lakeside").writer->size(), size);
  EXPECT_EQ(net->network->One("SELECT count(*) FROM savings.posting WHERE entry_index IS NULL"), "0");
}

TEST_F(EvaluatorTest, ACrashBeforeTheProjectionIsWrittenIsFinishedByTheOutbox) {
  net->Accept("lakeside", "summit", "c1");
  ASSERT_TRUE(net->network->Sql("ALTER TABLE savings.posting RENAME TO posting_away").ok());
  EXPECT_FALSE(net->Drain().ok());
  EXPECT_EQ(net->network->One("SELECT count(*) FROM savings.avoidance"), "0");
  ASSERT_TRUE(net->network->Sql("ALTER TABLE savings.posting_away RENAME TO posting").ok());
  EXPECT_EQ(net->Exams(), "1/1/0/0/0");
}

TEST_F(EvaluatorTest, AGapCopiedBeforeACrashStillCensors) {
  net->Accept("lakeside", "summit", "c1");
  Drain();
  net->clock.Set(t0 + Days(10));
  net->Feed("harbor", true, t0 + Days(3), t0 + Days(4));
  ASSERT_TRUE(
      net->network
          ->Sql(absl::StrCat(
              "INSERT INTO savings.feed (feed_tenant, entry_index, kind, from_ms, through_ms, arrived_ms) VALUES ('harbor', ",
              net->database("harbor").One("SELECT max(entry_index) FROM savings.feed"), ", 'gap', ",
              absl::ToUnixMillis(t0 + Days(3)), ", ", absl::ToUnixMillis(t0 + Days(4)), ", ", absl::ToUnixMillis(t0 + Days(10)),
              ")"))
          .ok());
  EXPECT_EQ(net->Exams(), "1/0/0/0/1");
}

TEST_F(EvaluatorTest, StatesAreRebuiltFromTheTenantsRecords) {
  net->Accept("lakeside", "summit", "c1");
  net->clock.Set(t0 + Days(5));
  net->PutExam("lakeside", "A1", t0 + Days(4));
  EXPECT_EQ(net->Exams(), "1/0/0/1/0");
  const std::string select = "SELECT string_agg(s::text, ' ' ORDER BY known_from_ms) FROM savings.known_state s";
  const std::string states = net->network->One(select);
  ASSERT_TRUE(net->network->Sql("DELETE FROM savings.known_state").ok());
  ASSERT_TRUE(net->evaluator->EvaluatePerson({net->At("harbor").tenant.id, net->Patient("harbor")}).ok());
  EXPECT_EQ(net->network->One(select), states);
}

TEST_F(EvaluatorTest, TheProjectionHoldsNoPatient) {
  net->Accept("lakeside", "summit", "c1");
  Drain();
  EXPECT_NE(net->network->One("SELECT count(*) FROM savings.posting"), "0");
  for (const char* table : {"avoidance", "known_state", "posting", "feed"}) {
    const std::string text =
        net->network->One(absl::StrCat("SELECT coalesce(string_agg(t::text, ''), '') FROM savings.", table, " t"));
    for (const char* tenant : TestNetwork::kNames) EXPECT_THAT(text, ::testing::Not(HasSubstr(net->Patient(tenant).hex())));
    EXPECT_THAT(text, ::testing::Not(HasSubstr("urn:orders")));
  }
}

TEST_F(EvaluatorTest, PriceStaysWhatItWasWhenAccepted) {
  net->Accept("lakeside", "summit", "c1");
  Drain();
  ASSERT_TRUE(net->evaluator->EvaluatePerson({net->At("lakeside").tenant.id, net->Patient("lakeside")}).ok());
  EXPECT_EQ(net->network->One("SELECT cents FROM savings.avoidance"), "18827");
  const auto report = net->reporter->Make(std::nullopt, "");
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->total.gross.cents, 18'827);
}

TEST_F(EvaluatorTest, TheListLeadsToEveryEntry) {
  net->Accept("lakeside", "summit", "c1");
  net->clock.Set(t0 + Days(5));
  net->PutExam("harbor", "H1", t0 + Days(4));
  Drain();
  const auto list =
      net->reporter->List({.tenant = "lakeside", .side = "ordering", .modality = "MR", .month = MonthOf(t0), .state = "reversed"},
                          std::nullopt, 10, 0);
  ASSERT_TRUE(list.ok()) << list.status();
  ASSERT_EQ(list->size(), 1u);
  EXPECT_EQ(list->front().why, "redo");
  ASSERT_EQ(list->front().entries.size(), 3u);
  for (const auto& entry : list->front().entries) EXPECT_TRUE(entry.index.has_value());
  const auto none = net->reporter->List({.tenant = "lakeside", .side = "source", .modality = "", .month = "", .state = ""},
                                        std::nullopt, 10, 0);
  ASSERT_TRUE(none.ok());
  EXPECT_THAT(*none, IsEmpty());
}

TEST_F(EvaluatorTest, AnUnknownTenantHasNoReport) {
  EXPECT_EQ(net->reporter->Make(std::nullopt, "nobody").status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace custodian::savings

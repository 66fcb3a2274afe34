#include "services/savings/report.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/savings/metrics.h"

namespace custodian::savings {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;

absl::Time AsOf() { return absl::FromCivil(absl::CivilDay(2026, 3, 1), absl::UTCTimeZone()); }

std::vector<FigureRow> Figures2() {
  return {{"lakeside", "summit", "MR", "2026-01", "pending", 1, 20'023, 10'011},
          {"lakeside", "summit", "MR", "2026-02", "reversed", 2, 40'047, 20'023},
          {"summit", "lakeside", "CT", "2026-02", "confirmed", 1, 13'100, 6'550},
          {"summit", "harbor", "CT", "2026-02", "censored", 1, 13'100, 6'550}};
}

TEST(Report, AnExamCountsOnceASideAndOnceInTheTotal) {
  const Report report = MakeReport(Figures2(), AsOf(), "");
  ASSERT_THAT(report.rows, SizeIs(5));
  EXPECT_EQ(report.rows[0].tenant, "harbor");
  EXPECT_EQ(report.rows[0].side, "source");
  EXPECT_EQ(report.rows[0].figures.censored.cents, 6'550);
  EXPECT_EQ(report.rows[1].tenant, "lakeside");
  EXPECT_EQ(report.rows[1].modality, "CT");
  EXPECT_EQ(report.rows[1].side, "source");
  EXPECT_EQ(report.rows[2].modality, "MR");
  EXPECT_EQ(report.rows[2].side, "ordering");
  EXPECT_EQ(report.rows[2].figures.pending.cents, 10'012);
  EXPECT_EQ(report.rows[2].figures.reversed.cents, 20'024);
  EXPECT_EQ(report.rows[2].figures.gross.exams, 3);
  EXPECT_EQ(report.rows[3].tenant, "summit");
  EXPECT_EQ(report.rows[3].side, "ordering");
  EXPECT_EQ(report.rows[3].figures.gross.exams, 2);
  EXPECT_EQ(report.total.gross.exams, 5);
  EXPECT_EQ(report.total.gross.cents, 86'270);
  EXPECT_EQ(report.total.gross.cents, report.total.pending.cents + report.total.confirmed.cents + report.total.reversed.cents +
                                          report.total.censored.cents);
}

TEST(Report, ATenantsReportHoldsItsOwnSidesOnly) {
  const Report report = MakeReport(Figures2(), AsOf(), "harbor");
  ASSERT_THAT(report.rows, SizeIs(1));
  EXPECT_EQ(report.total.gross.exams, 1);
  EXPECT_EQ(report.total.gross.cents, 13'100);
}

TEST(Report, MarksWhatIsCountersignedAndWhatIsDisputed) {
  std::vector<FigureRow> figures = Figures2();
  figures[0].word = "countersigned";
  figures[1].word = "disputed";
  figures[2].word = "countersigned";
  const Report report = MakeReport(figures, AsOf(), "");
  EXPECT_EQ(report.total.countersigned.gross.exams, 2);
  EXPECT_EQ(report.total.countersigned.gross.cents, 33'123);
  EXPECT_EQ(report.total.countersigned.confirmed.cents, 13'100);
  EXPECT_EQ(report.total.disputed.reversed.cents, 40'047);
  EXPECT_EQ(report.rows[2].figures.disputed.gross.cents, 20'024);
  EXPECT_EQ(report.rows[2].figures.countersigned.gross.cents, 10'012);
  EXPECT_THAT(ToJson(report, Marks::kShown), HasSubstr(R"("countersigned":{"censored":{"cents":0,"exams":0},"confirmed":{"cents":13100,"exams":1},)"));
  EXPECT_THAT(ToCsv(report), HasSubstr("\r\ntotal,,,5,86270,1,20023,1,13100,2,40047,1,13100,2,33123,1,20023,1,13100,0,0,0,0,2,40047,0,0,0,0,2,40047,0,0\r\n"));
}

TEST(Report, JsonHasSortedKeysAndIntegers) {
  EXPECT_EQ(
      ToJson(MakeReport({{"a", "b", "MR", "2026-01", "confirmed", 1, 7, 3, "countersigned"}}, AsOf(), "a"), Marks::kNone),
      R"({"as_of":"2026-03-01T00:00:00Z","currency":"USD","rows":[{"censored":{"cents":0,"exams":0},"confirmed":{"cents":4,"exams":1},)"
      R"("gross":{"cents":4,"exams":1},"modality":"MR","pending":{"cents":0,"exams":0},"reversed":{"cents":0,"exams":0},)"
      R"("side":"ordering","tenant":"a"}],"total":{"censored":{"cents":0,"exams":0},"confirmed":{"cents":7,"exams":1},)"
      R"("gross":{"cents":7,"exams":1},"pending":{"cents":0,"exams":0},"reversed":{"cents":0,"exams":0}}})");
}

TEST(Report, NothingIsAnEmptyReport) {
  EXPECT_EQ(
      ToJson(MakeReport({}, AsOf(), ""), Marks::kNone),
      R"({"as_of":"2026-03-01T00:00:00Z","currency":"USD","rows":[],"total":{"censored":{"cents":0,"exams":0},)"
      R"("confirmed":{"cents":0,"exams":0},"gross":{"cents":0,"exams":0},"pending":{"cents":0,"exams":0},"reversed":{"cents":0,"exams":0}}})");
}

TEST(Report, AsOfHasMillisecondsOnlyWhenThereAreAny) {
  EXPECT_EQ(FormatAsOf(AsOf()), "2026-03-01T00:00:00Z");
  EXPECT_EQ(FormatAsOf(AsOf() + absl::Milliseconds(40)), "2026-03-01T00:00:00.040Z");
}

TEST(Report, CsvHasALineARowAndTheTotal) {
  const std::string csv = ToCsv(MakeReport({{"a", "b", "MR", "2026-01", "confirmed", 1, 7, 3}}, AsOf(), ""));
  EXPECT_THAT(
      csv,
      AllOf(HasSubstr("\r\na,MR,ordering,1,4,0,0,1,4,0,0,0,0,0,"), HasSubstr("\r\nb,MR,source,1,3,0,0,1,3,0,0,0,0,0,"),
            HasSubstr("\r\ntotal,,,1,7,0,0,1,7,0,0,0,0,0,")));
}

TEST(Metrics, CarryTenantModalityAndSide) {
  const auto families = FamiliesOf(MakeReport(Figures2(), AsOf(), ""));
  ASSERT_THAT(families, SizeIs(3));
  EXPECT_EQ(families[0].name, "custodian_exams_avoided_total");
  EXPECT_EQ(families[1].name, "custodian_savings_usd_total");
  EXPECT_EQ(families[2].name, "custodian_savings_reversed_usd_total");
  ASSERT_THAT(families[2].metric, SizeIs(5));
  const auto& metric = families[2].metric[2];
  ASSERT_THAT(metric.label, SizeIs(3));
  EXPECT_EQ(metric.label[0].value, "MR");
  EXPECT_EQ(metric.label[1].value, "ordering");
  EXPECT_EQ(metric.label[2].value, "lakeside");
  EXPECT_DOUBLE_EQ(metric.counter.value, 200.24);
  EXPECT_DOUBLE_EQ(families[0].metric[2].counter.value, 3);
}

}  // namespace
}  // namespace custodian::savings

#include "services/exchange/equivalence.h"

#include <fstream>
#include <sstream>
#include <string>

#include "gtest/gtest.h"

namespace custodian::exchange {
namespace {

constexpr char kHeader[] =
    "class_id,label,modality,body_region,laterality_required,contrast,loinc,rsna_rpid,mode,setting,min_age_years,reuse_days,"
    "observe_days,"
    "reversal_set,clinical_source,approved_by\n";

std::string Refusal(const std::string& rows) {
  const auto table = ExamTable::Parse(kHeader + rows);
  return table.ok() ? "accepted" : std::string(table.status().message());
}

TEST(ExamTable, ReadsTheShippedClassesAndAllAreOff) {
  std::ifstream file("services/exchange/exams.csv");
  std::stringstream text;
  text << file.rdbuf();
  const auto table = ExamTable::Parse(text.str());
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ(table->classes().size(), 27u);
  for (const ExamClass& exam : table->classes()) EXPECT_EQ(exam.mode, Mode::kOff) << exam.class_id;
  const ExamClass* knee = table->Find("mr-knee-wo");
  ASSERT_NE(knee, nullptr);
  EXPECT_TRUE(knee->laterality_required);
  EXPECT_EQ(knee->reuse, absl::Hours(24 * 90));
  const ExamClass* chest = table->Find("xr-chest-2v");
  ASSERT_NE(chest, nullptr);
  EXPECT_EQ(chest->label, "X-ray chest, two views");
  EXPECT_EQ(chest->reversal_set.size(), 4u);
}

TEST(ExamTable, ObservesForReuseOrThirtyDaysAtLeast) {
  const auto table = ExamTable::Parse(std::string(kHeader) + "a,A,CT,head,no,without,1-1,,off,ambulatory,18,7,10,a,,\n" +
                                      "b,B,CT,head,no,without,1-2,,off,ambulatory,18,90,30,b,,\n");
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ(table->classes()[0].observe, absl::Hours(24 * 30));
  EXPECT_EQ(table->classes()[1].observe, absl::Hours(24 * 90));
}

TEST(ExamTable, FindsAClassByLoincOrRsnaCodeAndNeverByCpt) {
  const auto table =
      ExamTable::Parse(std::string(kHeader) + "a,A,CT,head,no,without,1-1;1-2,RPID22,off,ambulatory,18,7,10,a,,\n");
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_NE(table->FindByCode("http://loinc.org", "1-2"), nullptr);
  EXPECT_NE(table->FindByCode("http://www.radlex.org", "RPID22"), nullptr);
  EXPECT_EQ(table->FindByCode("http://loinc.org", "RPID22"), nullptr);
  EXPECT_EQ(table->FindByCode("http://www.ama-assn.org/go/cpt", "1-1"), nullptr);
  EXPECT_EQ(table->FindByCode("http://loinc.org", ""), nullptr);
}

TEST(ExamTable, ReadsQuotedFieldsAndWindowsLineEnds) {
  const auto table =
      ExamTable::Parse(std::string(kHeader) + "a,\"A, \"\"b\"\"\nc\",CT,head,no,without,1-1,,info,ambulatory,18,7,10,a,,\r\n");
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ(table->classes()[0].label, "A, \"b\"\nc");
  EXPECT_EQ(table->classes()[0].mode, Mode::kInfo);
}

TEST(ExamTable, RefusesBadRowsNamingLineAndColumn) {
  EXPECT_EQ(Refusal("a,A,CT,head,no,without,1-1,,on,ambulatory,18,7,10,a,,\n"),
            "exam table: line 2, column mode: must be off, info or suggest");
  EXPECT_EQ(Refusal("a,A,CT,head,maybe,without,1-1,,off,ambulatory,18,7,10,a,,\n"),
            "exam table: line 2, column laterality_required: must be yes or no");
  EXPECT_EQ(Refusal("a,A,CT,head,no,without,1-1,,off,ambulatory,18,7.5,10,a,,\n"),
            "exam table: line 2, column reuse_days: must be a whole number from 0 to 36500");
  EXPECT_EQ(Refusal("a,A,CT,head,no,without,1-1,,off,ambulatory,18,-7,10,a,,\n"),
            "exam table: line 2, column reuse_days: must be a whole number from 0 to 36500");
  EXPECT_EQ(Refusal("a,A,CT,head,no,without,,,off,ambulatory,18,7,10,a,,\n"),
            "exam table: line 2, column loinc: a class needs a LOINC or RSNA code");
  EXPECT_EQ(Refusal("a,A,CT,head,no,without,1-1,,off,ambulatory,18,7,10,a;b,,\n"),
            "exam table: line 2, column reversal_set: b is no class of this table");
  EXPECT_EQ(
      Refusal("a,A,CT,head,no,without,1-1,,off,ambulatory,18,7,10,a,,\na,A,CT,head,no,without,1-2,,off,ambulatory,18,7,10,a,,\n"),
      "exam table: line 3, column class_id: names a class twice");
  EXPECT_EQ(
      Refusal("a,A,CT,head,no,without,1-1,,off,ambulatory,18,7,10,a,,\nb,B,CT,head,no,without,1-1,,off,ambulatory,18,7,10,a,,\n"),
      "exam table: line 3, column loinc: 1-1 names two classes");
  EXPECT_EQ(Refusal("a,A\n"), "exam table: line 2 has 2 fields, not 16");
  EXPECT_EQ(Refusal("a,\"A\n"), "exam table: line 2: a quote is never closed");
  EXPECT_EQ(ExamTable::Parse("class_id,label\n").status().message(), "exam table: line 1, column modality: is missing");
  EXPECT_FALSE(ExamTable::Parse("").ok());
}

}  // namespace
}  // namespace custodian::exchange

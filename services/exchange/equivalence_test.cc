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
  // CT without contrast, of a chest; the table never says that MR or an X-ray of a place is one exam.
  EXPECT_EQ(table->FindBySite("399331006", "51185008"), table->Find("ct-chest-wo"));
  EXPECT_EQ(table->FindBySite("113091000", "72696002"), nullptr);
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
  EXPECT_NE(table->FindByCode("", "http://loinc.org", "1-2").exam_class, nullptr);
  EXPECT_NE(table->FindByCode("", "http://www.radlex.org", "RPID22").exam_class, nullptr);
  EXPECT_EQ(table->FindByCode("", "http://loinc.org", "RPID22").exam_class, nullptr);
  EXPECT_EQ(table->FindByCode("", "http://www.ama-assn.org/go/cpt", "1-1").exam_class, nullptr);
  EXPECT_EQ(table->FindByCode("", "http://loinc.org", "").exam_class, nullptr);
}

TEST(ExamTable, FindsATenantsOwnCodesForThatTenantOnly) {
  auto table = ExamTable::Parse(std::string(kHeader) + "a,A,CT,head,no,without,1-1,,off,ambulatory,18,7,10,a,,\n" +
                                "b,B,MR,knee,yes,without,1-2,,off,ambulatory,18,7,10,b,,\n");
  ASSERT_TRUE(table.ok()) << table.status();
  const auto codes = CodeMap::Parse("system,code,class_id,laterality\nurn:x,HEAD,a,\nurn:x,KNEEL,b,left\n", *table);
  ASSERT_TRUE(codes.ok()) << codes.status();
  table->SetCodes("lakeside", *codes);
  EXPECT_EQ(table->FindByCode("lakeside", "urn:x", "HEAD").exam_class, table->Find("a"));
  EXPECT_EQ(table->FindByCode("lakeside", "urn:x", "KNEEL").exam_class, table->Find("b"));
  EXPECT_EQ(table->FindByCode("lakeside", "urn:x", "KNEEL").laterality, "left");
  EXPECT_EQ(table->FindByCode("harbor", "urn:x", "HEAD").exam_class, nullptr);
  EXPECT_EQ(table->FindByCode("lakeside", "urn:y", "HEAD").exam_class, nullptr);
  EXPECT_EQ(table->FindByCode("lakeside", "", "HEAD").exam_class, nullptr);
}

TEST(ExamTable, FindsAClassByAProcedureAtABodySite) {
  const std::string header = std::string(kHeader, sizeof kHeader - 2) + ",snomed_procedure,snomed_body_site\n";
  const auto table = ExamTable::Parse(header + "a,A,CT,head,no,without,1-1,,off,ambulatory,18,7,10,a,,,11;12,21;22\n" +
                                      "b,B,CT,chest,no,without,1-2,,off,ambulatory,18,7,10,b,,,11,23\n" + "c,C,LAB,blood,no,none,1-3,,off,ambulatory,18,7,10,c,,,,\n");
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ(table->FindBySite("12", "22"), table->Find("a"));
  EXPECT_EQ(table->FindBySite("11", "23"), table->Find("b"));
  EXPECT_EQ(table->FindBySite("12", "23"), nullptr);
  EXPECT_EQ(table->FindBySite("", ""), nullptr);
  const auto refusal = [&](const std::string& codes) {
    return std::string(ExamTable::Parse(header + "a,A,CT,head,no,without,1-1,,off,ambulatory,18,7,10,a,,,11,21\n" +
                                        "b,B,CT,chest,no,without,1-2,,off,ambulatory,18,7,10,b,,," + codes + "\n").status().message());
  };
  EXPECT_NE(refusal("11,21;23").find("11 at 21 names two classes"), std::string::npos);
  EXPECT_NE(refusal("11,").find("column snomed_body_site"), std::string::npos);
  const auto narrower = ExamTable::Parse(header + "a,A,CT,head,no,without,1-1,,off,ambulatory,18,7,10,a,,,12,21\n");
  const auto wider = ExamTable::Parse(header + "a,A,CT,head,no,without,1-1,,off,ambulatory,18,7,10,a,,,12,24\n");
  EXPECT_TRUE(CheckNarrows(*table, *narrower).ok());
  EXPECT_NE(std::string(CheckNarrows(*table, *wider).message()).find("snomed_body_site"), std::string::npos);
}

TEST(CodeMap, RefusesBadRowsNamingLineAndColumn) {
  const auto table = ExamTable::Parse(std::string(kHeader) + "a,A,CT,head,no,without,1-1,,off,ambulatory,18,7,10,a,,\n" +
                                      "b,B,MR,knee,yes,without,1-2,,off,ambulatory,18,7,10,b,,\n");
  ASSERT_TRUE(table.ok()) << table.status();
  const auto refusal = [&table](const std::string& rows) {
    return std::string(CodeMap::Parse("system,code,class_id,laterality\n" + rows, *table).status().message());
  };
  EXPECT_EQ(refusal("urn:x,,a,\n"), "code map: line 2, column code: is empty");
  EXPECT_EQ(refusal("urn:x,X,c,\n"), "code map: line 2, column class_id: c is no exam class");
  EXPECT_EQ(refusal("urn:x,X,b,up\n"), "code map: line 2, column laterality: must be left, right, bilateral or empty");
  EXPECT_EQ(refusal("urn:x,X,a,left\n"), "code map: line 2, column laterality: a has no sides");
  EXPECT_EQ(refusal("urn:x,X,a,\nurn:x,X,b,\n"), "code map: line 3, column code: names a code twice");
  EXPECT_EQ(refusal("http://www.ama-assn.org/go/cpt,70450,a,\n"),
            "code map: line 2, column system: a CPT or HCPCS code never decides a class");
  EXPECT_EQ(refusal("http://loinc.org,1-1,a,\n"), "code map: line 2, column system: its codes are in the exam classes");
  EXPECT_EQ(refusal("urn:x,X\n"), "code map: line 2 has 2 fields, not 4");
  EXPECT_EQ(CodeMap::Parse("system,code\n", *table).status().message(), "code map: line 1, column class_id: is missing");
}

TEST(ExamTable, ATenantOnlyNarrowsTheNetworks) {
  const std::string header = "class_id,label,modality,body_region,laterality_required,contrast,loinc,rsna_rpid,mode,ceiling,setting,"
                             "min_age_years,reuse_days,observe_days,reversal_set,clinical_source,approved_by\n";
  const auto parse = [&header](const std::string& rows) {
    auto table = ExamTable::Parse(header + rows);
    EXPECT_TRUE(table.ok()) << table.status();
    return *std::move(table);
  };
  const ExamTable network = parse("a,A,CT,head,no,without,1-1;1-2,,off,info,ambulatory,18,30,60,a;b,,\n"
                                  "b,B,CT,chest,no,without,1-3,,off,suggest,ambulatory,18,30,60,b,,\n");
  EXPECT_TRUE(CheckNetworkClasses(network).ok());
  EXPECT_FALSE(CheckNetworkClasses(parse("a,A,CT,head,no,without,1-1,,info,info,ambulatory,18,30,60,a,s,x\n")).ok());
  const auto refusal = [&](const std::string& rows) { return std::string(CheckNarrows(network, parse(rows)).message()); };
  EXPECT_EQ(refusal("a,A,CT,head,no,without,1-1,,info,info,ambulatory,21,7,90,a,ACR,Committee\n"), "");
  const std::pair<const char*, const char*> faults[] = {
      {"c,C,CT,head,no,without,9-9,,off,off,ambulatory,18,30,60,c,,\n", "column class_id: the network's table has no such class"},
      {"a,A,CT,head,no,without,1-1,,suggest,info,ambulatory,18,30,60,a,ACR,Committee\n", "column mode: the network allows no more than info"},
      {"a,A,CT,head,no,without,1-1,,info,info,ambulatory,18,30,60,a,,Committee\n", "column clinical_source: is needed"},
      {"a,A,CT,head,no,without,1-1,,info,info,ambulatory,18,30,60,a,ACR,\n", "column approved_by: is needed"},
      {"a,A,CT,head,no,with,1-1,,off,info,ambulatory,18,30,60,a,,\n", "column contrast: is without"},
      {"a,A,CT,head,yes,without,1-1,,off,info,ambulatory,18,30,60,a,,\n", "column laterality_required"},
      {"a,A,CT,head,no,without,1-9,,off,info,ambulatory,18,30,60,a,,\n", "column loinc: has a code"},
      {"a,A,CT,head,no,without,1-1,,off,info,ambulatory,18,31,60,a,,\n", "column reuse_days: is longer"},
      {"a,A,CT,head,no,without,1-1,,off,info,ambulatory,18,30,59,a,,\n", "column observe_days: is shorter"},
      {"a,A,CT,head,no,without,1-1,,off,info,ambulatory,17,30,60,a,,\n", "column min_age_years: is lower"},
      {"a,A,CT,head,no,without,1-1,,off,info,ambulatory,18,30,60,a,,\nb,B,CT,chest,no,without,1-3,,off,info,ambulatory,18,30,60,b,,\n",
       "column reversal_set: lacks b"},
  };
  for (const auto& [rows, fault] : faults) EXPECT_NE(refusal(rows).find(fault), std::string::npos) << refusal(rows);
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

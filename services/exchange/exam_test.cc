#include "services/exchange/exam.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/substitute.h"
#include "gtest/gtest.h"
#include "services/exchange/fhir_json.h"
#include "services/exchange/fhir_time.h"
#include "services/exchange/laterality.h"

namespace custodian::exchange {
namespace {

constexpr char kTable[] =
    "class_id,label,modality,body_region,laterality_required,contrast,loinc,rsna_rpid,mode,setting,min_age_years,reuse_days,"
    "observe_days,"
    "reversal_set,clinical_source,approved_by\n"
    "mr-knee-wo,MR knee,MR,knee,yes,without,30691-0,RPID522,suggest,ambulatory,18,90,90,mr-knee-wo,,\n"
    "ct-chest-wo,CT chest,CT,chest,no,without,29252-4,,suggest,ambulatory,18,30,30,ct-chest-wo,,\n"
    "lab-hba1c,Hemoglobin A1c,LAB,blood,no,none,4548-4,,suggest,ambulatory,18,40,40,lab-hba1c,,\n";

absl::Time At(const char* text) { return ParseFhirTime(text, absl::UTCTimeZone())->begin; }

// North and South read chests, knees and blood in the tests below.
class ExamsOfTest : public testing::Test {
 protected:
  ExamsOfTest() {
    for (const char* name : {"north", "south"}) {
      tenants::Tenant tenant;
      tenant.name = name;
      tenant.time_zone = "America/Chicago";
      tenant.accession_system = absl::StrCat("urn:accession:", name);
      tenants_.push_back(tenant);
    }
  }

  void Add(const char* tenant, const char* type, const char* id, const std::string& json,
           const char* arrived = "2026-01-10T00:00:00Z", std::uint64_t version = 1) {
    records_.push_back({tenant, type, id, version, json, At(arrived)});
  }
  static std::string Accession(const char* tenant, const char* value) {
    return absl::Substitute(
        R"("identifier":[{"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"ACSN"}]},)"
        R"("system":"urn:accession:$0","value":"$1"}])",
        tenant, value);
  }
  static std::string Report(const std::string& more, const char* status = "final", const char* code = "29252-4") {
    return absl::Substitute(
        R"({"resourceType":"DiagnosticReport","status":"$0","code":{"coding":[{"system":"http://loinc.org","code":"$1"}]}$2})",
        status, code, more.empty() ? "" : "," + more);
  }
  [[nodiscard]] std::vector<Exam> Exams() const { return ExamsOf(PointersTo(records_), *ExamTable::Parse(kTable), tenants_); }
  [[nodiscard]] std::vector<Exam> Carried() const { return CarriedOut(PointersTo(records_), *ExamTable::Parse(kTable), tenants_); }

  std::vector<tenants::Tenant> tenants_;
  std::vector<OpenedRecord> records_;
};

TEST_F(ExamsOfTest, ReportStudyAndCopyElsewhereAreOneExam) {
  Add("south", "DiagnosticReport", "copy", Report(Accession("north", "A1") + R"(,"effectiveDateTime":"2026-01-05T10:00:00Z")"),
      "2026-01-07T00:00:00Z");
  Add("north", "ImagingStudy", "study",
      R"({"resourceType":"ImagingStudy","status":"available","started":"2026-01-05T08:00:00Z",)" + Accession("north", "A1") + "}",
      "2026-01-06T00:00:00Z");
  Add("north", "DiagnosticReport", "report", Report(Accession("north", "A1") + R"(,"effectiveDateTime":"2026-01-05T09:00:00Z")"),
      "2026-01-08T00:00:00Z");
  const auto exams = Exams();
  ASSERT_EQ(exams.size(), 1u);
  EXPECT_EQ(exams[0].performing_tenant, "north");
  EXPECT_EQ(exams[0].accession, "A1");
  EXPECT_EQ(exams[0].class_id, "ct-chest-wo");
  EXPECT_TRUE(exams[0].performed);
  // The report's time before the study's, the performing tenant's before a copy's.
  EXPECT_EQ(exams[0].performed_begin, At("2026-01-05T09:00:00Z"));
  EXPECT_EQ(exams[0].performed_end, At("2026-01-05T09:00:00Z") + absl::Milliseconds(1));
  EXPECT_EQ(exams[0].arrived, At("2026-01-06T00:00:00Z"));
  ASSERT_EQ(exams[0].holdings.size(), 2u);
  EXPECT_EQ(exams[0].holdings[0].tenant_name, "north");
  EXPECT_EQ(exams[0].holdings[0].id, "report");
  EXPECT_TRUE(exams[0].holdings[0].viewable);
  EXPECT_EQ(exams[0].holdings[1].tenant_name, "south");
}

// An exam done again under the number of the one it repeats must not vanish into it.
TEST_F(ExamsOfTest, WhatElsewhereStatesAnotherDayIsNoCopy) {
  Add("north", "DiagnosticReport", "first", Report(Accession("north", "A1") + R"(,"effectiveDateTime":"2026-01-05T09:00:00Z")"));
  Add("south", "DiagnosticReport", "again", Report(Accession("north", "A1") + R"(,"effectiveDateTime":"2026-01-09T09:00:00Z")"));
  Add("south", "ImagingStudy", "again",
      R"({"resourceType":"ImagingStudy","status":"available","started":"2026-01-09T08:00:00Z",)" + Accession("north", "A1") + "}");
  // By the day alone, or the hours that lie between study, report and copy, it is still a copy.
  Add("south", "DiagnosticReport", "copy", Report(Accession("north", "A1") + R"(,"effectiveDateTime":"2026-01-05")"));
  const auto exams = Exams();
  ASSERT_EQ(exams.size(), 2u);
  EXPECT_EQ(exams[0].performing_tenant, "north");
  EXPECT_EQ(exams[0].holdings.size(), 2u);
  EXPECT_EQ(exams[0].holdings[1].id, "copy");
  EXPECT_EQ(exams[1].performing_tenant, "south");
  EXPECT_EQ(exams[1].class_id, "ct-chest-wo");
  EXPECT_EQ(exams[1].performed_begin, At("2026-01-09T09:00:00Z"));
}

TEST_F(ExamsOfTest, WhatNamesTwoClassesIsOfNoneAndARedoOfEach) {
  Add("north", "DiagnosticReport", "r", Report(R"("effectiveDateTime":"2026-01-05T09:00:00Z","imagingStudy":[{"reference":"ImagingStudy/s"}])"));
  Add("north", "ImagingStudy", "s",
      R"({"resourceType":"ImagingStudy","status":"available","started":"2026-01-05T08:00:00Z",)"
      R"("procedureCode":[{"coding":[{"system":"http://loinc.org","code":"30691-0"}]}]})");
  ASSERT_EQ(Exams().size(), 1u);
  EXPECT_EQ(Exams()[0].class_id, "");
  EXPECT_EQ(Exams()[0].disputed_classes, (std::vector<std::string>{"ct-chest-wo", "mr-knee-wo"}));
  // Procedures of one study, too.
  records_.clear();
  Add("north", "ImagingStudy", "s",
      R"({"resourceType":"ImagingStudy","status":"available","started":"2026-01-05T08:00:00Z","procedureCode":[)"
      R"({"coding":[{"system":"http://loinc.org","code":"30691-0"}]},{"coding":[{"system":"http://loinc.org","code":"29252-4"}]}]})");
  EXPECT_EQ(Exams()[0].class_id, "");
}

// A copied accession number neither hides a redo nor makes one: what the performing tenant says of its exam stands alone.
TEST_F(ExamsOfTest, ACopyElsewhereChangesNothingOfWhatThePerformingTenantSays) {
  Add("north", "ImagingStudy", "study",
      R"({"resourceType":"ImagingStudy","status":"available","started":"2026-01-05T08:00:00Z",)"
      R"("procedureCode":[{"coding":[{"system":"http://loinc.org","code":"29252-4"}]}],)" + Accession("north", "A1") + "}",
      "2026-01-06T00:00:00Z");
  Add("south", "DiagnosticReport", "copy",
      Report(Accession("north", "A1") + R"(,"effectiveDateTime":"2026-01-04T10:00:00Z")", "final", "4548-4"), "2026-01-01T00:00:00Z");
  for (const std::vector<Exam>& exams : {Exams(), Carried()}) {
    ASSERT_EQ(exams.size(), 1u);
    EXPECT_EQ(exams[0].class_id, "ct-chest-wo");
    EXPECT_EQ(exams[0].performed_begin, At("2026-01-05T08:00:00Z"));
    EXPECT_EQ(exams[0].arrived, At("2026-01-06T00:00:00Z"));
    EXPECT_EQ(exams[0].holdings.size(), 2u);
  }
  // One that was cancelled stays so, whoever says otherwise.
  Add("north", "ImagingStudy", "study",
      R"({"resourceType":"ImagingStudy","status":"cancelled","started":"2026-01-05T08:00:00Z",)"
      R"("procedureCode":[{"coding":[{"system":"http://loinc.org","code":"29252-4"}]}],)" + Accession("north", "A1") + "}",
      "2026-01-07T00:00:00Z", 2);
  ASSERT_EQ(Carried().size(), 1u);
  EXPECT_FALSE(Carried()[0].performed);
  EXPECT_EQ(Carried()[0].class_id, "ct-chest-wo");
}

TEST_F(ExamsOfTest, WithoutAccessionTheResourceIsTheExamAndLinksJoin) {
  Add("north", "DiagnosticReport", "1",
      Report(R"("effectivePeriod":{"start":"2026-01-05T09:00:00Z","end":"2026-01-05T09:30:00Z"},)"
             R"("imagingStudy":[{"reference":"ImagingStudy/1"}])"));
  Add("north", "ImagingStudy", "1", R"({"resourceType":"ImagingStudy","status":"available","started":"2026-01-05T08:00:00Z"})");
  Add("south", "DiagnosticReport", "1", Report(R"("effectiveDateTime":"2026-01-05T09:00:00Z")"));
  const auto exams = Exams();
  ASSERT_EQ(exams.size(), 2u);
  EXPECT_EQ(exams[0].performing_tenant, "south");
  EXPECT_EQ(exams[1].performing_tenant, "north");
  EXPECT_EQ(exams[1].accession, "1");
  EXPECT_EQ(exams[1].performed_begin, At("2026-01-05T09:30:00Z"));
}

TEST_F(ExamsOfTest, AReportTakesTheAccessionOfItsStudy) {
  Add("north", "DiagnosticReport", "r",
      Report(R"("effectiveDateTime":"2026-01-05T09:00:00Z","imagingStudy":[{"reference":"https://h/fhir/x/ImagingStudy/s"}])"));
  Add("north", "ImagingStudy", "s", R"({"resourceType":"ImagingStudy","status":"available",)" + Accession("north", "A9") + "}");
  const auto exams = Exams();
  ASSERT_EQ(exams.size(), 1u);
  EXPECT_EQ(exams[0].accession, "A9");
}

TEST_F(ExamsOfTest, AnAccessionOfAnUnknownSystemIsNone) {
  Add("north", "DiagnosticReport", "r", Report(Accession("elsewhere", "A1") + R"(,"effectiveDateTime":"2026-01-05T09:00:00Z")"));
  const auto exams = Exams();
  ASSERT_EQ(exams.size(), 1u);
  EXPECT_EQ(exams[0].performing_tenant, "north");
  EXPECT_EQ(exams[0].accession, "r");
}

TEST_F(ExamsOfTest, TheSameAccessionNumberAtTwoTenantsIsTwoExams) {
  Add("north", "DiagnosticReport", "r", Report(Accession("north", "A1") + R"(,"effectiveDateTime":"2026-01-05T09:00:00Z")"));
  Add("south", "DiagnosticReport", "r", Report(Accession("south", "A1") + R"(,"effectiveDateTime":"2026-01-05T09:00:00Z")"));
  EXPECT_EQ(Exams().size(), 2u);
}

TEST_F(ExamsOfTest, StatusDecidesWhetherItWasPerformedAndMayBeViewed) {
  const struct {
    const char* status;
    bool performed;
    bool viewable;
  } kCases[] = {{"registered", false, false}, {"partial", true, false},    {"preliminary", true, false},
                {"final", true, true},        {"amended", true, true},     {"corrected", true, true},
                {"appended", true, false},    {"cancelled", false, false}, {"entered-in-error", false, false},
                {"unknown", true, false}};
  for (const auto& one : kCases) {
    records_.clear();
    Add("north", "DiagnosticReport", "r", Report(R"("effectiveDateTime":"2026-01-05T09:00:00Z")", one.status));
    const auto exams = Exams();
    ASSERT_EQ(exams.size(), 1u) << one.status;
    EXPECT_EQ(exams[0].performed, one.performed) << one.status;
    EXPECT_EQ(exams[0].holdings[0].viewable, one.viewable) << one.status;
  }
}

TEST_F(ExamsOfTest, TheNewestVersionSaysWhatIsSoTheFirstPerformedOneSinceWhen) {
  const std::string time = R"("effectiveDateTime":"2026-01-05T09:00:00Z")";
  Add("north", "DiagnosticReport", "r", Report(time, "amended"), "2026-01-09T00:00:00Z", 3);
  Add("north", "DiagnosticReport", "r", Report(time, "registered"), "2026-01-05T00:00:00Z", 1);
  Add("north", "DiagnosticReport", "r", Report(time, "preliminary"), "2026-01-06T00:00:00Z", 2);
  auto exams = Exams();
  ASSERT_EQ(exams.size(), 1u);
  EXPECT_EQ(exams[0].arrived, At("2026-01-06T00:00:00Z"));
  EXPECT_TRUE(exams[0].holdings[0].viewable);
  Add("north", "DiagnosticReport", "r", Report(time, "entered-in-error"), "2026-01-10T00:00:00Z", 4);
  exams = Exams();
  ASSERT_EQ(exams.size(), 1u);
  EXPECT_FALSE(exams[0].performed);
  EXPECT_FALSE(exams[0].holdings[0].viewable);
}

TEST_F(ExamsOfTest, ACancelledReportHidesNoStudyThatWasCarriedOut) {
  const std::string when = R"(,"effectiveDateTime":"2026-01-05T10:00:00Z")";
  Add("north", "DiagnosticReport", "r", Report(Accession("north", "A1") + when, "cancelled"));
  Add("north", "ImagingStudy", "s",
      R"({"resourceType":"ImagingStudy","status":"available",)" + Accession("north", "A1") +
          R"(,"started":"2026-01-05T09:30:00Z","modality":[{"code":"CT"}],)"
          R"("procedureCode":[{"coding":[{"system":"http://loinc.org","code":"29252-4"}]}]})",
      "2026-01-11T00:00:00Z");
  // As a prior, the report decides: there is nothing to view. As a redo, the study was made.
  ASSERT_EQ(Exams().size(), 1u);
  EXPECT_FALSE(Exams()[0].performed);
  ASSERT_EQ(Carried().size(), 1u);
  EXPECT_TRUE(Carried()[0].performed);
  EXPECT_EQ(Carried()[0].performed_begin, At("2026-01-05T09:30:00Z"));
  EXPECT_EQ(Carried()[0].arrived, At("2026-01-11T00:00:00Z"));
}

TEST_F(ExamsOfTest, WhatNoResourceSaysWasCarriedOutWasNot) {
  const std::string when = R"(,"effectiveDateTime":"2026-01-05T10:00:00Z")";
  Add("north", "DiagnosticReport", "r", Report(Accession("north", "A1") + when, "cancelled"));
  Add("south", "DiagnosticReport", "copy", Report(Accession("north", "A1") + when, "entered-in-error"));
  ASSERT_EQ(Carried().size(), 1u);
  EXPECT_FALSE(Carried()[0].performed);
  // What the performing tenant says was not done nobody else has seen done, whatever copy of its number they store.
  Add("south", "DiagnosticReport", "other", Report(Accession("north", "A1") + when, "final"));
  EXPECT_FALSE(Carried()[0].performed);
  // Its study says so, though the report was cancelled.
  Add("north", "ImagingStudy", "s", R"({"resourceType":"ImagingStudy","status":"available","started":"2026-01-05T10:00:00Z",)" + Accession("north", "A1") + "}");
  EXPECT_TRUE(Carried()[0].performed);
}

TEST_F(ExamsOfTest, CarriedOutAndExamsAgreeWhereAllWasPerformed) {
  const std::string when = R"(,"effectiveDateTime":"2026-01-05T10:00:00Z")";
  Add("north", "DiagnosticReport", "r", Report(Accession("north", "A1") + when));
  Add("south", "DiagnosticReport", "copy", Report(Accession("north", "A1") + when));
  ASSERT_EQ(Carried().size(), 1u);
  EXPECT_EQ(Carried()[0].performing_tenant, Exams()[0].performing_tenant);
  EXPECT_EQ(Carried()[0].performed_begin, Exams()[0].performed_begin);
  EXPECT_EQ(Carried()[0].accession, Exams()[0].accession);
}

TEST_F(ExamsOfTest, ADateIsTheWholeDayInThePerformingTenantsZone) {
  // The day on which clocks go forward has 23 hours.
  Add("south", "DiagnosticReport", "r", Report(Accession("north", "A1") + R"(,"effectiveDateTime":"2026-03-08")"));
  tenants_[1].time_zone = "Asia/Tokyo";
  const auto exams = Exams();
  ASSERT_EQ(exams.size(), 1u);
  EXPECT_EQ(exams[0].performed_begin, At("2026-03-08T06:00:00Z"));
  EXPECT_EQ(exams[0].performed_end, At("2026-03-09T05:00:00Z"));
}

TEST_F(ExamsOfTest, WithoutATimeThereIsNoExam) {
  Add("north", "DiagnosticReport", "r", Report(R"("effectiveDateTime":"soon")"));
  Add("north", "DiagnosticReport", "s", Report(R"("effectivePeriod":{"start":"2026-01-05T09:00:00Z"})"));
  Add("north", "DiagnosticReport", "t", "{broken");
  EXPECT_TRUE(Exams().empty());
}

TEST_F(ExamsOfTest, LateralityComesFromTheSeriesElseTheLinkedOrder) {
  Add("north", "ServiceRequest", "o",
      R"({"resourceType":"ServiceRequest","identifier":[{"system":"urn:o","value":"7"}],)"
      R"("bodySite":[{"coding":[{"system":"http://snomed.info/sct","code":"82169009"}]}]})");
  Add("north", "DiagnosticReport", "r1",
      Report(Accession("north", "K1") +
                 R"(,"effectiveDateTime":"2026-01-01T09:00:00Z","basedOn":[{"reference":"ServiceRequest/o"}])",
             "final", "30691-0"));
  Add("north", "DiagnosticReport", "r2",
      Report(Accession("north", "K2") +
                 R"(,"effectiveDateTime":"2026-01-02T09:00:00Z","basedOn":[{"identifier":{"system":"urn:o","value":"7"}}])",
             "final", "30691-0"));
  Add("north", "DiagnosticReport", "r3",
      Report(Accession("north", "K3") +
                 R"(,"effectiveDateTime":"2026-01-03T09:00:00Z","basedOn":[{"reference":"ServiceRequest/o"}])",
             "final", "30691-0"));
  Add("north", "ImagingStudy", "s3",
      R"({"resourceType":"ImagingStudy","status":"available","series":[{"laterality":{"system":"http://snomed.info/sct","code":"419465000"}}],)" +
          Accession("north", "K3") + "}");
  Add("north", "DiagnosticReport", "r4",
      Report(Accession("north", "K4") + R"(,"effectiveDateTime":"2026-01-04T09:00:00Z")", "final", "30691-0"));
  Add("north", "DiagnosticReport", "r5",
      Report(Accession("north", "C5") +
             R"(,"effectiveDateTime":"2026-01-05T09:00:00Z","basedOn":[{"reference":"ServiceRequest/o"}])"));
  const auto exams = Exams();
  ASSERT_EQ(exams.size(), 5u);
  EXPECT_EQ(exams[0].laterality, "left");
  EXPECT_EQ(exams[1].laterality, "left");
  EXPECT_EQ(exams[2].laterality, "right");
  EXPECT_EQ(exams[3].laterality, "");
  // A chest has no side, whatever the order says.
  EXPECT_EQ(exams[4].laterality, "");
}

TEST_F(ExamsOfTest, AnObservationOfAClassIsAnExamAndOthersAreNot) {
  Add("north", "Observation", "hba1c",
      R"({"resourceType":"Observation","status":"final","effectiveDateTime":"2026-01-01T09:00:00Z","code":{"coding":[{"system":"http://loinc.org","code":"4548-4"}]}})");
  Add("north", "Observation", "weight",
      R"({"resourceType":"Observation","status":"final","effectiveDateTime":"2026-01-01T09:00:00Z","code":{"coding":[{"system":"http://loinc.org","code":"29463-7"}]}})");
  Add("north", "Patient", "p", R"({"resourceType":"Patient"})");
  auto exams = Exams();
  ASSERT_EQ(exams.size(), 1u);
  EXPECT_EQ(exams[0].class_id, "lab-hba1c");
  EXPECT_TRUE(exams[0].holdings[0].viewable);
  Add("north", "DiagnosticReport", "panel",
      Report(R"("effectiveDateTime":"2026-01-01T09:05:00Z","result":[{"reference":"Observation/hba1c"}])", "final", "4548-4"));
  exams = Exams();
  ASSERT_EQ(exams.size(), 1u);
  EXPECT_EQ(exams[0].holdings[0].id, "panel");
}

TEST_F(ExamsOfTest, ACodeOutsideTheTableHasNoClass) {
  Add("north", "DiagnosticReport", "r", Report(R"("effectiveDateTime":"2026-01-01T09:00:00Z")", "final", "1-1"));
  const auto exams = Exams();
  ASSERT_EQ(exams.size(), 1u);
  EXPECT_EQ(exams[0].class_id, "");
}

TEST(FhirTime, ReadsAllFormsAndRefusesOthers) {
  const absl::TimeZone chicago = ZoneOf("America/Chicago");
  EXPECT_EQ(FormatInstant(ParseFhirTime("2026-02-01T12:00:00.1239-06:00", chicago)->begin), "2026-02-01T18:00:00.123Z");
  EXPECT_EQ(FormatInstant(ParseFhirTime("2026-02", chicago)->end), "2026-03-01T06:00:00.000Z");
  EXPECT_EQ(FormatInstant(ParseFhirTime("2026", chicago)->begin), "2026-01-01T06:00:00.000Z");
  EXPECT_TRUE(ParseFhirTime("2026-02-01T12:00:00.5Z", chicago)->has_fraction);
  EXPECT_FALSE(ParseFhirTime("2026-02-01T12:00:00Z", chicago)->has_fraction);
  for (const char* bad :
       {"", "26", "2026-13", "2026-02-30", "2026-02-01T", "2026-02-01T12:00:00", "2026-02-01T12:00Z", "2026-02-01 12:00:00Z",
        "2026-02-01T24:00:00Z", "2026-02-01T12:00:00.Z", "2026-02-01T12:00:00+6:00", "2026-02-01x"})
    EXPECT_FALSE(ParseFhirTime(bad, chicago).has_value()) << bad;
}

// A procedure that says no place, at its body sites.
class OrderAtSites : public testing::Test {
 protected:
  OrderAtSites() {
    std::string csv(kTable);
    const auto add = [&csv](const std::string& row, const std::string& more) { csv.insert(csv.find('\n', csv.find(row)), more); };
    add("class_id", ",snomed_procedure,snomed_body_site");
    add("mr-knee-wo,MR", ",100,72696002;82169009;6757004");
    add("ct-chest-wo,CT", ",200,51185008;43799004");
    add("lab-hba1c,Hemo", ",,");
    auto table = ExamTable::Parse(csv);
    EXPECT_TRUE(table.ok()) << table.status();
    table_ = *std::move(table);
  }
  static std::string Coding(const std::string& code, const std::string& system = "http://snomed.info/sct") {
    return absl::Substitute(R"({"system":"$0","code":"$1"})", system, code);
  }
  // "class/side" of an order; `sites` are the codings of one concept each.
  [[nodiscard]] std::string Of(const std::string& codings, const std::vector<std::string>& sites) const {
    std::string list;
    for (const std::string& site : sites) absl::StrAppend(&list, list.empty() ? "" : ",", R"({"coding":[)", site, "]}");
    const auto order = Json::Parse(absl::Substitute(R"({"resourceType":"ServiceRequest","code":{"coding":[$0]},"bodySite":[$1]})", codings, list));
    EXPECT_TRUE(order.ok()) << order.status();
    const OrderedExam exam = ExamOfOrder(*order, "north", table_);
    return exam.exam_class == nullptr ? "none" : absl::StrCat(exam.exam_class->class_id, "/", exam.laterality);
  }
  ExamTable table_;
};

TEST_F(OrderAtSites, ReachesTheClassOfThePlaceAndItsSide) {
  EXPECT_EQ(Of(Coding("200"), {Coding("51185008")}), "ct-chest-wo/");
  EXPECT_EQ(Of(Coding("100"), {Coding("82169009")}), "mr-knee-wo/left");
  EXPECT_EQ(Of(Coding("100"), {Coding("6757004"), Coding("82169009")}), "mr-knee-wo/bilateral");
  // The side stated beside the place, as a qualifier or a letter.
  EXPECT_EQ(Of(Coding("100"), {Coding("72696002"), Coding("24028007")}), "mr-knee-wo/right");
  EXPECT_EQ(Of(Coding("100"), {Coding("72696002"), Coding("LT", "urn:l")}), "mr-knee-wo/left");
  EXPECT_EQ(Of(Coding("100"), {Coding("72696002")}), "mr-knee-wo/");
  // A billing code decides nothing, and what a tenant's own code says of the site is beside SNOMED CT's.
  EXPECT_EQ(Of(Coding("200") + "," + Coding("71250", "http://www.ama-assn.org/go/cpt"), {Coding("51185008") + "," + Coding("THX", "urn:sites")}), "ct-chest-wo/");
}

TEST_F(OrderAtSites, IsOfNoClassWhereAnythingIsAmbiguous) {
  EXPECT_EQ(Of(Coding("200"), {}), "none");
  EXPECT_EQ(Of(Coding("200"), {Coding("24028007")}), "none");
  EXPECT_EQ(Of(Coding("200"), {Coding("72696002")}), "none");
  EXPECT_EQ(Of(Coding("200"), {Coding("51185008"), Coding("72696002")}), "none");
  EXPECT_EQ(Of(Coding("200"), {Coding("51185008"), Coding("818981001")}), "none");
  EXPECT_EQ(Of(Coding("200"), {Coding("51185008") + "," + Coding("39607008")}), "none");
  EXPECT_EQ(Of(Coding("100") + "," + Coding("200"), {Coding("51185008")}), "none");
  // A code that is not known may say something narrower.
  EXPECT_EQ(Of(Coding("200") + "," + Coding("CTBX", "urn:own"), {Coding("51185008")}), "none");
  EXPECT_EQ(Of(Coding("200", "http://loinc.org"), {Coding("51185008")}), "none");
  EXPECT_EQ(Of(Coding("200"), {Coding("51185008", "urn:own")}), "none");
  EXPECT_EQ(Of("", {Coding("51185008")}), "none");
  const auto text = Json::Parse(R"({"code":{"text":"CT chest"},"bodySite":[{"text":"chest"}]})");
  EXPECT_EQ(ExamOfOrder(*text, "north", table_).exam_class, nullptr);
}

TEST(Laterality, ReadsCodesElseWords) {
  const auto of = [](const char* text) { return LateralityOfConcepts(*Json::Parse(text)); };
  EXPECT_EQ(of(R"([{"coding":[{"system":"http://snomed.info/sct","code":"6757004"}]}])"), "right");
  EXPECT_EQ(
      of(R"([{"coding":[{"system":"http://snomed.info/sct","code":"6757004"}]},{"coding":[{"system":"http://snomed.info/sct","code":"82169009"}]}])"),
      "bilateral");
  EXPECT_EQ(of(R"([{"text":"Left knee"}])"), "left");
  EXPECT_EQ(
      of(R"([{"coding":[{"system":"http://snomed.info/sct","code":"72696002","display":"Knee region"}],"text":"Knee, RIGHT"}])"),
      "right");
  EXPECT_EQ(of(R"([{"text":"both knees"}])"), "bilateral");
  EXPECT_EQ(of(R"([{"text":"cleft palate, copyright"}])"), "");
  EXPECT_EQ(of("null"), "");
  EXPECT_EQ(LateralityOfCoding(*Json::Parse(R"({"code":"L"})")), "left");
}

}  // namespace
}  // namespace custodian::exchange

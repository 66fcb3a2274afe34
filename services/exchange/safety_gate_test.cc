#include "services/exchange/safety_gate.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "services/exchange/fhir_time.h"

namespace custodian::exchange {
namespace {

absl::Time At(const char* text) { return ParseFhirTime(text, absl::UTCTimeZone())->begin; }

// Everything is as a suggestion needs it; each test spoils one thing.
class SafetyGateTest : public testing::Test {
 protected:
  SafetyGateTest() {
    class_.setting = "ambulatory";
    class_.min_age_years = 18;
    order_ = *Json::Parse(R"({"resourceType":"ServiceRequest","id":"o","status":"draft","priority":"routine"})");
    patient_ = *Json::Parse(R"({"resourceType":"Patient","id":"p","birthDate":"2008-01-15"})");
    encounter_ = *Json::Parse(R"({"resourceType":"Encounter","class":{"code":"AMB"}})");
    conditions_ = *Json::Parse(
        R"({"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Condition","code":{"coding":[{"system":"http://snomed.info/sct","code":"38341003"}],"text":"Hypertension"}}}]})");
  }
  void Condition(const std::string& code, const std::string& more = "") {
    conditions_ = *Json::Parse(
        absl::StrCat(R"({"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Condition","code":)", code, more, "}}]}"));
  }
  [[nodiscard]] std::string Why() const {
    const DraftOrder order{"|o", "o", order_};
    const Json prefetch = Json::Object({{"patient", patient_}, {"encounter", encounter_}, {"conditions", conditions_}});
    const std::vector<const OpenedRecord*> own = PointersTo(own_);
    return std::string(InformationOnly({&order, &class_, "p", &prefetch, &own, At("2026-01-10T12:00:00Z"),
                                        At("2026-01-15T12:00:00Z"), ZoneOf("America/Chicago")}));
  }
  ExamClass class_;
  Json order_, patient_, encounter_, conditions_;
  std::vector<OpenedRecord> own_;
};

TEST_F(SafetyGateTest, AdultAmbulatoryRoutineDraftsMaySuggest) {
  EXPECT_EQ(Why(), "");
  encounter_ = *Json::Parse(R"({"resourceType":"Encounter","class":{"code":"VR"}})");
  EXPECT_EQ(Why(), "");
  conditions_ = *Json::Parse(R"({"resourceType":"Bundle","type":"searchset"})");
  EXPECT_EQ(Why(), "");
}

TEST_F(SafetyGateTest, MissingPrefetchOnlyInforms) {
  patient_ = Json();
  EXPECT_EQ(Why(), "patient-unknown");
  patient_ = *Json::Parse(R"({"resourceType":"Patient","id":"other","birthDate":"1970-01-15"})");
  EXPECT_EQ(Why(), "patient-unknown");
  patient_ = *Json::Parse(R"({"resourceType":"Patient","id":"p","birthDate":"1970-13-15"})");
  EXPECT_EQ(Why(), "patient-unknown");
  patient_ = *Json::Parse(R"({"resourceType":"Patient","id":"p","birthDate":"1970"})");
  EXPECT_EQ(Why(), "");
  encounter_ = Json();
  EXPECT_EQ(Why(), "encounter-unknown");
  encounter_ = *Json::Parse(R"({"resourceType":"Encounter","class":{"code":"AMB"}})");
  conditions_ = Json();
  EXPECT_EQ(Why(), "conditions-unknown");
  conditions_ = *Json::Parse(R"({"resourceType":"Bundle","link":[{"relation":"next","url":"x"}]})");
  EXPECT_EQ(Why(), "conditions-unknown");
}

TEST_F(SafetyGateTest, TheEighteenthBirthdayCountsInTheTenantsZone) {
  EXPECT_EQ(Why(), "");
  patient_.Set("birthDate", Json::String("2008-01-16"));
  EXPECT_EQ(Why(), "patient-too-young");
  patient_.Set("birthDate", Json::String("1986-01-16"));
  class_.min_age_years = 40;
  EXPECT_EQ(Why(), "patient-too-young");
  patient_.Set("birthDate", Json::String("1986-01-15"));
  EXPECT_EQ(Why(), "");
  patient_.Set("deceasedBoolean", Json::Bool(true));
  EXPECT_EQ(Why(), "patient-deceased");
}

TEST_F(SafetyGateTest, EmergencyInpatientAndUrgentOnlyInform) {
  for (const char* code : {"EMER", "IMP", "ACUTE", "OBSENC", ""}) {
    encounter_ = *Json::Parse(absl::StrCat(R"({"resourceType":"Encounter","class":{"code":")", code, "\"}}"));
    EXPECT_EQ(Why(), "encounter-not-ambulatory") << code;
  }
  encounter_ = *Json::Parse(R"({"resourceType":"Encounter","class":{"code":"AMB"},"priority":{"coding":[{"code":"EM"}]}})");
  EXPECT_EQ(Why(), "encounter-not-routine");
  encounter_ = *Json::Parse(R"({"resourceType":"Encounter","class":{"code":"AMB"}})");
  for (const char* priority : {"stat", "asap", "urgent"}) {
    order_.Set("priority", Json::String(priority));
    EXPECT_EQ(Why(), "order-not-routine") << priority;
  }
  order_.Remove("priority");
  EXPECT_EQ(Why(), "");
  order_.Set("status", Json::String("active"));
  EXPECT_EQ(Why(), "order-not-draft");
}

TEST_F(SafetyGateTest, PregnancyAndSurveillanceOnlyInformWhileTheyLast) {
  const std::string pregnant = R"({"coding":[{"system":"http://snomed.info/sct","code":"77386006"}]})";
  Condition(pregnant);
  EXPECT_EQ(Why(), "pregnancy");
  Condition(pregnant, R"(,"clinicalStatus":{"coding":[{"code":"resolved"}]})");
  EXPECT_EQ(Why(), "");
  Condition(R"({"coding":[{"system":"http://hl7.org/fhir/sid/icd-10-cm","code":"O09.90"}]})");
  EXPECT_EQ(Why(), "pregnancy");
  Condition(R"({"coding":[{"system":"http://hl7.org/fhir/sid/icd-10-cm","code":"Z08"}]})");
  EXPECT_EQ(Why(), "surveillance");
  Condition(R"({"text":"Lung nodule surveillance"})");
  EXPECT_EQ(Why(), "surveillance");
  Condition(pregnant, R"(,"verificationStatus":{"coding":[{"code":"entered-in-error"}]})");
  EXPECT_EQ(Why(), "");
}

TEST_F(SafetyGateTest, TraumaOrProcedureSinceThePriorOnlyInforms) {
  const std::string fracture = R"({"coding":[{"system":"http://hl7.org/fhir/sid/icd-10-cm","code":"S82.0"}]})";
  Condition(fracture, R"(,"onsetDateTime":"2026-01-12")");
  EXPECT_EQ(Why(), "procedure-or-trauma");
  Condition(fracture, R"(,"onsetDateTime":"2026-01-09")");
  EXPECT_EQ(Why(), "");
  Condition(fracture);
  EXPECT_EQ(Why(), "procedure-or-trauma");
  conditions_ = *Json::Parse(R"({"resourceType":"Bundle"})");
  own_ = {{"north",
           "Procedure",
           "1",
           1,
           R"({"resourceType":"Procedure","status":"completed","performedDateTime":"2026-01-09"})",
           {}}};
  EXPECT_EQ(Why(), "");
  own_[0].json =
      R"({"resourceType":"Procedure","status":"completed","performedPeriod":{"start":"2026-01-09","end":"2026-01-11"}})";
  EXPECT_EQ(Why(), "procedure-or-trauma");
  own_[0].json = R"({"resourceType":"Procedure","status":"not-done"})";
  EXPECT_EQ(Why(), "");
}

TEST_F(SafetyGateTest, TheOrdersReasonCountsToo) {
  order_.Set("reasonCode", *Json::Parse(R"([{"text":"fall, knee injury"}])"));
  EXPECT_EQ(Why(), "procedure-or-trauma");
}

}  // namespace
}  // namespace custodian::exchange

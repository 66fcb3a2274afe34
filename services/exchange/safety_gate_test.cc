#include "services/exchange/safety_gate.h"

#include <algorithm>
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
    class_.reuse = absl::Hours(24 * 30);
    order_ = *Json::Parse(R"({"resourceType":"ServiceRequest","id":"o","status":"draft","priority":"routine"})");
    patient_ = *Json::Parse(R"({"resourceType":"Patient","id":"p","birthDate":"2008-01-15"})");
    encounter_ = *Json::Parse(R"({"resourceType":"Encounter","class":{"code":"AMB"}})");
    conditions_ = *Json::Parse(
        R"({"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Condition","code":{"coding":[{"system":"http://snomed.info/sct","code":"38341003"}],"text":"Hypertension"},"subject":{"reference":"Patient/p"},"onsetDateTime":"2019"}}]})");
  }
  void Condition(const std::string& code, const std::string& more = "") {
    conditions_ = *Json::Parse(
        absl::StrCat(R"({"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Condition","subject":{"reference":"Patient/p"},"code":)", code, more, "}}]}"));
  }
  [[nodiscard]] std::string Why() const {
    const DraftOrder order{"|o", "o", order_};
    const Json prefetch = Json::Object({{"patient", patient_}, {"encounter", encounter_}, {"conditions", conditions_}});
    const std::vector<const OpenedRecord*> records = PointersTo(records_);
    const Gate gate = InformationOnly({.order = &order,
                                       .exam_class = &class_,
                                       .reasons = &reasons_,
                                       .patient_id = "p",
                                       .encounter_id = "e",
                                       .prefetch = &prefetch,
                                       .records = &records,
                                       .prior_performed = At("2026-01-10T12:00:00Z"),
                                       .time = At("2026-01-15T12:00:00Z"),
                                       .zone = ZoneOf("America/Chicago")});
    // Of what is stored it names the record.
    if (gate.record != nullptr) {
      EXPECT_TRUE(std::find(records.begin(), records.end(), gate.record) != records.end() && !gate.reason.empty());
    }
    return std::string(gate.reason);
  }
  ExamClass class_;
  Json order_, patient_, encounter_, conditions_;
  std::vector<OpenedRecord> records_;
  OrderReasons reasons_ = OrderReasons::Shipped();
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

TEST_F(SafetyGateTest, AnExamThatIsPlannedForWhenThePriorIsTooOldOrRepeatedOnlyInforms) {
  const auto why = [this](const char* element, const char* value) {
    order_.Set(element, *Json::Parse(value));
    const std::string told = Why();
    order_.Remove(element);
    return told;
  };
  // The prior of 10 January may be reused until 9 February.
  EXPECT_EQ(why("occurrenceDateTime", R"("2026-01-20")"), "");
  EXPECT_EQ(why("occurrenceDateTime", R"("2026-02-09T06:00:00-06:00")"), "order-planned-later");
  EXPECT_EQ(why("occurrenceDateTime", R"("2026-02-09T05:59:00-06:00")"), "");
  EXPECT_EQ(why("occurrenceDateTime", R"("2026-07-10")"), "order-planned-later");
  EXPECT_EQ(why("occurrenceDateTime", R"("in half a year")"), "order-planned-later");
  EXPECT_EQ(why("occurrencePeriod", R"({"start":"2026-01-16","end":"2026-01-20"})"), "");
  EXPECT_EQ(why("occurrencePeriod", R"({"start":"2026-01-16","end":"2026-03-20"})"), "order-planned-later");
  EXPECT_EQ(why("occurrencePeriod", R"({"start":"2026-01-16"})"), "order-planned-later");
  EXPECT_EQ(why("occurrenceTiming", R"({"repeat":{"frequency":1,"period":6,"periodUnit":"mo"}})"), "order-not-once");
  EXPECT_EQ(why("asNeededBoolean", "true"), "order-not-once");
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
  records_ = {{"north",
           "Procedure",
           "1",
           1,
           R"({"resourceType":"Procedure","status":"completed","performedDateTime":"2026-01-09"})",
           {}}};
  EXPECT_EQ(Why(), "");
  records_[0].json =
      R"({"resourceType":"Procedure","status":"completed","performedPeriod":{"start":"2026-01-09","end":"2026-01-11"}})";
  EXPECT_EQ(Why(), "procedure-or-trauma");
  records_[0].json = R"({"resourceType":"Procedure","status":"not-done"})";
  EXPECT_EQ(Why(), "");
}

TEST_F(SafetyGateTest, AConditionThatCameBackOnlyInformsHoweverLongAgoItBegan) {
  const auto why = [this](const char* code, const char* status) {
    Condition(code, absl::StrCat(R"(,"onsetDateTime":"2019-01-12","clinicalStatus":{"coding":[{"code":")", status, R"("}]})"));
    return Why();
  };
  const char* const gout = R"({"text":"gout"})";
  const char* const dislocation = R"({"coding":[{"system":"http://hl7.org/fhir/sid/icd-10-cm","code":"S83.1"}]})";
  EXPECT_EQ(why(gout, "active"), "");
  EXPECT_EQ(why(gout, "recurrence"), "condition-recurred");
  EXPECT_EQ(why(gout, "relapse"), "condition-recurred");
  EXPECT_EQ(why(dislocation, "recurrence"), "procedure-or-trauma");
}

TEST_F(SafetyGateTest, WhateverReasonIsNotKnownToLeaveThePriorUsableOnlyInforms) {
  const auto reason = [this](const std::string& concept_json) {
    order_.Set("reasonCode", *Json::Parse(absl::StrCat("[", concept_json, "]")));
    return Why();
  };
  const auto icd = [](const char* system, const char* code) {
    return absl::StrCat(R"({"coding":[{"system":")", system, R"(","code":")", code, R"("}]})");
  };
  EXPECT_EQ(reason(R"({"text":"fall, knee injury"})"), "procedure-or-trauma");
  EXPECT_EQ(reason(R"({"text":"after fall"})"), "procedure-or-trauma");
  EXPECT_EQ(reason(R"({"text":"hit by car"})"), "procedure-or-trauma");
  EXPECT_EQ(reason(R"({"text":"follow up of nodule"})"), "surveillance");
  EXPECT_EQ(reason(R"({"text":"cough"})"), "reason-unlisted");
  EXPECT_EQ(reason("{}"), "reason-unlisted");
  EXPECT_EQ(reason(icd("urn:oid:2.16.840.1.113883.6.90", "S22.31XA")), "procedure-or-trauma");
  EXPECT_EQ(reason(icd("HTTP://hl7.org/FHIR/sid/icd-10-cm", "s2231xa")), "procedure-or-trauma");
  EXPECT_EQ(reason(icd("http://hl7.org/fhir/sid/icd-10-cm", "C34.90")), "surveillance");
  EXPECT_EQ(reason(icd("http://hl7.org/fhir/sid/icd-10", "M80.08XA")), "procedure-or-trauma");
  EXPECT_EQ(reason(icd("http://hl7.org/fhir/sid/icd-10-cm", "R05.9")), "reason-unlisted");
  EXPECT_EQ(reason(icd("urn:local", "17")), "reason-unlisted");
  order_.Remove("reasonCode");
  EXPECT_EQ(Why(), "");
  for (const char* member : {"note", "orderDetail", "supportingInfo", "reasonReference"}) {
    order_.Set(member, *Json::Parse(R"([{"text":"x"}])"));
    EXPECT_EQ(Why(), "reason-unlisted") << member;
    order_.Remove(member);
  }
  order_.Set("code", *Json::Parse(R"({"text":"CT chest, hit by car"})"));
  EXPECT_EQ(Why(), "procedure-or-trauma");
  order_.Remove("code");
  order_.Set("modifierExtension", *Json::Parse(R"([{"url":"urn:x"}])"));
  EXPECT_EQ(Why(), "order-modified");
}

TEST_F(SafetyGateTest, AReasonThatACommitteeListedAsUsableMaySuggest) {
  reasons_.Add(*OrderReasons::Parse("system,code,match,meaning,source\nhttp://hl7.org/fhir/sid/icd-10-cm,R05,prefix,usable,a committee\n"));
  const auto reason = [this](const char* concept_json) {
    order_.Set("reasonCode", *Json::Parse(absl::StrCat("[", concept_json, "]")));
    return Why();
  };
  EXPECT_EQ(reason(R"({"coding":[{"system":"urn:oid:2.16.840.1.113883.6.90","code":"R05.9","display":"Cough"}],"text":"cough"})"), "");
  // More is said than the code.
  EXPECT_EQ(reason(R"({"coding":[{"system":"urn:oid:2.16.840.1.113883.6.90","code":"R05.9","display":"Cough"}],"text":"cough, worse"})"), "reason-unlisted");
  EXPECT_EQ(reason(R"({"coding":[{"system":"http://hl7.org/fhir/sid/icd-10-cm","code":"R05.9"},{"system":"urn:local","code":"17"}]})"), "reason-unlisted");
  EXPECT_EQ(reason(R"({"coding":[{"system":"http://hl7.org/fhir/sid/icd-10-cm","code":"R05.9","display":"Cough after fall"}]})"), "procedure-or-trauma");
  order_.Set("reasonCode", Json::Array());
  order_.Set("reasonReference", *Json::Parse(R"([{"reference":"Condition/c"}])"));
  EXPECT_EQ(Why(), "reason-unlisted");
  Condition(R"({"coding":[{"system":"http://hl7.org/fhir/sid/icd-10-cm","code":"R05.9"}]})", R"(,"id":"c")");
  EXPECT_EQ(Why(), "");
  encounter_.Set("reasonCode", *Json::Parse(R"([{"text":"visit"}])"));
  EXPECT_EQ(Why(), "reason-unlisted");
}

TEST_F(SafetyGateTest, WhatIsAboutSomebodyElseIsNotKnown) {
  encounter_.Set("subject", *Json::Parse(R"({"reference":"Patient/other"})"));
  EXPECT_EQ(Why(), "encounter-unknown");
  encounter_.Set("subject", *Json::Parse(R"({"reference":"https://ehr/Patient/p"})"));
  EXPECT_EQ(Why(), "");
  encounter_.Set("id", Json::String("last-year"));
  EXPECT_EQ(Why(), "encounter-unknown");
  encounter_.Remove("id");
  for (const char* subject : {R"({"reference":"Patient/other"})", R"({"reference":"Group/p"})", "{}"}) {
    conditions_ = *Json::Parse(absl::StrCat(R"({"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Condition","onsetDateTime":"2019","subject":)", subject,
                                            R"(,"code":{"coding":[{"system":"http://snomed.info/sct","code":"38341003"}]}}}]})"));
    EXPECT_EQ(Why(), "conditions-unknown") << subject;
  }
}

TEST_F(SafetyGateTest, WhatIsStoredCountsAsWhatWasSent) {
  records_ = {{"north", "Condition", "1", 1, R"({"resourceType":"Condition","code":{"coding":[{"system":"http://snomed.info/sct","code":"77386006"}]}})", {}}};
  EXPECT_EQ(Why(), "pregnancy");
  records_[0].json = R"({"resourceType":"Condition","code":{"text":"gout"},"onsetDateTime":"2026-01-12"})";
  EXPECT_EQ(Why(), "condition-since-prior");
  records_[0].json = R"({"resourceType":"Condition","code":{"text":"gout"},"onsetDateTime":"2025-01-12"})";
  EXPECT_EQ(Why(), "");
}

TEST(OrderReasons, ATableNamesTheRowAtFault) {
  const auto fault = [](const std::string& row) {
    const auto parsed = OrderReasons::Parse("system,code,match,meaning,source\n" + row + "\n");
    return parsed.ok() ? std::string() : std::string(parsed.status().message());
  };
  EXPECT_EQ(fault("urn:x,1,exact,usable,s"), "");
  for (const char* row : {"urn:x,1,near,usable,s", "urn:x,1,word,surveillance,s", ",1,exact,usable,s", "urn:x,,exact,usable,s", "urn:x,1,exact,maybe,s",
                          "urn:x,1,exact,usable,", ",fine,word,usable,s"})
    EXPECT_NE(fault(row).find("line 2"), std::string::npos) << row;
}

// Where pregnancies are kept as observations (US Core).
TEST_F(SafetyGateTest, AnObservedPregnancyCountsAsLongAsItMayLast) {
  const auto observed = [](const std::string& code, const std::string& value, const std::string& when) {
    return absl::StrCat(R"({"resourceType":"Observation","status":"final","code":{"coding":[{"system":"urn:oid:2.16.840.1.113883.6.1","code":")", code,
                        R"("}]},"valueCodeableConcept":{"coding":[{"system":"http://snomed.info/sct","code":")", value, R"("}]})", when, "}");
  };
  const std::string in_december = R"(,"effectiveDateTime":"2025-12-20")";
  const auto why = [this](const std::string& json) {
    records_ = {{"north", "Observation", "1", 1, json, {}}};
    return Why();
  };
  EXPECT_EQ(why(observed("82810-3", "77386006", in_december)), "pregnancy");
  EXPECT_EQ(why(observed("11449-6", "77386006", "")), "pregnancy");
  // Not pregnant; something else; long ago.
  EXPECT_EQ(why(observed("82810-3", "60001007", in_december)), "");
  EXPECT_EQ(why(observed("29463-7", "77386006", in_december)), "");
  EXPECT_EQ(why(observed("82810-3", "77386006", R"(,"effectiveDateTime":"2024-12-20")")), "");
  EXPECT_TRUE(MayDecide(records_[0]));
  records_[0].json = observed("29463-7", "77386006", in_december);
  EXPECT_FALSE(MayDecide(records_[0]));
}

}  // namespace
}  // namespace custodian::exchange

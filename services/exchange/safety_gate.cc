#include "services/exchange/safety_gate.h"

#include <algorithm>
#include <string>

#include "absl/time/civil_time.h"
#include "services/consent/code_system.h"
#include "services/exchange/fhir_time.h"

namespace custodian::exchange {
namespace {

constexpr int kAdultYears = 18;

constexpr absl::Duration kPregnancyLastsAtMost = absl::Hours(24 * 300);

constexpr std::string_view kLoinc = "http://loinc.org";

constexpr std::string_view kUnlisted = "reason-unlisted";

std::string_view LastSegment(std::string_view reference) {
  if (const std::size_t history = reference.find("/_history/"); history != std::string_view::npos) reference = reference.substr(0, history);
  const std::size_t slash = reference.rfind('/');
  return slash == std::string_view::npos ? reference : reference.substr(slash + 1);
}

// "…/Patient/<id>" of a reference, by whatever server.
bool IsPatient(const Json& reference, std::string_view patient_id) {
  const std::string_view text = reference.TextOf("reference");
  return !text.empty() && LastSegment(text) == patient_id && (text.find('/') == std::string_view::npos || text.find("Patient/") != std::string_view::npos);
}

bool HasCode(const Json& concept_json, std::initializer_list<std::string_view> codes) {
  for (const Json& coding : concept_json["coding"].items())
    if (std::find(codes.begin(), codes.end(), coding.TextOf("code")) != codes.end()) return true;
  return false;
}

std::string_view WhyNotUsable(ReasonMeaning meaning) {
  if (meaning == ReasonMeaning::kUsable) return "";
  return ConcernOf(meaning).empty() ? kUnlisted : ConcernOf(meaning);
}

// The prefetched Condition of a reference; null when it is not there.
const Json* FindCondition(const Json& reference, const Json& conditions) {
  const std::string_view text = reference.TextOf("reference");
  if (text.find("Condition/") == std::string_view::npos) return nullptr;
  for (const Json& entry : conditions["entry"].items())
    if (entry["resource"].TextOf("resourceType") == "Condition" && entry["resource"].TextOf("id") == LastSegment(text)) return &entry["resource"];
  return nullptr;
}

// reasonCode and reasonReference of an order or an encounter.
std::string_view JudgeReasons(const Json& resource, const GateQuestion& question) {
  for (const Json& reason : resource["reasonCode"].items())
    if (const std::string_view why = WhyNotUsable(question.reasons->MeaningOf(reason)); !why.empty()) return why;
  for (const Json& reference : resource["reasonReference"].items()) {
    const Json* condition = FindCondition(reference, (*question.prefetch)["conditions"]);
    if (condition == nullptr) return kUnlisted;
    if (const std::string_view why = WhyNotUsable(question.reasons->MeaningOf((*condition)["code"])); !why.empty()) return why;
  }
  return "";
}

// When it is to be done (occurrence[x]; now where nothing is said): once, and while the prior may still be reused. An exam that is planned for later, or
// repeated, is how a finding is watched.
std::string_view JudgeOccurrence(const Json& order, const GateQuestion& question) {
  if (order.Find("occurrenceTiming") != nullptr || order.Find("asNeededBoolean") != nullptr || order.Find("asNeededCodeableConcept") != nullptr)
    return "order-not-once";
  const Json& period = order["occurrencePeriod"];
  if (order.Find("occurrenceDateTime") == nullptr && period.is_null()) return "";
  const auto planned = ParseFhirTime(period.is_null() ? order.TextOf("occurrenceDateTime") : period.TextOf("end"), question.zone);
  const absl::Time usable_until = question.prior_performed + question.exam_class->reuse;
  // Of a day the whole; of a period that has no end nothing is known.
  return planned && planned->end <= usable_until ? "" : "order-planned-later";
}

std::string_view JudgeOrder(const Json& order, const GateQuestion& question) {
  if (order.TextOf("id").empty()) return "order-without-id";
  if (order.TextOf("status") != "draft") return "order-not-draft";
  if (const std::string& priority = order.TextOf("priority"); !priority.empty() && priority != "routine")
    return "order-not-routine";
  // What it then means is not known.
  if (order.Find("modifierExtension") != nullptr || order.Find("implicitRules") != nullptr || order["doNotPerform"].boolean()) return "order-modified";
  if (const std::string_view why = JudgeOccurrence(order, question); !why.empty()) return why;
  // What the orderer wrote into the order's name ("CT chest after fall"), and beside it.
  if (const std::string_view concern = ConcernOf(question.reasons->MeaningOf(order["code"])); !concern.empty()) return concern;
  for (const Json& note : order["note"].items())
    if (const std::string_view concern = ConcernOf(question.reasons->MeaningOfText(note.TextOf("text"))); !concern.empty()) return concern;
  if (const std::string_view why = JudgeReasons(order, question); !why.empty()) return why;
  for (const char* more : {"note", "orderDetail", "supportingInfo"})
    if (!order[more].items().empty()) return kUnlisted;
  return "";
}

std::string_view JudgePatient(const Json& patient, const GateQuestion& question) {
  if (patient.TextOf("resourceType") != "Patient" || patient.TextOf("id") != question.patient_id) return "patient-unknown";
  const auto birth = ParseFhirTime(patient.TextOf("birthDate"), question.zone);
  if (!birth) return "patient-unknown";
  if (patient["deceasedBoolean"].boolean() || patient.Find("deceasedDateTime") != nullptr) return "patient-deceased";
  // Of a birth date without a day, the youngest reading.
  const absl::CivilDay born = absl::ToCivilDay(birth->end - absl::Milliseconds(1), question.zone);
  const absl::CivilDay today = absl::ToCivilDay(question.time, question.zone);
  const int years = std::max(kAdultYears, question.exam_class->min_age_years);
  // A birthday on 29 February is kept on 1 March in other years, as CivilDay carries it over.
  if (today < absl::CivilDay(born.year() + years, born.month(), born.day())) return "patient-too-young";
  return "";
}

std::string_view JudgeEncounter(const Json& encounter, const GateQuestion& question) {
  if (encounter.TextOf("resourceType") != "Encounter") return "encounter-unknown";
  // Of somebody else, or another visit.
  if (encounter.Find("subject") != nullptr && !IsPatient(encounter["subject"], question.patient_id)) return "encounter-unknown";
  if (!question.encounter_id.empty() && !encounter.TextOf("id").empty() && encounter.TextOf("id") != question.encounter_id) return "encounter-unknown";
  // R4 has a Coding; R5's list of concepts is not read, and so is not known to be ambulatory.
  const std::string& code = encounter["class"].TextOf("code");
  if (code != "AMB" && code != "VR") return "encounter-not-ambulatory";
  if (HasCode(encounter["priority"], {"A", "CR", "CS", "CSP", "CSR", "EM", "RR", "S", "UR"})) return "encounter-not-routine";
  return JudgeReasons(encounter, question);
}

// True unless it is known to have happened before `since`.
bool IsSince(std::string_view text, absl::Time since, absl::TimeZone zone) {
  const auto time = ParseFhirTime(text, zone);
  return !time || time->end > since;
}

std::string_view JudgeCondition(const Json& condition, const GateQuestion& question) {
  if (HasCode(condition["verificationStatus"], {"entered-in-error", "refuted"})) return "";
  const ReasonMeaning meaning = question.reasons->MeaningOf(condition["code"]);
  if (meaning == ReasonMeaning::kUsable) return "";
  if (meaning == ReasonMeaning::kPregnancy || meaning == ReasonMeaning::kSurveillance)
    return HasCode(condition["clinicalStatus"], {"inactive", "remission", "resolved"}) ? "" : ConcernOf(meaning);
  // It came back, whenever it first began.
  if (HasCode(condition["clinicalStatus"], {"recurrence", "relapse"})) return meaning == ReasonMeaning::kUnlisted ? "condition-recurred" : ConcernOf(meaning);
  std::string_view when = condition.TextOf("onsetDateTime");
  if (when.empty()) when = condition["onsetPeriod"].TextOf("start");
  if (when.empty()) when = condition.TextOf("recordedDate");
  if (!IsSince(when, question.prior_performed, question.zone)) return "";
  return meaning == ReasonMeaning::kUnlisted ? "condition-since-prior" : ConcernOf(meaning);
}

std::string_view JudgeConditions(const Json& conditions, const GateQuestion& question) {
  if (conditions.TextOf("resourceType") != "Bundle") return "conditions-unknown";
  // More pages than the first were not sent.
  for (const Json& link : conditions["link"].items())
    if (link.TextOf("relation") == "next") return "conditions-unknown";
  for (const Json& entry : conditions["entry"].items()) {
    const Json& condition = entry["resource"];
    if (condition.TextOf("resourceType") == "OperationOutcome") continue;
    if (condition.TextOf("resourceType") != "Condition" || !IsPatient(condition["subject"], question.patient_id)) return "conditions-unknown";
    if (const std::string_view why = JudgeCondition(condition, question); !why.empty()) return why;
  }
  return "";
}

// Whether somebody is pregnant: LOINC's answers to it, the first US Core's (http://hl7.org/fhir/us/core/StructureDefinition/us-core-observation-pregnancystatus).
bool IsPregnancyStatus(const Json& observation) {
  for (const Json& coding : observation["code"]["coding"].items())
    if ((coding.TextOf("code") == "82810-3" || coding.TextOf("code") == "11449-6") && consent::CanonicalSystem(coding.TextOf("system")) == kLoinc) return true;
  return false;
}

// It says so of its own day, and of those that a pregnancy may last from then on. What says that somebody is not pregnant lifts nothing that another says.
std::string_view JudgePregnancyStatus(const Json& observation, const GateQuestion& question) {
  const std::string& status = observation.TextOf("status");
  if (!IsPregnancyStatus(observation) || status == "entered-in-error" || status == "cancelled") return "";
  if (question.reasons->MeaningOf(observation["valueCodeableConcept"]) != ReasonMeaning::kPregnancy) return "";
  std::string_view when = observation.TextOf("effectiveDateTime");
  if (when.empty()) when = observation["effectivePeriod"].TextOf("start");
  return IsSince(when, question.time - kPregnancyLastsAtMost, question.zone) ? ConcernOf(ReasonMeaning::kPregnancy) : "";
}

// What is stored: conditions as those that were sent, pregnancies, and procedures since the prior.
std::string_view JudgeRecord(const OpenedRecord& record, const GateQuestion& question) {
  const auto json = ResourceOf(record);
  if (json == nullptr) return "conditions-unknown";
  if (record.resource_type == "Condition") return JudgeCondition(*json, question);
  if (record.resource_type == "Observation") return JudgePregnancyStatus(*json, question);
  if (record.resource_type != "Procedure") return "";
  const std::string& status = json->TextOf("status");
  if (status == "not-done" || status == "entered-in-error" || status == "preparation") return "";
  std::string_view when = json->TextOf("performedDateTime");
  if (when.empty()) when = (*json)["performedPeriod"].TextOf("end");
  if (when.empty()) when = (*json)["performedPeriod"].TextOf("start");
  return IsSince(when, question.prior_performed, question.zone) ? ConcernOf(ReasonMeaning::kProcedureOrTrauma) : "";
}

// Of the order and what was sent with it.
std::string_view JudgeCall(const GateQuestion& question) {
  if (question.exam_class->setting != "ambulatory") return "class-not-ambulatory";
  if (const std::string_view why = JudgeOrder(question.order->resource, question); !why.empty()) return why;
  const Json& prefetch = *question.prefetch;
  if (const std::string_view why = JudgePatient(prefetch["patient"], question); !why.empty()) return why;
  if (const std::string_view why = JudgeEncounter(prefetch["encounter"], question); !why.empty()) return why;
  return JudgeConditions(prefetch["conditions"], question);
}

}  // namespace

bool MayDecide(const OpenedRecord& record) {
  if (record.resource_type == "Condition" || record.resource_type == "Procedure") return true;
  if (record.resource_type != "Observation") return false;
  const auto json = ResourceOf(record);
  return json != nullptr && IsPregnancyStatus(*json);
}

Gate InformationOnly(const GateQuestion& question) {
  if (const std::string_view why = JudgeCall(question); !why.empty()) return {why};
  for (const OpenedRecord* record : *question.records)
    if (const std::string_view why = JudgeRecord(*record, question); !why.empty()) return {why, record};
  return {};
}

}  // namespace custodian::exchange

#include "services/exchange/safety_gate.h"

#include <algorithm>
#include <cctype>
#include <string>

#include "absl/time/civil_time.h"
#include "services/exchange/fhir_time.h"

namespace custodian::exchange {
namespace {

constexpr int kAdultYears = 18;

enum class Concern { kNone, kPregnancy, kSurveillance, kProcedureOrTrauma };

// ICD-10-CM codes by how they begin.
struct Prefix {
  std::string_view prefix;
  Concern concern;
};
constexpr Prefix kIcd10[] = {
    {"O", Concern::kPregnancy},         {"Z33", Concern::kPregnancy},         {"Z34", Concern::kPregnancy},
    {"Z3A", Concern::kPregnancy},       {"Z36", Concern::kPregnancy},         {"Z08", Concern::kSurveillance},
    {"Z09", Concern::kSurveillance},    {"Z85", Concern::kSurveillance},      {"Z86.0", Concern::kSurveillance},
    {"S", Concern::kProcedureOrTrauma}, {"T", Concern::kProcedureOrTrauma},   {"Z47", Concern::kProcedureOrTrauma},
    {"V", Concern::kProcedureOrTrauma}, {"W", Concern::kProcedureOrTrauma},   {"X", Concern::kProcedureOrTrauma},
    {"Y", Concern::kProcedureOrTrauma}, {"Z48", Concern::kProcedureOrTrauma}, {"Z98", Concern::kProcedureOrTrauma},
};

struct Code {
  std::string_view code;
  Concern concern;
};
constexpr Code kSnomed[] = {
    {"77386006", Concern::kPregnancy},           // pregnant
    {"72892002", Concern::kPregnancy},           // normal pregnancy
    {"47200007", Concern::kPregnancy},           // high risk pregnancy
    {"417746004", Concern::kProcedureOrTrauma},  // traumatic injury
    {"125605004", Concern::kProcedureOrTrauma},  // fracture of bone
    {"110030002", Concern::kProcedureOrTrauma},  // concussion injury of brain
};

// Words that a code's display or a free text says it in.
struct Word {
  std::string_view text;
  Concern concern;
};
constexpr Word kWords[] = {
    {"pregnan", Concern::kPregnancy},
    {"gestation", Concern::kPregnancy},
    {"surveillance", Concern::kSurveillance},
    {"follow-up", Concern::kSurveillance},
    {"restaging", Concern::kSurveillance},
    {"trauma", Concern::kProcedureOrTrauma},
    {"injur", Concern::kProcedureOrTrauma},
    {"fracture", Concern::kProcedureOrTrauma},
    {"laceration", Concern::kProcedureOrTrauma},
    {"sprain", Concern::kProcedureOrTrauma},
    {"concussion", Concern::kProcedureOrTrauma},
    {"postoperative", Concern::kProcedureOrTrauma},
    {"post-operative", Concern::kProcedureOrTrauma},
    {"status post", Concern::kProcedureOrTrauma},
};

Concern ConcernOfText(const std::string& text) {
  std::string lower = text;
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (const Word& word : kWords)
    if (lower.find(word.text) != std::string::npos) return word.concern;
  return Concern::kNone;
}

Concern ConcernOf(const Json& concept_json) {
  for (const Json& coding : concept_json["coding"].items()) {
    const std::string& system = coding.TextOf("system");
    const std::string& code = coding.TextOf("code");
    if (system == "http://hl7.org/fhir/sid/icd-10-cm" || system == "http://hl7.org/fhir/sid/icd-10")
      for (const Prefix& prefix : kIcd10)
        if (code.starts_with(prefix.prefix)) return prefix.concern;
    if (system == "http://snomed.info/sct")
      for (const Code& known : kSnomed)
        if (code == known.code) return known.concern;
    if (const Concern concern = ConcernOfText(coding.TextOf("display")); concern != Concern::kNone) return concern;
  }
  return ConcernOfText(concept_json.TextOf("text"));
}

std::string_view NameOf(Concern concern) {
  switch (concern) {
    case Concern::kPregnancy: return "pregnancy";
    case Concern::kSurveillance: return "surveillance";
    case Concern::kProcedureOrTrauma: return "procedure-or-trauma";
    case Concern::kNone: break;
  }
  return "";
}

bool HasCode(const Json& concept_json, std::initializer_list<std::string_view> codes) {
  for (const Json& coding : concept_json["coding"].items())
    if (std::find(codes.begin(), codes.end(), coding.TextOf("code")) != codes.end()) return true;
  return false;
}

std::string_view JudgeOrder(const Json& order) {
  if (order.TextOf("id").empty()) return "order-without-id";
  if (order.TextOf("status") != "draft") return "order-not-draft";
  if (const std::string& priority = order.TextOf("priority"); !priority.empty() && priority != "routine")
    return "order-not-routine";
  for (const Json& reason : order["reasonCode"].items())
    if (const Concern concern = ConcernOf(reason); concern != Concern::kNone) return NameOf(concern);
  for (const Json& reason : order["reasonReference"].items())
    if (const Concern concern = ConcernOfText(reason.TextOf("display")); concern != Concern::kNone) return NameOf(concern);
  // What the orderer wrote: "follow-up of nodule", "after fall".
  if (const Concern concern = ConcernOf(order["code"]); concern != Concern::kNone) return NameOf(concern);
  for (const Json& note : order["note"].items())
    if (const Concern concern = ConcernOfText(note.TextOf("text")); concern != Concern::kNone) return NameOf(concern);
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

std::string_view JudgeEncounter(const Json& encounter) {
  if (encounter.TextOf("resourceType") != "Encounter") return "encounter-unknown";
  // R4 has a Coding; R5's list of concepts is not read, and so is not known to be ambulatory.
  const std::string& code = encounter["class"].TextOf("code");
  if (code != "AMB" && code != "VR") return "encounter-not-ambulatory";
  if (HasCode(encounter["priority"], {"A", "CR", "CS", "CSP", "CSR", "EM", "RR", "S", "UR"})) return "encounter-not-routine";
  for (const Json& reason : encounter["reasonCode"].items())
    if (const Concern concern = ConcernOf(reason); concern != Concern::kNone) return NameOf(concern);
  return "";
}

// True unless it is known to have happened before `since`.
bool IsSince(std::string_view text, absl::Time since, absl::TimeZone zone) {
  const auto time = ParseFhirTime(text, zone);
  return !time || time->end > since;
}

std::string_view JudgeConditions(const Json& conditions, const GateQuestion& question) {
  if (conditions.TextOf("resourceType") != "Bundle") return "conditions-unknown";
  // More pages than the first were not sent.
  for (const Json& link : conditions["link"].items())
    if (link.TextOf("relation") == "next") return "conditions-unknown";
  for (const Json& entry : conditions["entry"].items()) {
    const Json& condition = entry["resource"];
    if (condition.TextOf("resourceType") == "OperationOutcome") continue;
    if (condition.TextOf("resourceType") != "Condition") return "conditions-unknown";
    if (HasCode(condition["verificationStatus"], {"entered-in-error", "refuted"})) continue;
    const Concern concern = ConcernOf(condition["code"]);
    if (concern == Concern::kNone) continue;
    if (concern == Concern::kProcedureOrTrauma) {
      std::string_view when = condition.TextOf("onsetDateTime");
      if (when.empty()) when = condition["onsetPeriod"].TextOf("start");
      if (when.empty()) when = condition.TextOf("recordedDate");
      if (IsSince(when, question.prior_performed, question.zone)) return NameOf(concern);
    } else if (!HasCode(condition["clinicalStatus"], {"inactive", "remission", "resolved"})) {
      return NameOf(concern);
    }
  }
  return "";
}

bool HadProcedureSince(const GateQuestion& question) {
  for (const OpenedRecord* record : *question.own_records) {
    if (record->resource_type != "Procedure") continue;
    const auto procedure = ResourceOf(*record);
    if (procedure == nullptr) return true;
    const std::string& status = procedure->TextOf("status");
    if (status == "not-done" || status == "entered-in-error" || status == "preparation") continue;
    std::string_view when = procedure->TextOf("performedDateTime");
    if (when.empty()) when = (*procedure)["performedPeriod"].TextOf("end");
    if (when.empty()) when = (*procedure)["performedPeriod"].TextOf("start");
    if (IsSince(when, question.prior_performed, question.zone)) return true;
  }
  return false;
}

}  // namespace

std::string_view InformationOnly(const GateQuestion& question) {
  if (question.exam_class->setting != "ambulatory") return "class-not-ambulatory";
  if (const std::string_view why = JudgeOrder(question.order->resource); !why.empty()) return why;
  const Json& prefetch = *question.prefetch;
  if (const std::string_view why = JudgePatient(prefetch["patient"], question); !why.empty()) return why;
  if (const std::string_view why = JudgeEncounter(prefetch["encounter"]); !why.empty()) return why;
  if (const std::string_view why = JudgeConditions(prefetch["conditions"], question); !why.empty()) return why;
  return HadProcedureSince(question) ? NameOf(Concern::kProcedureOrTrauma) : "";
}

}  // namespace custodian::exchange

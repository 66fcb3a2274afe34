#include "services/sample/generate_fhir.h"

#include "absl/strings/str_cat.h"
#include "services/sample/generate_json.h"

namespace custodian::sample {
namespace {

constexpr char kSnomed[] = "http://snomed.info/sct";
constexpr char kLoinc[] = "http://loinc.org";
constexpr char kIdentifierType[] = "http://terminology.hl7.org/CodeSystem/v2-0203";
constexpr char kActCode[] = "http://terminology.hl7.org/CodeSystem/v3-ActCode";

std::string Coding(const std::string& system, const std::string& code, const std::string& display = "") {
  return Object({{"system", Text(system)}, {"code", Text(code)}, {"display", display.empty() ? "" : Text(display)}});
}

std::string Concept(const std::string& coding, const std::string& text = "") {
  return Object({{"coding", Array({coding})}, {"text", text.empty() ? "" : Text(text)}});
}

std::string Identifier(const std::string& type, const std::string& system, const std::string& value) {
  return Object(
      {{"type", type.empty() ? "" : Concept(Coding(kIdentifierType, type))}, {"system", Text(system)}, {"value", Text(value)}});
}

std::string Reference(const std::string& type, const std::string& id) {
  return id.empty() ? "" : Object({{"reference", Text(absl::StrCat(type, "/", id))}});
}

std::string ReferenceList(const std::string& type, const std::string& id) {
  return id.empty() ? "" : Array({Reference(type, id)});
}

std::string ExamConcept(const CatalogExam& exam) { return Concept(Coding(kLoinc, exam.loinc, exam.label), exam.label); }

std::string SideCoding(Side side) {
  switch (side) {
    case Side::kLeft: return Coding(kSnomed, "7771000", "Left");
    case Side::kRight: return Coding(kSnomed, "24028007", "Right");
    case Side::kBoth: return Coding(kSnomed, "51440002", "Right and left");
    case Side::kNone: break;
  }
  return "";
}

std::string KneeConcept(Side side) {
  switch (side) {
    case Side::kLeft: return Concept(Coding(kSnomed, "82169009", "Structure of left knee region"));
    case Side::kRight: return Concept(Coding(kSnomed, "6757004", "Structure of right knee region"));
    case Side::kBoth: return Concept(Coding(kSnomed, "36701003", "Structure of both knees"));
    case Side::kNone: break;
  }
  return "";
}

}  // namespace

std::string DateTime(absl::Time t, const Site& site) { return absl::FormatTime("%Y-%m-%d%ET%H:%M:%E3S%Ez", t, site.zone); }
std::string DateOnly(absl::Time t, const Site& site) { return absl::FormatTime("%Y-%m-%d", t, site.zone); }
std::string Utc(absl::Time t) { return absl::FormatTime("%Y-%m-%d%ET%H:%M:%E3SZ", t, absl::UTCTimeZone()); }

std::string OrganizationJson(const Site& site) {
  return Object({{"resourceType", Text("Organization")},
                 {"id", Text(site.organization_id)},
                 {"identifier", Array({Identifier("", site.organization_system, site.organization_value)})},
                 {"active", "true"},
                 {"name", Text(site.display_name)}});
}

std::string PractitionerJson(const Site&, const std::string& id, const std::string& family, const std::string& given) {
  return Object(
      {{"resourceType", Text("Practitioner")},
       {"id", Text(id)},
       {"active", "true"},
       {"name", Array({Object({{"family", Text(family)}, {"given", Array({Text(given)})}, {"prefix", Array({Text("Dr.")})}})})}});
}

std::string PatientJson(const Site& site, const PatientFields& patient) {
  const Person& person = patient.person;
  std::vector<std::string> identifiers{Identifier("MR", site.record_number_system, patient.record_number)};
  if (!person.ssn.empty()) identifiers.push_back(Identifier("SS", "http://hl7.org/fhir/sid/us-ssn", person.ssn));
  const std::string telecom =
      person.phone.empty() ? ""
                           : Array({Object({{"system", Text("phone")}, {"value", Text(person.phone)}, {"use", Text("home")}})});
  return Object(
      {{"resourceType", Text("Patient")},
       {"id", Text(patient.id)},
       {"identifier", Array(identifiers)},
       {"active", "true"},
       {"name",
        Array({Object({{"use", Text("official")}, {"family", Text(person.family)}, {"given", Array({Text(person.given)})}})})},
       {"telecom", telecom},
       {"gender", Text(person.gender)},
       {"birthDate", Text(absl::FormatCivilTime(person.birth_date))},
       {"deceasedDateTime", patient.deceased ? Text(DateTime(*patient.deceased, site)) : ""},
       {"address", Array({Object({{"use", Text("home")},
                                  {"line", Array({Text(person.address_line)})},
                                  {"city", Text(person.city)},
                                  {"state", Text(person.state)},
                                  {"postalCode", Text(person.postal_code)},
                                  {"country", Text("US")}})})},
       {"managingOrganization", Reference("Organization", site.organization_id)}});
}

std::string ConsentJson(const Site& site, const ConsentFields& consent) {
  const std::string actor = Object(
      {{"role", Concept(Coding("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "IRCP", "information recipient"))},
       {"reference",
        Object({{"type", Text("Organization")},
                {"identifier", Identifier("", consent.actor->organization_system, consent.actor->organization_value)},
                {"display", Text(consent.actor->display_name)}})}});
  return Object(
      {{"resourceType", Text("Consent")},
       {"id", Text(consent.id)},
       {"status", Text(consent.status)},
       {"scope", Concept(Coding("http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy"))},
       {"category", Array({Concept(Coding(kLoinc, "59284-0", "Consent Document"))})},
       {"patient", Reference("Patient", consent.patient_id)},
       {"dateTime", Text(DateTime(consent.given, site))},
       {"organization", ReferenceList("Organization", site.organization_id)},
       {"policyRule", Concept(Coding(kActCode, consent.permit ? "OPTIN" : "OPTOUT"))},
       {"provision",
        Object({{"type", Text(consent.permit ? "permit" : "deny")},
                {"period", Object({{"start", Text(DateTime(consent.from, site))}, {"end", Text(DateTime(consent.until, site))}})},
                {"actor", Array({actor})},
                {"purpose", Array({Coding("http://terminology.hl7.org/CodeSystem/v3-ActReason", consent.purpose)})}})}});
}

std::string ServiceRequestJson(const Site& site, const OrderFields& order) {
  return Object({{"resourceType", Text("ServiceRequest")},
                 {"id", Text(order.id)},
                 {"identifier", Array({Identifier("PLAC", site.order_system, order.identifier)})},
                 {"status", Text(order.status)},
                 {"intent", Text("order")},
                 {"priority", Text(order.priority)},
                 {"code", ExamConcept(*order.exam)},
                 {"subject", Reference("Patient", order.patient_id)},
                 {"encounter", order.status == "draft" ? Reference("Encounter", order.encounter_id) : ""},
                 {"authoredOn", Text(DateTime(order.authored, site))},
                 {"requester", Reference("Practitioner", order.practitioner_id)},
                 {"bodySite", order.side == Side::kNone ? "" : Array({KneeConcept(order.side)})}});
}

std::string DiagnosticReportJson(const Site& site, const ReportFields& report) {
  const bool imaging = report.exam->imaging();
  const std::string category = Concept(Coding("http://terminology.hl7.org/CodeSystem/v2-0074", imaging ? "RAD" : "LAB"));
  return Object({{"resourceType", Text("DiagnosticReport")},
                 {"id", Text(report.id)},
                 {"identifier", Array({Identifier("ACSN", report.accession_system, report.accession)})},
                 {"basedOn", ReferenceList("ServiceRequest", report.order_id)},
                 {"status", Text(report.status)},
                 {"category", Array({category})},
                 {"code", ExamConcept(*report.exam)},
                 {"subject", Reference("Patient", report.patient_id)},
                 {"effectiveDateTime", Text(report.effective)},
                 {"issued", Text(DateTime(report.issued, site))},
                 {"performer", ReferenceList("Organization", site.organization_id)},
                 {"resultsInterpreter", ReferenceList("Practitioner", report.practitioner_id)},
                 {"imagingStudy", ReferenceList("ImagingStudy", report.study_id)},
                 {"conclusion",
                  Text(absl::StrCat(report.exam->label, imaging ? ": no acute finding." : ": within the reference range."))}});
}

std::string ImagingStudyJson(const StudyFields& study) {
  const std::string modality = Coding("http://dicom.nema.org/resources/ontology/DCM", study.exam->modality);
  const std::string series = Object({{"uid", Text(study.uid + ".1")},
                                     {"number", "1"},
                                     {"modality", modality},
                                     {"numberOfInstances", "24"},
                                     {"laterality", SideCoding(study.side)}});
  return Object({{"resourceType", Text("ImagingStudy")},
                 {"id", Text(study.id)},
                 {"identifier", Array({Identifier("ACSN", study.accession_system, study.accession),
                                       Identifier("", "urn:dicom:uid", "urn:oid:" + study.uid)})},
                 {"status", Text(study.status)},
                 {"modality", Array({modality})},
                 {"subject", Reference("Patient", study.patient_id)},
                 {"started", Text(study.started)},
                 {"basedOn", ReferenceList("ServiceRequest", study.order_id)},
                 {"numberOfSeries", "1"},
                 {"numberOfInstances", "24"},
                 {"procedureCode", Array({ExamConcept(*study.exam)})},
                 {"series", Array({series})}});
}

std::string EncounterJson(const std::string& id, const std::string& patient_id, const std::string& encounter_class) {
  return Object({{"resourceType", Text("Encounter")},
                 {"id", Text(id)},
                 {"status", Text("in-progress")},
                 {"class", Coding(kActCode, encounter_class)},
                 {"subject", Reference("Patient", patient_id)}});
}

std::string ConditionsJson(const std::string& patient_id, absl::CivilYear hypertension_since, bool pregnant,
                           const std::string& recorded) {
  const auto condition = [&](const std::string& id, const std::string& code, const std::string& display,
                             const std::string& onset) {
    return Object({{"resource", Object({{"resourceType", Text("Condition")},
                                        {"id", Text(id)},
                                        {"clinicalStatus",
                                         Concept(Coding("http://terminology.hl7.org/CodeSystem/condition-clinical", "active"))},
                                        {"code", Concept(Coding(kSnomed, code, display), display)},
                                        {"subject", Reference("Patient", patient_id)},
                                        {"onsetDateTime", Text(onset)},
                                        {"recordedDate", Text(onset)}})}});
  };
  std::vector<std::string> entries{
      condition("problem-1", "38341003", "Hypertensive disorder", absl::FormatCivilTime(hypertension_since))};
  if (pregnant) entries.push_back(condition("problem-2", "77386006", "Pregnancy", recorded));
  return Object({{"resourceType", Text("Bundle")},
                 {"type", Text("searchset")},
                 {"total", Number(static_cast<std::int64_t>(entries.size()))},
                 {"entry", Array(entries)}});
}

std::string PutEntry(const std::string& type, const std::string& id, const std::string& resource) {
  return Object({{"fullUrl", Text("urn:uuid:" + id)},
                 {"resource", resource},
                 {"request", Object({{"method", Text("PUT")}, {"url", Text(absl::StrCat(type, "/", id))}})}});
}

std::string TransactionBundle(const std::vector<std::string>& entries) {
  return Object({{"resourceType", Text("Bundle")}, {"type", Text("transaction")}, {"entry", Array(entries)}});
}

}  // namespace custodian::sample

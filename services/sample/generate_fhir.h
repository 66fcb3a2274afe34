// The FHIR R4 resources of the made population as JSON text (http://hl7.org/fhir/R4). Identifiers that cases must agree on come
// in as arguments; nothing here draws dice or knows a scenario. Pure.
#ifndef CUSTODIAN_SERVICES_SAMPLE_GENERATE_FHIR_H_
#define CUSTODIAN_SERVICES_SAMPLE_GENERATE_FHIR_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/sample/generate_catalog.h"
#include "services/sample/generate_person.h"

namespace custodian::sample {

// A health system of the population.
struct Site {
  std::string name;
  std::string display_name;
  std::string time_zone;
  std::string organization_system;
  std::string organization_value;
  std::string accession_system;
  std::string order_system;
  std::string record_number_system;
  // Begins accession and record numbers.
  std::string prefix;
  absl::TimeZone zone;
  std::string organization_id;
  std::vector<std::string> practitioner_ids;
};

enum class Side { kNone, kLeft, kRight, kBoth };

// FHIR dateTime with milliseconds in the site's zone, or its day alone.
[[nodiscard]] std::string DateTime(absl::Time t, const Site& site);
[[nodiscard]] std::string DateOnly(absl::Time t, const Site& site);
// RFC 3339, UTC, milliseconds.
[[nodiscard]] std::string Utc(absl::Time t);

[[nodiscard]] std::string OrganizationJson(const Site& site);
[[nodiscard]] std::string PractitionerJson(const Site& site, const std::string& id, const std::string& family,
                                           const std::string& given);

struct PatientFields {
  std::string id;
  std::string record_number;
  Person person;
  std::optional<absl::Time> deceased;
};
[[nodiscard]] std::string PatientJson(const Site& site, const PatientFields& patient);

struct ConsentFields {
  std::string id;
  std::string patient_id;
  std::string status = "active";
  bool permit = true;
  // Who may read.
  const Site* actor = nullptr;
  // v3-ActReason.
  std::string purpose = "TREAT";
  absl::Time given;
  absl::Time from;
  absl::Time until;
};
[[nodiscard]] std::string ConsentJson(const Site& site, const ConsentFields& consent);

struct OrderFields {
  std::string id;
  // Value of the identifier in the site's order system.
  std::string identifier;
  std::string patient_id;
  std::string encounter_id;
  std::string practitioner_id;
  const CatalogExam* exam = nullptr;
  Side side = Side::kNone;
  // "draft", "active", "completed".
  std::string status = "draft";
  std::string priority = "routine";
  absl::Time authored;
};
[[nodiscard]] std::string ServiceRequestJson(const Site& site, const OrderFields& order);

struct ReportFields {
  std::string id;
  // ACSN: the performing tenant's number, also on copies elsewhere.
  std::string accession_system;
  std::string accession;
  std::string patient_id;
  std::string practitioner_id;
  const CatalogExam* exam = nullptr;
  std::string status = "final";
  // FHIR dateTime.
  std::string effective;
  absl::Time issued;
  // Empty when not linked.
  std::string order_id;
  std::string study_id;
};
[[nodiscard]] std::string DiagnosticReportJson(const Site& site, const ReportFields& report);

struct StudyFields {
  std::string id;
  std::string uid;
  std::string accession_system;
  std::string accession;
  std::string patient_id;
  const CatalogExam* exam = nullptr;
  // Of the series; kNone writes none.
  Side side = Side::kNone;
  std::string status = "available";
  std::string started;
  std::string order_id;
};
[[nodiscard]] std::string ImagingStudyJson(const StudyFields& study);

// `encounter_class`: v3-ActCode ("AMB", "IMP", "EMER").
[[nodiscard]] std::string EncounterJson(const std::string& id, const std::string& patient_id, const std::string& encounter_class);
// A searchset of the problem list: hypertension for years, and a pregnancy when asked.
[[nodiscard]] std::string ConditionsJson(const std::string& patient_id, absl::CivilYear hypertension_since, bool pregnant,
                                         const std::string& recorded);

// An entry of a transaction Bundle that writes `resource` under its own id.
[[nodiscard]] std::string PutEntry(const std::string& type, const std::string& id, const std::string& resource);
[[nodiscard]] std::string TransactionBundle(const std::vector<std::string>& entries);

}  // namespace custodian::sample

#endif  // CUSTODIAN_SERVICES_SAMPLE_GENERATE_FHIR_H_

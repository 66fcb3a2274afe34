// Which patient a resource is about, and so under whose key it lies. Pure.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_FHIR_SUBJECT_H_
#define CUSTODIAN_SERVICES_EXCHANGE_FHIR_SUBJECT_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "services/exchange/fhir_json.h"
#include "services/exchange/fhir_reference.h"

namespace custodian::exchange {

// A patient's FHIR id, and the FHIRPath of the reference that names it.
struct Subject {
  std::string fhir_id;
  std::string path;
  // Named elsewhere than where the type says whom it is about: a Provenance's agent, not its target.
  bool elsewhere = false;
};

// "Patient/<id>", perhaps with a version, → id.
[[nodiscard]] std::optional<std::string> PatientReference(std::string_view reference);

// The one patient that the resource names where its type says whom it is about, else the one patient it names at all. Nothing when
// there is none or there are several: the resource is then the tenant's own. `path` begins the FHIRPath; a Patient is its own.
[[nodiscard]] std::optional<Subject> SubjectOf(const Json& resource, std::string_view path);

// What the resource is about where its type says so and it names no Patient there, as Type/id: a Provenance's target, a measured Device. It lies
// with the one patient whose records these are.
[[nodiscard]] std::vector<LocalReference> SubjectRecords(const Json& resource);

// FHIRPath of a subject that is given, but by no reference of the form Type/id: whom the resource is about cannot be told, and filing
// it under nobody's key would be wrong.
[[nodiscard]] std::optional<std::string> UnclearSubject(const Json& resource, std::string_view path);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_FHIR_SUBJECT_H_

// FHIR R4 (4.0.1) as data: which types there are, their elements, types, cardinalities and required codes
// (fhir_definitions.inc, made by generate_fhir_definitions.py). Checks a resource against them. Pure; safe from any thread.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_FHIR_DEFINITIONS_H_
#define CUSTODIAN_SERVICES_EXCHANGE_FHIR_DEFINITIONS_H_

#include <string>
#include <string_view>
#include <vector>

#include "services/exchange/fhir_json.h"

namespace custodian::exchange {

// Every R4 resource type, sorted.
[[nodiscard]] const std::vector<std::string>& ResourceTypes();
[[nodiscard]] bool IsResourceType(std::string_view name);
// Elements that place a resource of this type in a patient's compartment, best first; empty when it has none.
[[nodiscard]] const std::vector<std::string>& CompartmentElements(std::string_view resource_type);

// Faults of `resource` against R4: unknown type or element, cardinality, JSON type, format of primitives (id, date, dateTime,
// instant, code, uri, ...), codes of required bindings, Reference targets of a wrong type. `path` begins each FHIRPath
// ("Observation", "Bundle.entry[3].resource"). At most `issues_max` are told; empty when there is none.
[[nodiscard]] std::vector<Issue> ValidateResource(const Json& resource, std::string_view path, std::size_t issues_max = 20);

// [A-Za-z0-9\-\.]{1,64}.
[[nodiscard]] bool IsFhirId(std::string_view text);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_FHIR_DEFINITIONS_H_

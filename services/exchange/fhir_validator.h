// Checks a resource against FHIR R4 (fhir_definitions.h). Pure; safe from any thread.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_FHIR_VALIDATOR_H_
#define CUSTODIAN_SERVICES_EXCHANGE_FHIR_VALIDATOR_H_

#include <cstddef>
#include <string_view>
#include <vector>

#include "services/exchange/fhir_json.h"

namespace custodian::exchange {

// Faults of `resource`: unknown types and elements, cardinality, JSON types, formats of primitives, choices, codes of required
// bindings, Reference targets of a wrong type, narratives, HL7's invariants. `path` begins each FHIRPath ("Observation",
// "Bundle.entry[3].resource"). At most `issues_max` are told; empty when there is none.
[[nodiscard]] std::vector<Issue> ValidateResource(const Json& resource, std::string_view path, std::size_t issues_max = 20);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_FHIR_VALIDATOR_H_

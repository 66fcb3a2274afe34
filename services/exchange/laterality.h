// Sides of the body in FHIR codings: what an order's `bodySite` and a study's `series.laterality` say. Pure.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_LATERALITY_H_
#define CUSTODIAN_SERVICES_EXCHANGE_LATERALITY_H_

#include <string>
#include <string_view>

#include "services/exchange/fhir_json.h"

namespace custodian::exchange {

// "left", "right", "bilateral", or empty when unspecified. `coding` is a FHIR Coding; read are SNOMED CT's qualifiers and the
// structures of knees and breasts, DICOM's and HL7's letters, and else the words of its display.
[[nodiscard]] std::string LateralityOfCoding(const Json& coding);
// Of a CodeableConcept, or of a list of them (ServiceRequest.bodySite): both sides make "bilateral".
[[nodiscard]] std::string LateralityOfConcepts(const Json& concepts);
// Whether a CodeableConcept says a side and no place: SNOMED CT's qualifiers and the letters, and nothing else.
[[nodiscard]] bool IsSideAlone(const Json& concept_json);
// Two sides seen together.
[[nodiscard]] std::string JoinLaterality(const std::string& a, const std::string& b);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_LATERALITY_H_

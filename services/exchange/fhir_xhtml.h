// Whether a narrative is the XHTML that FHIR allows (http://hl7.org/fhir/R4/narrative.html, invariants txt-1 and txt-2): one
// well-formed <div>, in the namespace of XHTML, of the elements and attributes in HL7's definitions, with something in it, no script, no other address than
// http(s), mailto, tel, data: images or a place within. Pure.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_FHIR_XHTML_H_
#define CUSTODIAN_SERVICES_EXCHANGE_FHIR_XHTML_H_

#include <string_view>

namespace custodian::exchange {

[[nodiscard]] bool IsNarrativeXhtml(std::string_view text);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_FHIR_XHTML_H_

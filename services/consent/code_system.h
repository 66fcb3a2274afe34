// Code systems under their several names: FHIR's URL, the OID of HL7 v2 and CDA (urn:oid:), older URLs, other letter case. Rules about codes compare what
// these make of a system and a code, so that none is missed for how it was written. Pure.
#ifndef CUSTODIAN_SERVICES_CONSENT_CODE_SYSTEM_H_
#define CUSTODIAN_SERVICES_CONSENT_CODE_SYSTEM_H_

#include <string>
#include <string_view>

namespace custodian::consent {

inline constexpr char kIcd10Cm[] = "http://hl7.org/fhir/sid/icd-10-cm";
inline constexpr char kIcd10[] = "http://hl7.org/fhir/sid/icd-10";
inline constexpr char kSnomedCt[] = "http://snomed.info/sct";

// The URL by which R4 names the system (http://hl7.org/fhir/R4/terminologies-systems.html), or the text itself, trimmed, in lower case and without its version, where it is
// none of those.
[[nodiscard]] std::string CanonicalSystem(std::string_view system);
// A code of a canonical system as it is compared: trimmed and in upper case; of ICD without its point.
[[nodiscard]] std::string CanonicalCode(std::string_view canonical_system, std::string_view code);

}  // namespace custodian::consent

#endif  // CUSTODIAN_SERVICES_CONSENT_CODE_SYSTEM_H_

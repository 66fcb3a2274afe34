#include "services/consent/code_system.h"

#include <algorithm>

#include "absl/strings/ascii.h"

namespace custodian::consent {
namespace {

struct Name {
  // In lower case, without "urn:oid:" of an OID and without "http://" or "https://" of a URL.
  std::string_view other;
  std::string_view url;
};
constexpr std::string_view kActCode = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
constexpr std::string_view kConfidentiality = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
constexpr std::string_view kActReason = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
constexpr std::string_view kIcd9Cm = "http://hl7.org/fhir/sid/icd-9-cm";
constexpr std::string_view kHcpcs = "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets";
constexpr Name kNames[] = {
    {"2.16.840.1.113883.6.90", kIcd10Cm},
    {"hl7.org/fhir/sid/icd-10-cm", kIcd10Cm},
    {"2.16.840.1.113883.6.3", kIcd10},
    {"hl7.org/fhir/sid/icd-10", kIcd10},
    {"2.16.840.1.113883.6.103", kIcd9Cm},
    {"2.16.840.1.113883.6.104", kIcd9Cm},
    {"hl7.org/fhir/sid/icd-9-cm", kIcd9Cm},
    {"2.16.840.1.113883.6.96", kSnomedCt},
    {"snomed.info/sct", kSnomedCt},
    {"2.16.840.1.113883.6.1", "http://loinc.org"},
    {"loinc.org", "http://loinc.org"},
    {"2.16.840.1.113883.6.88", "http://www.nlm.nih.gov/research/umls/rxnorm"},
    {"www.nlm.nih.gov/research/umls/rxnorm", "http://www.nlm.nih.gov/research/umls/rxnorm"},
    {"2.16.840.1.113883.6.69", "http://hl7.org/fhir/sid/ndc"},
    {"hl7.org/fhir/sid/ndc", "http://hl7.org/fhir/sid/ndc"},
    {"2.16.840.1.113883.12.292", "http://hl7.org/fhir/sid/cvx"},
    {"hl7.org/fhir/sid/cvx", "http://hl7.org/fhir/sid/cvx"},
    {"2.16.840.1.113883.6.12", "http://www.ama-assn.org/go/cpt"},
    {"www.ama-assn.org/go/cpt", "http://www.ama-assn.org/go/cpt"},
    {"2.16.840.1.113883.6.14", kHcpcs},
    {"terminology.hl7.org/codesystem/hcpcs", kHcpcs},
    {"2.16.840.1.113883.6.285", kHcpcs},
    {"www.cms.gov/medicare/coding/hcpcsreleasecodesets", kHcpcs},
    {"2.16.840.1.113883.5.4", kActCode},
    {"terminology.hl7.org/codesystem/v3-actcode", kActCode},
    {"hl7.org/fhir/v3/actcode", kActCode},
    {"2.16.840.1.113883.5.25", kConfidentiality},
    {"terminology.hl7.org/codesystem/v3-confidentiality", kConfidentiality},
    {"hl7.org/fhir/v3/confidentiality", kConfidentiality},
    {"2.16.840.1.113883.5.8", kActReason},
    {"terminology.hl7.org/codesystem/v3-actreason", kActReason},
    {"hl7.org/fhir/v3/actreason", kActReason},
};

}  // namespace

std::string CanonicalSystem(std::string_view system) {
  std::string lower(system);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) { return absl::ascii_tolower(static_cast<unsigned char>(c)); });
  std::string_view text = lower;
  while (!text.empty() && (absl::ascii_isspace(static_cast<unsigned char>(text.front())))) text.remove_prefix(1);
  text = text.substr(0, text.find('|'));
  while (!text.empty() && (absl::ascii_isspace(static_cast<unsigned char>(text.back())) || text.back() == '/')) text.remove_suffix(1);
  std::string_view name = text;
  for (const std::string_view prefix : {"urn:oid:", "http://", "https://"})
    if (name.starts_with(prefix)) {
      name.remove_prefix(prefix.size());
      break;
    }
  // A version or module of SNOMED CT.
  if (name.starts_with("snomed.info/sct/")) return kSnomedCt;
  for (const Name& known : kNames)
    if (name == known.other) return std::string(known.url);
  return std::string(text);
}

std::string CanonicalCode(std::string_view canonical_system, std::string_view code) {
  const bool is_icd = canonical_system.starts_with("http://hl7.org/fhir/sid/icd-");
  std::string canonical;
  for (const char c : code)
    if (!absl::ascii_isspace(static_cast<unsigned char>(c)) && !(is_icd && c == '.')) canonical.push_back(absl::ascii_toupper(static_cast<unsigned char>(c)));
  return canonical;
}

}  // namespace custodian::consent

// What goes with a sensitive record to whoever may see it: security labels on the copy, and for records of 42 CFR part 2 the statement that
// 42 CFR 2.32 demands with each disclosure, together with the scope of the consent. Pure.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_REDISCLOSURE_H_
#define CUSTODIAN_SERVICES_EXCHANGE_REDISCLOSURE_H_

#include <string>
#include <string_view>
#include <vector>

#include "services/exchange/audit_event.h"
#include "services/exchange/fhir_json.h"

namespace custodian::exchange {

[[nodiscard]] bool IsPart2(const std::vector<std::string>& labels);

// Adds the labels to meta.security, and for part 2 "no redisclosure without consent directive".
void AddLabels(const std::vector<std::string>& labels, Json& resource);
// The statement of 42 CFR 2.32(a)(2) and the scope of the consent (2.32(b)), or that there was an emergency (2.51); empty unless the record is
// of part 2.
[[nodiscard]] std::string Part2Notice(const AuditFacts& facts);
// Puts the notice into a disclosure's Provenance, as its narrative and its policy.
void AddPart2Notice(const AuditFacts& facts, Json& provenance);
// Puts it into the copy that is shown, which may be kept without its Provenance: an extension of meta, which no view of a resource leaves out.
inline constexpr std::string_view kNoticeExtension = "https://custodian.example/fhir/StructureDefinition/redisclosure-notice";
void AddNoticeToCopy(const std::string& notice, Json& resource);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_REDISCLOSURE_H_

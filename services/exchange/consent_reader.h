// Reads R4 Consents into what services/consent decides on. Pure.
// Source: http://hl7.org/fhir/R4/consent.html. `period`: [start, end) in milliseconds; a date-only end includes that day, in the
// zone of the tenant that holds the consent.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_CONSENT_READER_H_
#define CUSTODIAN_SERVICES_EXCHANGE_CONSENT_READER_H_

#include <functional>
#include <string_view>

#include "absl/time/time.h"
#include "services/consent/decide.h"
#include "services/consent/tenant_rules.h"
#include "services/exchange/fhir_json.h"

namespace custodian::exchange {

// A RelatedPerson of the patient's chart by its reference; null when there is none.
using FindRelatedPerson = std::function<const Json*(std::string_view reference)>;

// `consent` has resourceType Consent. policyRule is the base rule where the root provision has no type (OPTIN, OPTINR permit; OPTOUT, OPTOUTE deny,
// whatever system they are said to be of, and in words); one that denies stands around a root that has one. EMRGONLY denies, but for what the root
// permits for emergency treatment (ETREAT, BTG). Consent.performer is who gave it: the patient, or a RelatedPerson of the
// chart with a relationship of `rules`, active then; organizations and practitioners took it and do not count; anyone else is nobody.
[[nodiscard]] consent::Consent ReadConsent(const Json& consent, absl::Time arrived, absl::TimeZone zone, const consent::TenantRules& rules,
                                           const FindRelatedPerson& find);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_CONSENT_READER_H_

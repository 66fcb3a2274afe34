// The patient's audit: an AuditEvent for each disclosure to another tenant and each refusal, by IHE's Basic Audit Log Patterns
// (https://profiles.ihe.net/ITI/BALP/, profiles PrivacyDisclosure.Source and AuthZconsent): who looked or was refused, when, why, under which
// consent, and how that was decided. Stored with the patient's records at the source; the receipt is added when it is read. Pure.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_AUDIT_EVENT_H_
#define CUSTODIAN_SERVICES_EXCHANGE_AUDIT_EVENT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "services/exchange/consent_gate.h"
#include "services/exchange/fhir_json.h"
#include "tenants/registry.h"

namespace custodian::exchange {

// What an emergency must say (42 CFR 2.51(c) asks for it); the affiliation is the recipient's tenant, the discloser the source.
struct Emergency {
  // Name of the clinician.
  std::string recipient;
  // Nature of the emergency.
  std::string nature;
};

struct AuditFacts {
  std::string id;
  absl::Time time;
  tenants::Tenant source;
  tenants::Tenant recipient;
  // FHIR id of the Patient at the source.
  std::string patient;
  // The asking software (its SPIFFE id, or issuer), and the clinician as the recipient's tenant asserts; may be empty.
  std::string client;
  std::string user;
  // v3-ActReason.
  std::string purpose;
  // "DiagnosticReport/<id>/_history/<version>".
  std::string resource;
  Judgement judgement;
  // ConsentGate::Explain() as text.
  std::string explanation;
  // Of a disclosure: what opened the record, against consent. Of a refusal: what was stated, and did not.
  std::optional<Emergency> emergency;
};

[[nodiscard]] Json DisclosureAudit(const AuditFacts& facts);
[[nodiscard]] Json RefusalAudit(const AuditFacts& facts);

// The explanation in an AuditEvent of ours; null in others.
[[nodiscard]] Json ExplanationIn(const Json& audit_event);
// Adds where the entry lies and, unless `receipt` is empty, the receipt.
void AddAuditReceipt(Json& audit_event, std::string_view origin, std::uint64_t index, std::string_view receipt);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_AUDIT_EVENT_H_

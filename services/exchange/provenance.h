// The FHIR Provenance of a disclosure to another tenant: stored at the source with the resource's patient, so that the patient sees
// who looked, and handed to the reader with the ledger's receipt. Pure.
// Source: http://hl7.org/fhir/R4/provenance.html; the receipt is a tlog-proof (https://c2sp.org/tlog-proof).
#ifndef CUSTODIAN_SERVICES_EXCHANGE_PROVENANCE_H_
#define CUSTODIAN_SERVICES_EXCHANGE_PROVENANCE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "services/exchange/fhir_json.h"
#include "tenants/registry.h"

namespace custodian::exchange {

// What a disclosure's Provenance says.
struct DisclosureFacts {
  std::string id;
  // "DiagnosticReport", its id and the version shown.
  std::string resource_type;
  std::string resource_id;
  std::uint64_t resource_version = 1;
  absl::Time time;
  tenants::Tenant source;
  tenants::Tenant recipient;
  // SPIFFE id of the reading client, and its purpose (v3-ActReason).
  std::string client;
  std::string purpose;
};

// Ids of these begin so; clients cannot write such ids.
inline constexpr std::string_view kDisclosurePrefix = "disclosure-";
[[nodiscard]] std::string NewDisclosureId();

[[nodiscard]] Json DisclosureProvenance(const DisclosureFacts& facts);
// Adds where the DISCLOSURE entry lies and, unless `receipt` is empty, the receipt as signature data.
void AddReceipt(Json& provenance, std::string_view origin, std::uint64_t index, std::string_view receipt);
// SPIFFE id of the client that a disclosure's Provenance names; empty for other Provenances.
[[nodiscard]] std::string DisclosedTo(const Json& provenance);
// True when one of the targets is `type`/`id`, of any version.
[[nodiscard]] bool IsAbout(const Json& provenance, std::string_view type, std::string_view id);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_PROVENANCE_H_

// One request to a tenant's FHIR endpoint, taken apart: whose, by whom, to what, and how it wants to be answered. Pure.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_FHIR_CALL_H_
#define CUSTODIAN_SERVICES_EXCHANGE_FHIR_CALL_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "services/exchange/fhir_answer.h"
#include "services/exchange/fhir_search.h"
#include "services/exchange/smart_scope.h"
#include "services/rpc/http.h"
#include "tenants/partitions.h"
#include "tenants/registry.h"

namespace custodian::exchange {

struct FhirCall {
  const rpc::HttpRequest& request;
  tenants::Partition* partition = nullptr;
  tenants::Client client;
  // "https://host:port/fhir/<tenant id>".
  std::string base_url;
  // Behind the tenant id: {}, {"Patient"}, {"Patient", "x"}, {"Patient", "x", "_history", "2"}.
  std::vector<std::string> segments;
  // Of the access token; null without one. The call itself is within them; what a Bundle asks for is judged part by part.
  const SmartScopes* scopes = nullptr;

  [[nodiscard]] const std::string& type() const { return segments.at(0); }
  [[nodiscard]] const std::string& id() const { return segments.at(1); }
};

// The header Prefer (RFC 7240; http://hl7.org/fhir/R4/http.html#ops and #handling).
struct Prefer {
  enum class Return { kDefault, kMinimal, kRepresentation, kOutcome };
  Return answer = Return::kDefault;
  bool lenient = false;
};
[[nodiscard]] Prefer PreferOf(const rpc::HttpRequest& request);

// application/json and application/fhir+json, with any parameters.
[[nodiscard]] bool IsJsonMediaType(std::string_view value);
[[nodiscard]] bool AcceptsJson(std::string_view accept);
// Why a request is not answered in the formats it names: 406 unless it takes JSON of R4, by _format or else by Accept
// (http://hl7.org/fhir/R4/http.html#general), 415 for a body that is compressed or of another FHIR. `any_accept`: Accept is judged by who answers.
[[nodiscard]] std::optional<Refusal> CheckFormats(const rpc::HttpRequest& request, bool any_accept = false);

// Of the query and, for POST [type]/_search, the form in the body. 415 for a body that is no form.
[[nodiscard]] Answer<Parameters> SearchParametersOf(const FhirCall& call);

// Path and query of a request within the tenant's base: "Patient/x?y=z", also absolute.
[[nodiscard]] std::string RelativeUrl(std::string_view url, std::string_view base_url);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_FHIR_CALL_H_

// Binary in its own form (http://hl7.org/fhir/R4/http.html#binary): the bytes themselves under their own Content-Type, instead of base64 in JSON.
// Pure.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_FHIR_BINARY_H_
#define CUSTODIAN_SERVICES_EXCHANGE_FHIR_BINARY_H_

#include <optional>

#include "services/exchange/fhir_call.h"
#include "services/exchange/fhir_json.h"
#include "services/rpc/http.h"

namespace custodian::exchange {

// Whether the request reads one Binary: Accept then names what the bytes may be.
[[nodiscard]] bool IsBinaryRead(const rpc::HttpRequest& request, const std::vector<std::string>& segments);

// `read`, the answer to such a request as JSON, in the form that is asked for: JSON where _format is given or Accept names FHIR's own media type
// (application/json too, but for bytes of that type), 406 where Accept takes neither that nor the type of the bytes, else the bytes.
[[nodiscard]] rpc::HttpResponse AsAccepted(const FhirCall& call, rpc::HttpResponse read);

// The Binary that a body of any other type than FHIR's JSON is, under the id in the URL; X-Security-Context is its securityContext. Nothing where
// the body is sent as FHIR, without a type, or to another resource type.
[[nodiscard]] std::optional<Json> SentBinary(const FhirCall& call);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_FHIR_BINARY_H_

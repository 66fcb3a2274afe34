// What an order check needs of the ordering EHR and was not sent along (CDS Hooks 2.0, "Providing FHIR Resources to a CDS Service"): asked of
// the hook's `fhirServer` with the hook's own access token, when that server is registered for the tenant. Thread-safe (holds nothing).
//
// Of patient, encounter and conditions only the patient must be there: without the others a card informs and never suggests. Whether
// something is missing depends on the request and the tenant's own table alone, so the answer (412) tells nothing of any record.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_CDS_FETCH_H_
#define CUSTODIAN_SERVICES_EXCHANGE_CDS_FETCH_H_

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/exchange/cds_request.h"
#include "services/rpc/http.h"

namespace custodian::exchange {

// GET within a time limit (rpc::Outgoing::Get).
using FetchUrl = std::function<absl::StatusOr<rpc::HttpResponse>(absl::Duration timeout, const std::string& url,
                                                                 const std::vector<std::pair<std::string, std::string>>& headers)>;

// Whether FillPrefetch() has anything to do, or to refuse.
[[nodiscard]] bool NeedsFetch(const CheckRequest& request, const std::vector<std::string>& fhir_servers);

// Fills what `request.prefetch` lacks, until `deadline` at the latest. `fhir_servers` are the base URLs that the tenant registered.
// FailedPrecondition, with a sentence on what to send, when there is no Patient then; what else is missing stays so.
[[nodiscard]] absl::Status FillPrefetch(CheckRequest& request, const std::vector<std::string>& fhir_servers, const FetchUrl& fetch,
                                        absl::Time deadline);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_CDS_FETCH_H_

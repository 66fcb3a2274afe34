// Patient/[id]/$ledger-list: the receipt for a patient's access list. Everything that the tenant's log holds on the patient, proved to be complete
// (ledger/subject_list.h), as a Binary with the file that `custodian verify --subject-list` verifies offline. The AuditEvents say what each entry was about;
// each names its entry. Refusals are not among them: they are written in padded batches that concern nobody. Thread-safe.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_LEDGER_LIST_H_
#define CUSTODIAN_SERVICES_EXCHANGE_LEDGER_LIST_H_

#include <functional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "services/exchange/fhir_call.h"
#include "services/exchange/patient_records.h"
#include "services/rpc/http.h"

namespace custodian::exchange {

// The list of a subject of a log (services/log/subject_index.h); Unavailable while it cannot be proved.
using ListEntries = std::function<absl::StatusOr<std::string>(std::string_view origin, std::string_view subject)>;

// Of one of the tenant's own patients. 404 for others, 503 while the list cannot be proved (in the first minute of a log, or for a second
// now and then).
[[nodiscard]] rpc::HttpResponse LedgerListOf(const FhirCall& call, const PatientRecords& records, const ListEntries& list);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_LEDGER_LIST_H_

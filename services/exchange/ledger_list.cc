#include "services/exchange/ledger_list.h"

#include "ledger/base64.h"
#include "services/exchange/fhir_answer.h"
#include "services/exchange/fhir_json.h"

namespace custodian::exchange {

rpc::HttpResponse LedgerListOf(const FhirCall& call, const PatientRecords& records, const ListEntries& list) {
  const auto patient = records.FindPatient(call.partition->tenant.id, call.id());
  if (absl::IsNotFound(patient.status())) return FhirResponse(Refuse(404, "not-found", "There is no patient with such an id."));
  if (!patient.ok()) return FhirResponse(RefusalOf(patient.status()));
  const auto text = list(call.partition->tenant.origin, patient->bytes());
  if (absl::IsFailedPrecondition(text.status())) return FhirResponse(Refuse(422, "too-costly", "This patient has more entries than one list may show."));
  if (!text.ok()) return FhirResponse(RefusalOf(text.status()));
  const Json binary = Json::Object({{"resourceType", Json::String("Binary")},
                                    {"contentType", Json::String("text/plain; charset=utf-8")},
                                    {"data", Json::String(ledger::Base64Encode(*text))}});
  return FhirResponse(200, binary.Text());
}

}  // namespace custodian::exchange

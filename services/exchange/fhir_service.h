// The FHIR R4 endpoint of every tenant, `/fhir/<tenant id>/...`: who may ask for what, and which part answers. The tenant's own clients
// read (fhir_reader.h), search (fhir_searcher.h) and write (fhir_writer.h), alone, in batches and in transactions; other tenants' read by
// consent (fhir_disclosure.h), and are told of what is corrected later (corrections.h). The caller is known by access token or client certificate; a token's scopes bound what it may do. Every refusal is an OperationOutcome and changes nothing.
// Thread-safe; called from the HTTPS server's threads.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_FHIR_SERVICE_H_
#define CUSTODIAN_SERVICES_EXCHANGE_FHIR_SERVICE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "services/exchange/corrections.h"
#include "services/exchange/exchange_parts.h"
#include "services/exchange/fhir_call.h"
#include "services/exchange/fhir_disclosure.h"
#include "services/exchange/fhir_patient_match.h"
#include "services/exchange/fhir_reader.h"
#include "services/exchange/fhir_searcher.h"
#include "services/exchange/fhir_writer.h"
#include "services/exchange/ledger_list.h"
#include "services/exchange/smart_scope.h"
#include "services/rpc/http.h"
#include "services/rpc/shares.h"

namespace custodian::exchange {

class FhirService {
 public:
  struct Options {
    // Of a request; below the HTTPS server's own limit, so that a larger one gets an OperationOutcome.
    std::size_t body_bytes_max = 16u << 20;
    std::size_t entries_max = 20'000;
    std::size_t patients_max = 1'000;
    // Requests in a batch; each is done by itself.
    std::size_t batch_max = 1'000;
    // How long a search with _revinclude, or a read of a disclosure's Provenance, waits for the receipt.
    absl::Duration receipt_wait = absl::Seconds(2);
    // Charts that searches opened: kept no longer than the sealer keeps keys.
    KeptChartLimits charts{};
    // Everything but a delivered resource leaves for another tenant's client at the next multiple of this after its request came.
    absl::Duration tick = absl::ZeroDuration();
    // Who calls (smart_service.h); absent: whom the certificate names in the registry, without scopes.
    std::function<absl::StatusOr<FhirCaller>(const rpc::HttpRequest&)> authenticate{};
    // What each client and tenant may have; past it the answer is 429. Borrowed; absent: without a limit.
    rpc::Shares* shares = nullptr;
    // Receipts that go with what was disclosed; absent: there is none yet.
    ReceiptSource receipt{};
    // Answers Patient/$match; absent: MatchWithin().
    PatientMatcher matcher{};
    // Answers Patient/$ledger-list, which is not there without it.
    ListEntries list_entries{};
  };
  FhirService(Options options, ExchangeParts parts);

  // Any method and any path below /fhir/.
  [[nodiscard]] rpc::HttpResponse Handle(const rpc::HttpRequest& request) const;
  // Called every second by a thread of services/main: charts that searches opened are held no longer than their keys may be.
  void DropExpired() const { searcher_.DropExpired(); }
  // Disclosures that an emergency opened, since the start.
  [[nodiscard]] std::uint64_t emergencies() const { return disclosure_.emergencies(); }
  // As the router's refusal: an OperationOutcome.
  [[nodiscard]] static rpc::HttpResponse Refusal(int status, std::string_view text);

 private:
  [[nodiscard]] absl::StatusOr<FhirCaller> Authenticate(const rpc::HttpRequest& request) const;
  [[nodiscard]] rpc::HttpResponse HandleOwn(const FhirCall& call) const;
  [[nodiscard]] rpc::HttpResponse HandleType(const FhirCall& call) const;
  [[nodiscard]] rpc::HttpResponse SearchCompartment(const FhirCall& call) const;
  [[nodiscard]] rpc::HttpResponse HandleOther(const FhirCall& call) const;
  [[nodiscard]] rpc::HttpResponse HandleBundle(const FhirCall& call) const;
  [[nodiscard]] rpc::HttpResponse Transact(const FhirCall& call, Json bundle) const;
  [[nodiscard]] rpc::HttpResponse Batch(const FhirCall& call, const Json& bundle) const;
  // One request of a Bundle, as an entry of the answer.
  [[nodiscard]] Json HandlePart(const FhirCall& call, const Json& request, std::string body) const;
  [[nodiscard]] rpc::HttpResponse WriteOne(const FhirCall& call) const;
  [[nodiscard]] rpc::HttpResponse Delete(const FhirCall& call) const;
  [[nodiscard]] rpc::HttpResponse Match(const FhirCall& call) const;
  [[nodiscard]] rpc::HttpResponse Everything(const FhirCall& call) const;
  [[nodiscard]] rpc::HttpResponse Validate(const FhirCall& call) const;
  [[nodiscard]] rpc::HttpResponse ValidateDeletion(const FhirCall& call) const;
  // What became of one write, with the resource as it is now.
  [[nodiscard]] rpc::HttpResponse Written(const FhirCall& call, const StoredEntry& entry) const;
  [[nodiscard]] rpc::HttpResponse SearchOther(const FhirCall& call) const;
  [[nodiscard]] rpc::HttpResponse ReadOther(const FhirCall& call) const;
  [[nodiscard]] rpc::HttpResponse OpenCorrections(const FhirCall& call) const;
  [[nodiscard]] rpc::HttpResponse AcknowledgeCorrection(const FhirCall& call) const;
  [[nodiscard]] rpc::HttpResponse OwnDisclosure(const FhirCall& call) const;
  [[nodiscard]] Answer<Json> ReadBody(const FhirCall& call) const;

  const Options options_;
  const ExchangeParts parts_;
  const FhirReader reader_;
  const FhirSearcher searcher_;
  const FhirPatientMatch match_;
  const FhirWriter writer_;
  const FhirDisclosure disclosure_;
  const Corrections corrections_;
};

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_FHIR_SERVICE_H_

// The FHIR R4 endpoint of every tenant, `/fhir/<tenant id>/...`: transaction, create, update, read, vread, history and patient-scoped
// search for the tenant's own clients, and consent-checked reading for other tenants' (fhir_disclosure.h). The caller is known by
// access token or client certificate; a token's scopes bound what it may do. Every refusal is an OperationOutcome and changes nothing. Thread-safe; called from the HTTPS server's threads.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_FHIR_SERVICE_H_
#define CUSTODIAN_SERVICES_EXCHANGE_FHIR_SERVICE_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "services/exchange/fhir_disclosure.h"
#include "services/exchange/fhir_search.h"
#include "services/exchange/fhir_writer.h"
#include "services/exchange/smart_scope.h"
#include "services/keys/key_client.h"
#include "services/keys/sealer.h"
#include "services/rpc/http.h"
#include "tenants/partitions.h"
#include "tenants/registry.h"

namespace custodian::exchange {

class FhirService {
 public:
  struct Options {
    // "https://host:port", for Location, fullUrl and absolute references of ours.
    std::string public_url;
    // Of a request; below the HTTPS server's own limit, so that a larger one gets an OperationOutcome.
    std::size_t body_bytes_max = 32u << 20;
    std::size_t entries_max = 20'000;
    std::size_t patients_max = 1'000;
    // How long a search with _revinclude, or a read of a disclosure's Provenance, waits for the receipt.
    absl::Duration receipt_wait = absl::Seconds(2);
    // Consent rules in force at a tenant.
    RulesOf rules = BuiltInRules();
    // Takes in what consent refused; may be empty.
    OnRefused refused = nullptr;
    // Who calls (smart_service.h); absent: whom the certificate names in the registry, without scopes.
    std::function<absl::StatusOr<FhirCaller>(const rpc::HttpRequest&)> authenticate{};
  };
  // Borrows everything.
  FhirService(Options options, const tenants::Partitions& partitions, const tenants::Registry& registry, keys::Sealer& sealer,
              keys::KeyClient& keys, const Locator& locator, const Clock& network_clock, ReceiptSource receipt);

  // Any method and any path below /fhir/.
  [[nodiscard]] rpc::HttpResponse Handle(const rpc::HttpRequest& request) const;
  // Disclosures that an emergency opened, since the start.
  [[nodiscard]] std::uint64_t emergencies() const { return disclosure_.emergencies(); }
  // As the router's refusal: an OperationOutcome.
  [[nodiscard]] static rpc::HttpResponse Refusal(int status, std::string_view text);

 private:
  struct Call;
  [[nodiscard]] absl::StatusOr<FhirCaller> Authenticate(const rpc::HttpRequest& request) const;
  [[nodiscard]] rpc::HttpResponse HandleOwn(const Call& call) const;
  [[nodiscard]] rpc::HttpResponse HandleOther(const Call& call) const;
  [[nodiscard]] rpc::HttpResponse Transact(const Call& call) const;
  [[nodiscard]] rpc::HttpResponse WriteOne(const Call& call) const;
  [[nodiscard]] rpc::HttpResponse ReadOne(const Call& call) const;
  [[nodiscard]] rpc::HttpResponse History(const Call& call) const;
  [[nodiscard]] rpc::HttpResponse SearchOwn(const Call& call) const;
  [[nodiscard]] rpc::HttpResponse SearchOther(const Call& call) const;
  [[nodiscard]] rpc::HttpResponse ReadOther(const Call& call) const;
  [[nodiscard]] rpc::HttpResponse OwnDisclosure(const Call& call) const;
  [[nodiscard]] Answer<std::vector<OpenedRecord>> Candidates(const Call& call, const Search& search) const;
  [[nodiscard]] absl::Status AddProvenances(const Call& call, const OpenedRecord& record, std::vector<Json>& included) const;
  [[nodiscard]] Answer<Json> ReadBody(const Call& call) const;

  const Options options_;
  const tenants::Partitions& partitions_;
  const tenants::Registry& registry_;
  keys::Sealer& sealer_;
  const FhirWriter writer_;
  const FhirDisclosure disclosure_;
};

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_FHIR_SERVICE_H_

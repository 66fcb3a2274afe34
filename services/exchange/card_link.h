// The link of a card, `/cds/<tenant id>/cards/<token>`: opaque, of this one card, and without health data. Whoever opens it shows who he is
// as at the FHIR interface (access token or client certificate of the card's tenant). The opening is counted by us, a CARD_OPENED that names
// the card in the tenant's log before the result is shown, for a followed link sends no feedback; then the result is read at its source
// like any other tenant's, by consent and with entries of its own (fhir_disclosure.h), and answered as the Bundle with its Provenance.
// Thread-safe.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_CARD_LINK_H_
#define CUSTODIAN_SERVICES_EXCHANGE_CARD_LINK_H_

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/exchange/smart_scope.h"
#include "services/keys/sealer.h"
#include "services/rpc/http.h"
#include "tenants/ids.h"
#include "tenants/partitions.h"
#include "tenants/registry.h"

namespace custodian::exchange {

// base64url of the card's id and 16 bytes of its MAC under the tenant's index key.
[[nodiscard]] absl::StatusOr<std::string> CardLinkToken(keys::Sealer& sealer, const TenantId& tenant, std::string_view card_id);
// "<public url>/cds/<tenant id>/cards/<token>".
[[nodiscard]] std::string CardLinkUrl(std::string_view public_url, const TenantId& tenant, std::string_view token);

class CardLinks {
 public:
  // `authenticate` and `read` are the FHIR interface's (SmartService::Authenticate, FhirService::Handle). Borrows the rest.
  CardLinks(const tenants::Partitions& partitions, keys::Sealer& sealer,
            std::function<absl::StatusOr<FhirCaller>(const rpc::HttpRequest&)> authenticate,
            std::function<rpc::HttpResponse(const rpc::HttpRequest&)> read);

  // Nothing for any other URL. One answer, 404, to a token that is not ours, is another tenant's, or leads to nothing any more.
  [[nodiscard]] std::optional<rpc::HttpResponse> Handle(const rpc::HttpRequest& request) const;

 private:
  [[nodiscard]] rpc::HttpResponse Open(const tenants::Partition& partition, std::string_view token, const std::string& client,
                                       const rpc::HttpRequest& request) const;
  [[nodiscard]] absl::Status RecordOpening(const tenants::Partition& partition, const PatientId& patient, const std::string& card_id,
                                           const std::string& order, const std::string& client) const;

  const tenants::Partitions& partitions_;
  keys::Sealer& sealer_;
  const std::function<absl::StatusOr<FhirCaller>(const rpc::HttpRequest&)> authenticate_;
  const std::function<rpc::HttpResponse(const rpc::HttpRequest&)> read_;
};

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_CARD_LINK_H_

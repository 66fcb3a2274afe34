// SMART Backend Services (SMART App Launch 2.2, "Backend Services"; RFC 6749, section 4.4; RFC 7523) beside every tenant's FHIR base:
// `/fhir/<tenant id>/.well-known/smart-configuration`, and `/fhir/<tenant id>/auth/token`, where a client of that tenant proves itself by
// private_key_jwt and gets a bearer token for five minutes. And the other end: who it is that sends a request with such a token, or
// with a client certificate. Thread-safe; called from the HTTPS server's threads.
//
// A token is a text that this network alone can make: what it grants, and a MAC of that under the index key of the client's tenant,
// which every replica has from the key process. It is bound to tenant, client, purpose and to the registration it was issued under:
// a change of the client's keys or scopes, or its removal, ends it with the next call.
//
// Whoever is not let in gets one answer, whether the client does not exist, is another tenant's, was removed, or signed with a wrong key;
// what is wrong with the assertion itself (form, aud, times) is told in words before anybody is looked for. A client's key set behind a
// URL is fetched while its own call waits: that delay, at most once in ten seconds, is the only thing a stranger may notice, and only of a
// client whose id he already knows. An address from which many assertions were not let in is told to wait (429) before the next is looked at.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_SMART_SERVICE_H_
#define CUSTODIAN_SERVICES_EXCHANGE_SMART_SERVICE_H_

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "ledger/entry.pb.h"
#include "services/exchange/jwt.h"
#include "services/exchange/jwt_keys.h"
#include "services/exchange/smart_scope.h"
#include "services/keys/sealer.h"
#include "services/rpc/failed_proofs.h"
#include "services/rpc/http.h"
#include "tenants/clock.h"
#include "tenants/partitions.h"
#include "tenants/registry.h"

namespace custodian::exchange {

class SmartService {
 public:
  static constexpr absl::Duration kTokenLife = absl::Minutes(5);

  // A registered client that was not removed.
  using FindClient = std::function<std::optional<tenants::Client>(std::string_view client_id)>;
  // What the governance log last said of it, and where.
  struct Access {
    ledger::v1::ClientAccess access;
    std::uint64_t index = 0;
  };
  using FindAccess = std::function<std::optional<Access>(std::string_view client_id)>;

  // `public_url` is the base that clients call, "https://host:port". Borrows everything.
  SmartService(std::string public_url, const tenants::Partitions& partitions, keys::Sealer& sealer, const KeySets& keys, FindClient find_client,
               FindAccess find_access, const Clock& machine_clock);

  // The answer to a request for one of the two URLs above; nothing for any other.
  [[nodiscard]] std::optional<rpc::HttpResponse> Handle(const rpc::HttpRequest& request);

  // Who calls the FHIR interface: by bearer token when the request has an Authorization header, else by certificate. Unauthenticated (401) or
  // PermissionDenied (403) with a sentence on what to mend; Unavailable when the token cannot be checked now.
  [[nodiscard]] absl::StatusOr<FhirCaller> Authenticate(const rpc::HttpRequest& request) const;

  // OK when the access may be recorded: keys that can verify, scopes that are understood. `check_url` says whether a URL's host is
  // allow-listed.
  [[nodiscard]] static absl::Status CheckAccess(const ledger::v1::ClientAccess& access,
                                                const std::function<absl::Status(std::string_view url)>& check_url);

 private:
  [[nodiscard]] rpc::HttpResponse Configuration(const std::string& base_url) const;
  [[nodiscard]] rpc::HttpResponse Token(const tenants::Partition& partition, const std::string& url, const rpc::HttpRequest& request);
  struct Asker {
    tenants::Client client;
    Access access;
  };
  // Unauthenticated: what is wrong with the assertion. PermissionDenied: not let in. Unavailable: not now.
  [[nodiscard]] absl::StatusOr<Asker> Identify(const tenants::Partition& partition, const std::string& url, std::string_view assertion);
  [[nodiscard]] absl::Status RememberJti(const tenants::Partition& partition, const std::string& jti_sha256, absl::Time expires);
  [[nodiscard]] absl::StatusOr<std::string> MakeToken(const Asker& asker, const SmartScopes& granted) const;
  [[nodiscard]] absl::StatusOr<FhirCaller> ReadToken(std::string_view token) const;

  const std::string public_url_;
  const tenants::Partitions& partitions_;
  keys::Sealer& sealer_;
  const KeySets& keys_;
  const FindClient find_client_;
  const FindAccess find_access_;
  const Clock& clock_;
  UsedTokens used_;
  rpc::FailedProofs failed_;
};

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_SMART_SERVICE_H_

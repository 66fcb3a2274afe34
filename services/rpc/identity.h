// Who is asking: SPIFFE ids of clients, and the guard that every gRPC method and HTTP handler asks before anything else. A client
// is admitted when the registry knows its certificate's URI SAN, the registry's tenant and role agree with the URI, and the role
// is one the method is for. Thread-safe; never says whether a refused client exists.
#ifndef CUSTODIAN_SERVICES_RPC_IDENTITY_H_
#define CUSTODIAN_SERVICES_RPC_IDENTITY_H_

#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "tenants/registry.h"

namespace grpc {
class ServerContextBase;
}

namespace custodian::rpc {

class Shares;

// spiffe://<network>/tenant/<tenant id>/<role>/<name>, spiffe://<network>/operator/<name>, spiffe://<network>/regulator/<name>,
// spiffe://<network>/custodian/<name>, spiffe://<network>/witness/<name>. Source: SPIFFE-ID 2.1 (trust domain and path characters).
struct SpiffeId {
  std::string network;
  // Empty unless the id is a tenant's.
  TenantId tenant;
  // "fhir", "feed", "auditor", "node", "cds", "steward" of a tenant; "operator", "regulator", "custodian", "witness".
  std::string role;
  std::string name;

  // InvalidArgument for any other form.
  [[nodiscard]] static absl::StatusOr<SpiffeId> Parse(std::string_view uri);
};

// First 12 hex digits of SHA-256: how an actor is named in our logs. "-" for nobody.
[[nodiscard]] std::string ActorPseudonym(std::string_view spiffe_id);

// The verified SPIFFE id of a gRPC caller; Unauthenticated when its certificate names none.
[[nodiscard]] absl::StatusOr<std::string> CallerOf(const grpc::ServerContextBase& context);

class CallGuard {
 public:
  // Registry::FindClient, in main.
  using FindClient = std::function<std::optional<tenants::Client>(std::string_view spiffe_id)>;
  // `network` is the trust domain that ids must begin with. `shares`: what each client may have of the gRPC server; borrowed, null without a limit.
  CallGuard(std::string network, FindClient find_client, Shares* shares = nullptr);

  // Unauthenticated for nobody, PermissionDenied for anybody else whom the method is not for.
  [[nodiscard]] absl::StatusOr<tenants::Client> Admit(std::string_view spiffe_id, std::initializer_list<std::string_view> roles) const;
  [[nodiscard]] absl::StatusOr<tenants::Client> Admit(const grpc::ServerContextBase& context,
                                                      std::initializer_list<std::string_view> roles) const;

  [[nodiscard]] const std::string& network() const { return network_; }
  [[nodiscard]] Shares* shares() const { return shares_; }

 private:
  std::string network_;
  FindClient find_client_;
  Shares* shares_;
};

}  // namespace custodian::rpc

#endif  // CUSTODIAN_SERVICES_RPC_IDENTITY_H_

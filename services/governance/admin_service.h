// gRPC AdminService, for operators alone: admits tenants, registers their clients, enrols authors, sets policy and tables, moves
// simulated time, and answers with figures that others compute. What changes the network becomes an entry of the governance log
// before it has an effect. Every call may be sent again.
#ifndef CUSTODIAN_SERVICES_GOVERNANCE_ADMIN_SERVICE_H_
#define CUSTODIAN_SERVICES_GOVERNANCE_ADMIN_SERVICE_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/governance/governance_log.h"
#include "services/keys/key_client.h"
#include "services/rpc/identity.h"
#include "tenants/network_clock.h"
#include "tenants/registry.h"

namespace grpc {
class Service;
}

namespace custodian::governance {

// What main wires to other services. All are called from gRPC's threads, several at once.
struct AdminActions {
  // Starts the partition of an admitted tenant; OK when it runs already.
  std::function<absl::Status(const tenants::Tenant& tenant)> start_partition;
  // Checks a table before it is recorded, for a tenant or (with an empty id) the network: InvalidArgument naming line and column, or the
  // names that there are.
  std::function<absl::Status(std::string_view name, std::string_view tenant_id, std::string_view content)> validate_table;
  // The JWK set of a tenant's CDS Hooks tokens.
  std::function<absl::Status(std::string_view jwks)> validate_jwks;
  // What a client may prove itself with and ask for, before it is recorded: InvalidArgument names the field.
  std::function<absl::Status(const ledger::v1::ClientAccess& access)> validate_access;
  // After a table was recorded, and after simulated time moved. A failure is answered; the caller sends again.
  std::function<absl::Status(std::string_view name, std::string_view tenant_id)> table_changed;
  std::function<absl::Status(absl::Time now)> time_moved;
  // JSON.
  std::function<absl::StatusOr<std::string>(absl::Time as_of, std::string_view tenant, bool marks)> savings;
  std::function<absl::StatusOr<std::string>()> status;
  // A one-time URL for this operator.
  std::function<absl::StatusOr<std::string>(std::string_view actor)> dashboard_link;
};

// "<network>/p/<16 hex>": opaque, and the same for a tenant however often its admission is begun.
[[nodiscard]] std::string OriginOf(std::string_view network, const TenantId& tenant);

class AdminService {
 public:
  // Borrows all but `actions`, each of which must be set.
  AdminService(const rpc::CallGuard& guard, keys::KeyClient& keys, GovernanceLog& governance, tenants::Registry& registry,
               tenants::NetworkClock& network_clock, AdminActions actions);
  ~AdminService();
  // For GrpcServer::Create.
  [[nodiscard]] grpc::Service* grpc();

 private:
  class Core;
  std::unique_ptr<Core> core_;
};

}  // namespace custodian::governance

#endif  // CUSTODIAN_SERVICES_GOVERNANCE_ADMIN_SERVICE_H_

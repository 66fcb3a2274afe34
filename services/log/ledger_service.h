// gRPC LedgerService: authors of a tenant append signed batches to their tenant's log; admitted readers fetch receipts. A
// certificate opens only its own tenant's log; the batch's signature and the roster say who wrote.
#ifndef CUSTODIAN_SERVICES_LOG_LEDGER_SERVICE_H_
#define CUSTODIAN_SERVICES_LOG_LEDGER_SERVICE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "services/log/readers.h"
#include "services/log/tile_service.h"
#include "services/rpc/identity.h"
#include "tenants/partitions.h"

namespace grpc {
class Service;
}

namespace custodian::log {

class LedgerService {
 public:
  // Salt and detail of a reported entry, as services/exchange/reported_openings.h says.
  struct Opened {
    std::string salt;
    std::string detail;
  };
  struct Options {
    MakeReceipt make_receipt;
    std::function<absl::StatusOr<Opened>(const tenants::Partition& partition, std::uint64_t index)> open_reported;
    // Whether VOID, COUNTERSIGNED and DISPUTED are admitted: verifiers of before call such entries malformed.
    bool admits_tenants_word = false;
    // Runs it later, on a thread that may wait for the database; false when too much waits (rpc::Errands). Wanted where the tenant's word is admitted.
    std::function<bool(const TenantId& tenant, std::function<void()>)> wait_apart{};
  };
  // Borrows all but `options`.
  LedgerService(const rpc::CallGuard& guard, const Readers& readers, const tenants::Partitions& partitions, Options options);
  ~LedgerService();
  // For GrpcServer::Create.
  [[nodiscard]] grpc::Service* grpc();

 private:
  class Core;
  std::unique_ptr<Core> core_;
};

}  // namespace custodian::log

#endif  // CUSTODIAN_SERVICES_LOG_LEDGER_SERVICE_H_

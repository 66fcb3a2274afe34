// gRPC LedgerService: authors of a tenant append signed batches to their tenant's log; admitted readers fetch receipts. A
// certificate opens only its own tenant's log; the batch's signature and the roster say who wrote.
#ifndef CUSTODIAN_SERVICES_LOG_LEDGER_SERVICE_H_
#define CUSTODIAN_SERVICES_LOG_LEDGER_SERVICE_H_

#include <memory>

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
  // Borrows all but `make_receipt`.
  LedgerService(const rpc::CallGuard& guard, const Readers& readers, const tenants::Partitions& partitions,
                MakeReceipt make_receipt);
  ~LedgerService();
  // For GrpcServer::Create.
  [[nodiscard]] grpc::Service* grpc();

 private:
  class Core;
  std::unique_ptr<Core> core_;
};

}  // namespace custodian::log

#endif  // CUSTODIAN_SERVICES_LOG_LEDGER_SERVICE_H_

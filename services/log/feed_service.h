// gRPC FeedService (SAVINGS, T8): a tenant's result feed says how far it has come, or that it has a gap. Each statement is an entry
// in the tenant's log and a row for savings, in one write. A watermark never goes back and never reaches past network time; the
// same idempotency key gives the first answer.
#ifndef CUSTODIAN_SERVICES_LOG_FEED_SERVICE_H_
#define CUSTODIAN_SERVICES_LOG_FEED_SERVICE_H_

#include <memory>

#include "services/rpc/identity.h"
#include "tenants/clock.h"
#include "tenants/partitions.h"

namespace grpc {
class Service;
}

namespace custodian::log {

class FeedService {
 public:
  FeedService(const rpc::CallGuard& guard, const tenants::Partitions& partitions, const Clock& network_clock);
  ~FeedService();
  // For GrpcServer::Create.
  [[nodiscard]] grpc::Service* grpc();

 private:
  class Core;
  std::unique_ptr<Core> core_;
};

}  // namespace custodian::log

#endif  // CUSTODIAN_SERVICES_LOG_FEED_SERVICE_H_

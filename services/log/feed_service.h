// gRPC FeedService (SAVINGS, T8): a tenant's result feed says how far it has come, or that it has a gap. Each statement is an entry
// in the tenant's log and a row for savings, in one write. A watermark never goes back and never reaches past network time; the
// same idempotency key gives the first answer.
#ifndef CUSTODIAN_SERVICES_LOG_FEED_SERVICE_H_
#define CUSTODIAN_SERVICES_LOG_FEED_SERVICE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
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

  // The same statements from within, as `client` makes them (its tenant decides the log); the index of the entry. InvalidArgument as
  // over gRPC; Unavailable when the partition does not run here.
  [[nodiscard]] absl::StatusOr<std::uint64_t> AdvanceWatermark(const tenants::Client& client, absl::Time through, const std::string& idempotency_key);
  [[nodiscard]] absl::StatusOr<std::uint64_t> ReportGap(const tenants::Client& client, absl::Time from, absl::Time to, const std::string& idempotency_key);

 private:
  class Core;
  std::unique_ptr<Core> core_;
};

}  // namespace custodian::log

#endif  // CUSTODIAN_SERVICES_LOG_FEED_SERVICE_H_

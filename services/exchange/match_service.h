// gRPC MatchService: a tenant's stewards read their queue and decide (match_review.h). For GrpcServer::Create.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_MATCH_SERVICE_H_
#define CUSTODIAN_SERVICES_EXCHANGE_MATCH_SERVICE_H_

#include <memory>

#include "services/exchange/match_review.h"
#include "services/rpc/identity.h"

namespace grpc {
class Service;
}

namespace custodian::exchange {

class MatchService {
 public:
  // Borrows both.
  MatchService(const rpc::CallGuard& guard, const MatchReview& review);
  ~MatchService();
  [[nodiscard]] grpc::Service* grpc();

 private:
  class Core;
  std::unique_ptr<Core> core_;
};

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_MATCH_SERVICE_H_

// What a tenant's own feed clients see and do of its quarantine, over HTTPS with the feed's certificate: GET /feed/<tenant>/quarantine
// (?all=true), GET /feed/<tenant>/quarantine/<id> (the message as it came), POST /feed/<tenant>/quarantine/<id>/replay. Nobody else's, and
// not the operator's. Thread-safe.
#ifndef CUSTODIAN_SERVICES_FEEDS_QUARANTINE_SERVICE_H_
#define CUSTODIAN_SERVICES_FEEDS_QUARANTINE_SERVICE_H_

#include <string_view>

#include "services/feeds/feed_intake.h"
#include "services/rpc/http.h"
#include "services/rpc/identity.h"
#include "tenants/partitions.h"

namespace custodian::feeds {

class QuarantineService {
 public:
  QuarantineService(const rpc::CallGuard& guard, const tenants::Partitions& partitions, const FeedIntake& intake)
      : guard_(guard), partitions_(partitions), intake_(intake) {}

  [[nodiscard]] rpc::HttpResponse Handle(const rpc::HttpRequest& request) const;

 private:
  [[nodiscard]] rpc::HttpResponse List(const tenants::Client& client, bool all) const;
  [[nodiscard]] rpc::HttpResponse Show(const tenants::Client& client, const std::string& id) const;
  [[nodiscard]] rpc::HttpResponse Replay(const tenants::Client& client, const std::string& id) const;

  const rpc::CallGuard& guard_;
  const tenants::Partitions& partitions_;
  const FeedIntake& intake_;
};

}  // namespace custodian::feeds

#endif  // CUSTODIAN_SERVICES_FEEDS_QUARANTINE_SERVICE_H_

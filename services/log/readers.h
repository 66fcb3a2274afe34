// Who may read a log: the tenant's own auditors and nodes, and the regulator; the governance log is open to these roles of every
// tenant, and to witnesses, whom it tells which logs to accept: a witness is nobody's client, so its certificate (spiffe://<network>/witness/<name>,
// by the network's CA) is enough. Everyone else gets one answer, whether or not the log exists. Thread-safe.
#ifndef CUSTODIAN_SERVICES_LOG_READERS_H_
#define CUSTODIAN_SERVICES_LOG_READERS_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "services/rpc/identity.h"
#include "tenants/partitions.h"

namespace custodian::log {

class Readers {
 public:
  Readers(const rpc::CallGuard& guard, const tenants::Partitions& partitions, std::string governance_origin);

  // PermissionDenied, always with the same text, unless the client may read the log of `origin`.
  [[nodiscard]] absl::Status MayRead(std::string_view spiffe_id, std::string_view origin) const;
  // Whether the client is a node of the very tenant whose log it is: the only one that is also given what is sealed beside the entries.
  [[nodiscard]] bool MayReadSealed(std::string_view spiffe_id, std::string_view origin) const;

 private:
  const rpc::CallGuard& guard_;
  const tenants::Partitions& partitions_;
  const std::string governance_origin_;
};

}  // namespace custodian::log

#endif  // CUSTODIAN_SERVICES_LOG_READERS_H_

#include "services/log/readers.h"

#include <utility>

namespace custodian::log {

Readers::Readers(const rpc::CallGuard& guard, const tenants::Partitions& partitions, std::string governance_origin)
    : guard_(guard), partitions_(partitions), governance_origin_(std::move(governance_origin)) {}

absl::Status Readers::MayRead(std::string_view spiffe_id, std::string_view origin) const {
  const bool governance = origin == governance_origin_;
  const auto id = rpc::SpiffeId::Parse(spiffe_id);
  if (governance && id.ok() && id->network == guard_.network() && id->role == "witness") return absl::OkStatus();
  const auto client = guard_.Admit(spiffe_id, {"auditor", "node", "regulator"});
  const tenants::Partition* partition = governance ? nullptr : partitions_.FindByOrigin(origin);
  const bool exists = governance || partition != nullptr;
  const bool admitted = client.ok() && exists && (governance || client->role == "regulator" || client->tenant == partition->tenant.id);
  return admitted ? absl::OkStatus() : absl::PermissionDeniedError("this client may not read this log");
}

bool Readers::MayReadSealed(std::string_view spiffe_id, std::string_view origin) const {
  const auto client = guard_.Admit(spiffe_id, {"node"});
  const tenants::Partition* partition = partitions_.FindByOrigin(origin);
  return client.ok() && partition != nullptr && !client->tenant.text().empty() && client->tenant == partition->tenant.id;
}

}  // namespace custodian::log

#include "services/rpc/shares.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "services/rpc/identity.h"
#include "services/rpc/router.h"

namespace custodian::rpc {
namespace {

constexpr double kSecondsKept = 2;

}  // namespace

absl::StatusOr<Shares::Taken> Shares::Take(const TenantId& tenant, std::string_view client) {
  const absl::MutexLock lock(&mutex_);
  auto found = clients_.find(client);
  if (found == clients_.end()) found = clients_.emplace(std::string(client), Client()).first;
  Client& its = found->second;
  if (its.at_once >= limits_.client_at_once)
    return absl::ResourceExhaustedError(absl::StrCat("this client has ", its.at_once, " requests under way, as many as it may have at once"));
  const auto counted = tenants_.find(tenant);
  const int of_tenant = counted == tenants_.end() ? 0 : counted->second;
  if (!tenant.text().empty() && of_tenant >= limits_.tenant_at_once)
    return absl::ResourceExhaustedError(absl::StrCat("this tenant's clients have ", of_tenant, " requests under way, as many as they may have at once"));
  if (limits_.client_per_second > 0) {
    const absl::Time now = clock_.Now();
    const double full = kSecondsKept * limits_.client_per_second;
    // A clock that is set back fills nothing; one that is new, or of a client that is new, fills it.
    const double seconds = std::clamp(absl::ToDoubleSeconds(now - its.filled), 0.0, kSecondsKept);
    its.left = std::min(full, its.left + seconds * limits_.client_per_second);
    its.filled = now;
    if (its.left < 1) return absl::ResourceExhaustedError(absl::StrCat("this client sends more than ", limits_.client_per_second, " requests a second"));
    its.left -= 1;
  }
  ++its.at_once;
  if (!tenant.text().empty()) ++tenants_[tenant];
  return Taken(this, tenant, std::string(client));
}

void Shares::GiveBack(const TenantId& tenant, const std::string& client) {
  const absl::MutexLock lock(&mutex_);
  --clients_.find(client)->second.at_once;
  if (!tenant.text().empty() && --tenants_[tenant] == 0) tenants_.erase(tenant);
}

HttpHandler Shares::Protect(HttpHandler handler) {
  return [this, handler = std::move(handler)](const HttpRequest& request) {
    const auto id = SpiffeId::Parse(request.peer_spiffe_id);
    if (!id.ok()) return handler(request);
    const auto taken = Take(id->tenant, request.peer_spiffe_id);
    if (taken.ok()) return handler(request);
    HttpResponse response = PlainText(429, absl::StrCat(std::string(taken.status().message()), "; send it again after the time in Retry-After"));
    response.headers.emplace_back("Retry-After", "1");
    return response;
  };
}

}  // namespace custodian::rpc

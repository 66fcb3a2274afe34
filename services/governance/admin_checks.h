// What an operator's requests must satisfy before anything is recorded. Pure; InvalidArgument names the field.
#ifndef CUSTODIAN_SERVICES_GOVERNANCE_ADMIN_CHECKS_H_
#define CUSTODIAN_SERVICES_GOVERNANCE_ADMIN_CHECKS_H_

#include <optional>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/governance/governance_log.h"
#include "services/rpc/protos/custodian.pb.h"
#include "tenants/registry.h"

namespace custodian::governance {

// The tenant of a request, without origin and log key.
[[nodiscard]] absl::StatusOr<tenants::Tenant> TenantOf(const v1::AdmitTenantRequest& request);
// The client's SPIFFE id, tenant and role agree, and a purpose goes with the role "fhir" alone.
[[nodiscard]] absl::StatusOr<tenants::Client> ClientOf(std::string_view network, const v1::RegisterClientRequest& request);
// The name of a tenant's one CDS client: what its EHR's order checks are signed with is registered under it.
inline constexpr std::string_view kCdsClientName = "ehr";
// Keys, scopes and FHIR servers of a request for that client; nothing when it names none. InvalidArgument when they do not go with its role
// or with each other; what they say is the caller's to check.
[[nodiscard]] absl::StatusOr<std::optional<ledger::v1::ClientAccess>> AccessOf(const tenants::Client& client,
                                                                              const v1::RegisterClientRequest& request);
// `tenant` is the author's, when its name is a tenant's: such an author writes to its own tenant's log only.
[[nodiscard]] absl::StatusOr<GovernanceLog::Author> AuthorOf(const v1::EnrollAuthorRequest& request, const std::optional<tenants::Tenant>& tenant);

}  // namespace custodian::governance

#endif  // CUSTODIAN_SERVICES_GOVERNANCE_ADMIN_CHECKS_H_

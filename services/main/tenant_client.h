// What the commands about tenants share: tenants by name, and `custodian tenant client ...`.
#ifndef CUSTODIAN_SERVICES_MAIN_TENANT_CLIENT_H_
#define CUSTODIAN_SERVICES_MAIN_TENANT_CLIENT_H_

#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "services/main/config.h"
#include "tenants/registry.h"

namespace custodian::main {

// As the registry has them; throws CommandFailed.
[[nodiscard]] std::vector<tenants::Tenant> Tenants(const Config& config);
// Throws CommandFailed when there is none.
[[nodiscard]] tenants::Tenant FindTenant(const Config& config, const std::string& name);
// "spiffe://<network>/tenant/<id>/<role>/<name>", or what stands there already when `name` is a SPIFFE id.
[[nodiscard]] std::string ClientIdOf(const Config& config, const tenants::Tenant* tenant, const std::string& role, const std::string& name);

void AddTenantClient(CLI::App& tenant);

}  // namespace custodian::main

#endif  // CUSTODIAN_SERVICES_MAIN_TENANT_CLIENT_H_

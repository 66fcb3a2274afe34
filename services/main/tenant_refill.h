// `custodian tenant refill`: a partition's log, or the governance log, back from a mirror.
#ifndef CUSTODIAN_SERVICES_MAIN_TENANT_REFILL_H_
#define CUSTODIAN_SERVICES_MAIN_TENANT_REFILL_H_

#include "CLI/CLI.hpp"

namespace custodian::main {

void AddTenantRefill(CLI::App& tenant);

}  // namespace custodian::main

#endif  // CUSTODIAN_SERVICES_MAIN_TENANT_REFILL_H_

// The registry's rows as governance writes them: values for a Write, which the partition writer inserts with the entry.
#ifndef CUSTODIAN_SERVICES_GOVERNANCE_GOVERNANCE_STORE_H_
#define CUSTODIAN_SERVICES_GOVERNANCE_GOVERNANCE_STORE_H_

#include "tenants/partition_writer.h"
#include "tenants/registry.h"

namespace custodian::governance {

[[nodiscard]] tenants::Row TenantRow(const tenants::Tenant& tenant);
[[nodiscard]] tenants::Row ClientRow(const tenants::Client& client);

}  // namespace custodian::governance

#endif  // CUSTODIAN_SERVICES_GOVERNANCE_GOVERNANCE_STORE_H_

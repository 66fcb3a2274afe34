#include "services/governance/governance_store.h"

namespace custodian::governance {
namespace {

const tenants::Table kTenantTable = {"registry.tenant",
                                     {{"tenant_id", "text"},
                                      {"name", "text"},
                                      {"display_name", "text"},
                                      {"cell", "text"},
                                      {"database", "text"},
                                      {"key_database", "text"},
                                      {"origin", "text"},
                                      {"log_vkey", "text"},
                                      {"time_zone", "text"},
                                      {"organization_system", "text"},
                                      {"organization_value", "text"},
                                      {"accession_system", "text"},
                                      {"cds_issuer", "text"},
                                      {"cds_tenant", "text"},
                                      {"cds_jwks", "text"}},
                                     /*ignore_conflicts=*/false, /*proved=*/true};

const tenants::Table kClientTable = {"registry.client",
                                     {{"spiffe_id", "text"}, {"tenant_id", "text"}, {"role", "text"}, {"purpose", "text"}},
                                     /*ignore_conflicts=*/false, /*proved=*/true};

}  // namespace

tenants::Row TenantRow(const tenants::Tenant& tenant) {
  return {&kTenantTable,
          {tenant.id.text(), tenant.name, tenant.display_name, tenant.cell, tenant.database, tenant.key_database, tenant.origin,
           tenant.log_vkey, tenant.time_zone, tenant.organization_system, tenant.organization_value, tenant.accession_system,
           tenant.cds_issuer, tenant.cds_tenant, tenant.cds_jwks}};
}

tenants::Row ClientRow(const tenants::Client& client) {
  return {&kClientTable, {client.spiffe_id, client.tenant.text(), client.role, client.purpose}};
}

}  // namespace custodian::governance

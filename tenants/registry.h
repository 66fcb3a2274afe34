// Who the tenants are and where their data lies: the network database's registry, a projection of the governance log plus
// placement. Thread-safe; answers from memory, refreshed by Load().
#ifndef CUSTODIAN_TENANTS_REGISTRY_H_
#define CUSTODIAN_TENANTS_REGISTRY_H_

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tenants/database.h"
#include "tenants/ids.h"

namespace custodian::tenants {

struct Tenant {
  TenantId id;
  // Short name in reports and paths: lower-case letters, digits, '-'; at most 32 characters.
  std::string name;
  // As people read it; may be empty.
  std::string display_name;
  [[nodiscard]] const std::string& ShownName() const { return display_name.empty() ? name : display_name; }
  // Name of the cell (a PostgreSQL cluster of the configuration), record database and key-store database.
  std::string cell;
  std::string database;
  std::string key_database;
  // Log origin ("<network>/p/<16 hex>") and verifier key.
  std::string origin;
  std::string log_vkey;
  // IANA zone, e.g. "America/Chicago".
  std::string time_zone;
  // What a Consent's actor and an accession's system name this tenant by.
  std::string organization_system;
  std::string organization_value;
  std::string accession_system;
  // CDS Hooks: issuer, the `tenant` claim, and the JWK set that verifies it (JSON text).
  std::string cds_issuer;
  std::string cds_tenant;
  std::string cds_jwks;
};

// A FHIR or gRPC client of a tenant, known by its certificate's URI SAN.
struct Client {
  std::string spiffe_id;
  TenantId tenant;
  // "fhir", "feed", "auditor", "node", "cds", "steward", "regulator", "operator".
  std::string role;
  // v3-ActReason code, "TREAT", "HRESCH", ...; empty for roles that read no records.
  std::string purpose;
};

class Registry {
 public:
  explicit Registry(const Database& network_database);
  ~Registry();

  [[nodiscard]] absl::Status Load();
  [[nodiscard]] std::vector<Tenant> Tenants() const;
  // The same without copies.
  [[nodiscard]] std::shared_ptr<const std::vector<Tenant>> Shared() const;
  [[nodiscard]] std::optional<Tenant> FindById(std::string_view tenant_id) const;
  [[nodiscard]] std::optional<Tenant> FindByName(std::string_view name) const;
  [[nodiscard]] std::optional<Tenant> FindByOrigin(std::string_view origin) const;
  [[nodiscard]] std::optional<Tenant> FindByOrganization(std::string_view system, std::string_view value) const;
  [[nodiscard]] std::optional<Tenant> FindByAccessionSystem(std::string_view system) const;
  [[nodiscard]] std::optional<Tenant> FindByCdsIssuer(std::string_view issuer, std::string_view cds_tenant) const;
  // By SPIFFE id.
  [[nodiscard]] std::vector<Client> Clients() const;
  [[nodiscard]] std::optional<Client> FindClient(std::string_view spiffe_id) const;

 private:
  class State;
  const Database& database_;
  std::unique_ptr<State> state_;
};

}  // namespace custodian::tenants

#endif  // CUSTODIAN_TENANTS_REGISTRY_H_

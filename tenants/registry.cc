#include "tenants/registry.h"

#include <map>
#include <pqxx/pqxx>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "fmt/format.h"

namespace custodian::tenants {
namespace {

struct Snapshot {
  std::vector<Tenant> tenants;
  std::map<std::string, Client, std::less<>> clients;
};

absl::StatusOr<Tenant> TenantOf(const pqxx::row& row) {
  const auto text = [&row](const char* column) { return row[column].as<std::string>(); };
  auto id = TenantId::Parse(text("tenant_id"));
  if (!id.ok()) return absl::DataLossError("registry: a tenant id is malformed");
  return Tenant{.id = *std::move(id),
                .name = text("name"),
                .display_name = text("display_name"),
                .cell = text("cell"),
                .database = text("database"),
                .key_database = text("key_database"),
                .origin = text("origin"),
                .log_vkey = text("log_vkey"),
                .time_zone = text("time_zone"),
                .organization_system = text("organization_system"),
                .organization_value = text("organization_value"),
                .accession_system = text("accession_system"),
                .cds_issuer = text("cds_issuer"),
                .cds_tenant = text("cds_tenant"),
                .cds_jwks = text("cds_jwks")};
}

absl::StatusOr<Client> ClientOf(const pqxx::row& row) {
  Client client;
  client.spiffe_id = row["spiffe_id"].as<std::string>();
  client.role = row["role"].as<std::string>();
  client.purpose = row["purpose"].as<std::string>();
  const auto tenant_id = row["tenant_id"].as<std::string>();
  if (!tenant_id.empty()) {
    auto id = TenantId::Parse(tenant_id);
    if (!id.ok()) return absl::DataLossError(fmt::format("registry: client {} has a malformed tenant id", client.spiffe_id));
    client.tenant = *std::move(id);
  }
  return client;
}

}  // namespace

class Registry::State {
 public:
  void Set(std::shared_ptr<const Snapshot> snapshot) {
    absl::MutexLock lock(&mutex_);
    snapshot_ = std::move(snapshot);
  }
  std::shared_ptr<const Snapshot> Get() const {
    absl::MutexLock lock(&mutex_);
    return snapshot_;
  }
  template <typename Matches>
  std::optional<Tenant> FindIf(const Matches& matches) const {
    const auto snapshot = Get();
    for (const Tenant& tenant : snapshot->tenants) {
      if (matches(tenant)) return tenant;
    }
    return std::nullopt;
  }

 private:
  mutable absl::Mutex mutex_;
  std::shared_ptr<const Snapshot> snapshot_ ABSL_GUARDED_BY(mutex_) = std::make_shared<const Snapshot>();
};

Registry::Registry(const Database& network_database) : database_(network_database), state_(std::make_unique<State>()) {}
Registry::~Registry() = default;

absl::Status Registry::Load() {
  auto snapshot = std::make_shared<Snapshot>();
  absl::Status status = database_.Read([&snapshot](ReadTransaction& transaction) -> absl::Status {
    for (const pqxx::row& row : transaction.sql().exec(
             "SELECT tenant_id, name, display_name, cell, database, key_database, origin, log_vkey, time_zone, organization_system, "
             "organization_value, accession_system, cds_issuer, cds_tenant, cds_jwks FROM registry.tenant ORDER BY name")) {
      auto tenant = TenantOf(row);
      if (!tenant.ok()) return tenant.status();
      snapshot->tenants.push_back(*std::move(tenant));
    }
    for (const pqxx::row& row : transaction.sql().exec("SELECT spiffe_id, tenant_id, role, purpose FROM registry.client ORDER BY spiffe_id")) {
      auto client = ClientOf(row);
      if (!client.ok()) return client.status();
      snapshot->clients.emplace(client->spiffe_id, *client);
    }
    return absl::OkStatus();
  });
  if (status.ok()) state_->Set(std::move(snapshot));
  return status;
}

std::vector<Tenant> Registry::Tenants() const { return state_->Get()->tenants; }

std::shared_ptr<const std::vector<Tenant>> Registry::Shared() const {
  auto snapshot = state_->Get();
  return {snapshot, &snapshot->tenants};
}

std::optional<Tenant> Registry::FindById(std::string_view tenant_id) const {
  return state_->FindIf([tenant_id](const Tenant& tenant) { return tenant.id.text() == tenant_id; });
}

std::optional<Tenant> Registry::FindByName(std::string_view name) const {
  return state_->FindIf([name](const Tenant& tenant) { return tenant.name == name; });
}

std::optional<Tenant> Registry::FindByOrigin(std::string_view origin) const {
  return state_->FindIf([origin](const Tenant& tenant) { return tenant.origin == origin; });
}

std::optional<Tenant> Registry::FindByOrganization(std::string_view system, std::string_view value) const {
  return state_->FindIf(
      [=](const Tenant& tenant) { return tenant.organization_system == system && tenant.organization_value == value; });
}

std::optional<Tenant> Registry::FindByAccessionSystem(std::string_view system) const {
  if (system.empty()) return std::nullopt;
  return state_->FindIf([system](const Tenant& tenant) { return tenant.accession_system == system; });
}

std::optional<Tenant> Registry::FindByCdsIssuer(std::string_view issuer, std::string_view cds_tenant) const {
  if (issuer.empty()) return std::nullopt;
  return state_->FindIf([=](const Tenant& tenant) { return tenant.cds_issuer == issuer && tenant.cds_tenant == cds_tenant; });
}

std::vector<Client> Registry::Clients() const {
  std::vector<Client> clients;
  for (const auto& [id, client] : state_->Get()->clients) clients.push_back(client);
  return clients;
}

std::optional<Client> Registry::FindClient(std::string_view spiffe_id) const {
  const auto snapshot = state_->Get();
  const auto found = snapshot->clients.find(spiffe_id);
  if (found == snapshot->clients.end()) return std::nullopt;
  return found->second;
}

}  // namespace custodian::tenants

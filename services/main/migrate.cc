// `custodian migrate`: every database of the network at the schema this binary was built with. The network database and the
// auditor's role are made when they are not there.
#include <cstdio>
#include <memory>
#include <string>

#include "services/main/commands.h"
#include "services/main/platform_client.h"
#include "services/main/secrets.h"
#include "tenants/registry.h"

namespace custodian::main {
namespace {

void MigrateOne(const Config& config, const std::string& cell, const std::string& database, const std::string& secrets,
                const char* set, const std::string& tenant) {
  const auto applied = ProvisionAndMigrate(config, cell, database, secrets, set, tenant);
  Check(applied.status());
  if (*applied > 0) std::printf("%s: %d migration%s applied\n", database.c_str(), *applied, *applied == 1 ? "" : "s");
}

void Run(const ConfigOption& option) {
  const Config config = option.Load();
  for (const Config::Cell& cell : config.cells) Check(ProvisionAuditor(config, cell.name));
  MigrateOne(config, config.network_cell, config.network_database, config.secrets_directory, "network", "network");
  auto connection = config.Connection(config.network_cell, config.network_database, config.NetworkRole(), config.secrets_directory);
  Check(connection.status());
  const tenants::Database network(*std::move(connection), /*connections_max=*/1);
  tenants::Registry registry(network);
  Check(registry.Load());
  for (const tenants::Tenant& tenant : registry.Tenants()) {
    MigrateOne(config, tenant.cell, tenant.database, config.secrets_directory, "tenant", tenant.id.text());
    MigrateOne(config, tenant.cell, tenant.key_database, config.keys.secrets_directory, "keys", tenant.id.text());
  }
}

}  // namespace

void AddMigrate(CLI::App& app) {
  auto option = std::make_shared<ConfigOption>();
  auto* command = app.add_subcommand("migrate", "bring every database to this version's schema; make the network database");
  command->footer("Example:\n  custodian migrate --config /etc/custodian/config.yaml");
  option->AddTo(*command);
  command->callback([option] { Run(*option); });
}

}  // namespace custodian::main

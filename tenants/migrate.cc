#include "tenants/migrate.h"

#include <algorithm>
#include <map>
#include <pqxx/pqxx>

#include "absl/strings/str_replace.h"
#include "fmt/format.h"
#include "ledger/tree.h"

namespace custodian::tenants {
namespace {

constexpr std::string_view kLedgerTables = "tenant/001_ledger.sql";
// Two runs at once take turns; the number means nothing.
constexpr const char* kLock = "SELECT pg_advisory_xact_lock(7103402911)";

absl::Status CreateRecord(const Database& database, const std::string& tenant) {
  return database.Write([&tenant](WriteTransaction& transaction) -> absl::Status {
    pqxx::transaction_base& sql = transaction.sql();
    sql.exec(kLock);
    sql.exec("CREATE SCHEMA IF NOT EXISTS custodian_migration");
    sql.exec(absl::StrReplaceAll(
        "CREATE TABLE IF NOT EXISTS custodian_migration.applied ("
        " tenant text NOT NULL DEFAULT '{{tenant}}' CHECK (tenant = '{{tenant}}'),"
        " name text NOT NULL PRIMARY KEY,"
        " sha256 bytea NOT NULL,"
        " applied_at timestamptz NOT NULL DEFAULT now())",
        {{"{{tenant}}", tenant}}));
    return absl::OkStatus();
  });
}

absl::StatusOr<std::map<std::string, std::string, std::less<>>> ReadApplied(const Database& database) {
  std::map<std::string, std::string, std::less<>> applied;
  absl::Status status = database.Read([&applied](ReadTransaction& transaction) -> absl::Status {
    for (const pqxx::row& row : transaction.sql().exec("SELECT name, sha256 FROM custodian_migration.applied ORDER BY name")) {
      applied.emplace(row[0].as<std::string>(), pqxx::binarystring(row[1]).str());
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return applied;
}

// True when this call applied it.
absl::StatusOr<bool> Apply(const Database& database, const Migration& migration, const std::string& sha256, const std::string& tenant) {
  bool applied = false;
  absl::Status status = database.Write([&](WriteTransaction& transaction) -> absl::Status {
    pqxx::transaction_base& sql = transaction.sql();
    sql.exec(kLock);
    const std::string name(migration.name);
    if (!sql.exec_params("SELECT 1 FROM custodian_migration.applied WHERE name = $1", name).empty()) return absl::OkStatus();
    sql.exec(absl::StrReplaceAll(std::string(migration.sql), {{"{{tenant}}", tenant}}));
    sql.exec_params("INSERT INTO custodian_migration.applied (name, sha256) VALUES ($1, $2)", name, pqxx::binarystring(sha256));
    applied = true;
    return absl::OkStatus();
  });
  if (absl::IsUnavailable(status) || absl::IsUnknown(status)) return status;
  if (!status.ok()) return absl::InternalError(fmt::format("migration {}: {}", migration.name, std::string(status.message())));
  return applied;
}

}  // namespace

absl::StatusOr<std::vector<Migration>> MigrationsOf(std::string_view set) {
  if (set != "tenant" && set != "keys" && set != "network") {
    return absl::InvalidArgumentError(fmt::format("no set of migrations is called {}", set));
  }
  const std::string prefix = fmt::format("{}/", set);
  std::vector<Migration> files;
  for (const Migration& migration : EmbeddedMigrations()) {
    if (set == "network" && migration.name == kLedgerTables) files.insert(files.begin(), migration);
    if (migration.name.starts_with(prefix)) files.push_back(migration);
  }
  return files;
}

absl::StatusOr<std::vector<std::string>> MigrateWith(const Database& as_migrator, std::span<const Migration> files, std::string_view tenant) {
  if (tenant.empty() || !std::ranges::all_of(tenant, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-'; })) {
    return absl::InvalidArgumentError("migrate: a tenant id has lower-case letters and digits only");
  }
  const std::string tenant_text(tenant);
  if (absl::Status status = CreateRecord(as_migrator, tenant_text); !status.ok()) return status;
  const auto applied = ReadApplied(as_migrator);
  if (!applied.ok()) return applied.status();
  std::vector<std::string> done;
  for (const Migration& migration : files) {
    const std::string sha256(ledger::AsBytes(ledger::Sha256(migration.sql)));
    if (const auto found = applied->find(migration.name); found != applied->end()) {
      if (found->second == sha256) continue;
      return absl::FailedPreconditionError(
          fmt::format("migration {} was applied with other content: run the binary that knows it, or restore the file", migration.name));
    }
    const auto now = Apply(as_migrator, migration, sha256, tenant_text);
    if (!now.ok()) return now.status();
    if (*now) done.emplace_back(migration.name);
  }
  return done;
}

absl::StatusOr<std::vector<std::string>> Migrate(const Database& as_migrator, std::string_view set, std::string_view tenant) {
  const auto files = MigrationsOf(set);
  if (!files.ok()) return files.status();
  return MigrateWith(as_migrator, *files, tenant);
}

}  // namespace custodian::tenants

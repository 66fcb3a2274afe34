#include "services/main/secrets.h"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "tenants/migrate.h"

namespace custodian::main {
namespace {

std::string PasswordFile(const std::string& secrets, const std::string& role) {
  return (std::filesystem::path(secrets) / (role + ".password")).string();
}

absl::StatusOr<tenants::Provisioner> ProvisionerOf(const Config& config, const std::string& cell) {
  for (const Config::Cell& candidate : config.cells) {
    if (candidate.name != cell) continue;
    if (candidate.admin_user.empty()) {
      return absl::FailedPreconditionError(absl::StrCat("cell '", cell, "' has no admin_user in the configuration"));
    }
    auto admin = config.Connection(cell, "postgres", candidate.admin_user, config.secrets_directory);
    if (!admin.ok()) return admin.status();
    return tenants::Provisioner(*std::move(admin));
  }
  return absl::NotFoundError(absl::StrCat("no cell '", cell, "' in the configuration"));
}

}  // namespace

absl::Status WriteSecret(const std::string& path, std::string_view bytes) {
  const std::string fresh = path + ".new";
  const int file = open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot write '", fresh, "'"));
  const bool written = write(file, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()) && fsync(file) == 0;
  close(file);
  if (!written || rename(fresh.c_str(), path.c_str()) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot write '", path, "'"));
  }
  return absl::OkStatus();
}

absl::StatusOr<int> ProvisionAndMigrate(const Config& config, const std::string& cell, const std::string& database,
                                        const std::string& secrets, std::string_view set, std::string_view tenant) {
  const std::string migrator = tenants::MigratorRoleOf(database);
  const std::string login = tenants::LoginRoleOf(database);
  if (!std::filesystem::exists(PasswordFile(secrets, migrator)) || !std::filesystem::exists(PasswordFile(secrets, login))) {
    auto provisioner = ProvisionerOf(config, cell);
    if (!provisioner.ok()) return provisioner.status();
    auto made = provisioner->ProvisionDatabase(database);
    if (!made.ok()) return made.status();
    if (auto status = WriteSecret(PasswordFile(secrets, login), made->login.password); !status.ok()) return status;
    if (auto status = WriteSecret(PasswordFile(secrets, migrator), made->migrator.password); !status.ok()) return status;
  }
  auto connection = config.Connection(cell, database, migrator, secrets);
  if (!connection.ok()) return connection.status();
  const tenants::Database as_migrator(*std::move(connection), /*connections_max=*/1);
  auto applied = tenants::Migrate(as_migrator, set, tenant);
  if (!applied.ok()) return applied.status();
  return static_cast<int>(applied->size());
}

absl::Status ProvisionAuditor(const Config& config, const std::string& cell) {
  const std::string file = PasswordFile(config.secrets_directory, std::string(tenants::kAuditorRole));
  if (std::filesystem::exists(file)) return absl::OkStatus();
  auto provisioner = ProvisionerOf(config, cell);
  if (!provisioner.ok()) return provisioner.status();
  auto role = provisioner->ProvisionAuditor();
  if (!role.ok()) return role.status();
  return WriteSecret(file, role->password);
}

}  // namespace custodian::main

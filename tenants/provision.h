// Makes databases and roles on a cell (DESIGN, section 5): a database each for a tenant's records and for its keys, with an owner
// that cannot log in, a migrator and a login role, closed to everyone else. Blocking; used by `migrate`, `tenant` and tests, never
// by `serve`. Every call may be repeated after a crash and finishes what is missing. Passwords leave only by the return value: the
// server is sent SCRAM verifiers.
#ifndef CUSTODIAN_TENANTS_PROVISION_H_
#define CUSTODIAN_TENANTS_PROVISION_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tenants/database.h"

namespace custodian::tenants {

inline constexpr std::string_view kAuditorRole = "custodian_auditor";

// A role that may log in, with the password it has from now on.
struct LoginRole {
  std::string name;
  std::string password;
};

struct ProvisionedDatabase {
  std::string database;
  // Owns the database, cannot log in.
  std::string owner;
  // May create schemas; runs migrations.
  LoginRole migrator;
  // SELECT, INSERT, UPDATE, DELETE on what the migrator makes; what `serve` or `keys` logs in as.
  LoginRole login;
};

// Opaque random names: "t_<16 hex>" for records, "k_<16 hex>" for keys. Store it before provisioning, so that a crash is resumed.
[[nodiscard]] std::string NewRecordDatabaseName();
[[nodiscard]] std::string NewKeyDatabaseName();

[[nodiscard]] std::string OwnerRoleOf(std::string_view database);
[[nodiscard]] std::string MigratorRoleOf(std::string_view database);
[[nodiscard]] std::string LoginRoleOf(std::string_view database);

// "SCRAM-SHA-256$4096:<salt>$<StoredKey>:<ServerKey>", as PostgreSQL stores it (RFC 5802; base64). `password` is ASCII.
[[nodiscard]] absl::StatusOr<std::string> ScramVerifier(std::string_view password, std::string_view salt);

class Provisioner {
 public:
  // `admin` names a role that may create databases and roles, and a database to connect to ("postgres"). `auditor_role` differs
  // in tests that share a server.
  explicit Provisioner(ConnectionSpec admin, std::string auditor_role = std::string(kAuditorRole));

  // Creates the auditor role of the cell, or gives it a new password. Before any database, once a cell.
  [[nodiscard]] absl::StatusOr<LoginRole> ProvisionAuditor();
  // Creates database and roles, or completes them; passwords are new after each call. `name`: lower-case letters, digits and '_',
  // at most 48 characters. The network database is made by the same call.
  [[nodiscard]] absl::StatusOr<ProvisionedDatabase> ProvisionDatabase(std::string_view name);

 private:
  ConnectionSpec admin_;
  std::string auditor_role_;
};

}  // namespace custodian::tenants

#endif  // CUSTODIAN_TENANTS_PROVISION_H_

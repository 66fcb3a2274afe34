#include "tenants/provision.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include <algorithm>
#include <functional>
#include <pqxx/pqxx>
#include <utility>

#include "fmt/format.h"
#include "ledger/base64.h"
#include "ledger/tree.h"
#include "tenants/connection.h"
#include "tenants/ids.h"

namespace custodian::tenants {
namespace {

constexpr int kScramIterations = 4096;
constexpr std::size_t kScramSaltBytes = 16;
constexpr std::size_t kPasswordBytes = 32;
constexpr std::size_t kNameCharactersMax = 48;
// Roles are the cluster's: two provisionings at once take turns. The number means nothing.
constexpr const char* kLock = "SELECT pg_advisory_lock(7103402912)";

bool IsName(std::string_view name) {
  return !name.empty() && name.size() <= kNameCharactersMax && name.front() >= 'a' && name.front() <= 'z' &&
         std::ranges::all_of(name, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; });
}

std::string Hmac(std::string_view key, std::string_view message) {
  std::string out(SHA256_DIGEST_LENGTH, '\0');
  unsigned written = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(message.data()), message.size(),
       reinterpret_cast<unsigned char*>(out.data()), &written);
  return out;
}

bool RoleExists(pqxx::transaction_base& sql, const std::string& role) {
  return !sql.exec_params("SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = $1", role).empty();
}

// Names were checked (IsName), verifiers are Base64: neither can carry a quote.
absl::Status EnsureLogin(pqxx::transaction_base& sql, const LoginRole& role) {
  const auto verifier = ScramVerifier(role.password, RandomBytes(kScramSaltBytes));
  if (!verifier.ok()) return verifier.status();
  if (!RoleExists(sql, role.name)) sql.exec(fmt::format("CREATE ROLE {} NOLOGIN", role.name));
  sql.exec(fmt::format("ALTER ROLE {} NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT NOREPLICATION NOBYPASSRLS LOGIN PASSWORD '{}'",
                       role.name, *verifier));
  sql.exec(fmt::format("ALTER ROLE {} SET search_path TO ''", role.name));
  return absl::OkStatus();
}

void EnsureOwner(pqxx::transaction_base& sql, const std::string& owner) {
  if (!RoleExists(sql, owner)) sql.exec(fmt::format("CREATE ROLE {} NOLOGIN", owner));
}

// CREATE DATABASE and ALTER DEFAULT PRIVILEGES want the admin to be a member; a superuser is by nature.
void Membership(pqxx::transaction_base& sql, const ProvisionedDatabase& made, bool member) {
  if (sql.exec1("SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user")[0].as<bool>()) return;
  const char* verb = member ? "GRANT {}, {} TO CURRENT_USER" : "REVOKE {}, {} FROM CURRENT_USER";
  sql.exec(fmt::format(fmt::runtime(verb), made.owner, made.migrator.name));
}

// Connected to the admin database.
absl::Status MakeRolesAndDatabase(pqxx::transaction_base& sql, const ProvisionedDatabase& made, const std::string& auditor) {
  if (!RoleExists(sql, auditor)) {
    return absl::FailedPreconditionError(fmt::format("role {} is missing on this cell: provision the auditor first", auditor));
  }
  EnsureOwner(sql, made.owner);
  for (const LoginRole& role : {made.migrator, made.login}) {
    if (absl::Status status = EnsureLogin(sql, role); !status.ok()) return status;
  }
  Membership(sql, made, true);
  if (sql.exec_params("SELECT 1 FROM pg_catalog.pg_database WHERE datname = $1", made.database).empty()) {
    sql.exec(fmt::format("CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'", made.database,
                         made.owner));
  }
  // What a crash before this line leaves open is an empty database.
  sql.exec(fmt::format("REVOKE ALL ON DATABASE {} FROM PUBLIC", made.database));
  sql.exec(fmt::format("GRANT CONNECT, CREATE ON DATABASE {} TO {}", made.database, made.migrator.name));
  sql.exec(fmt::format("GRANT CONNECT ON DATABASE {} TO {}, {}", made.database, made.login.name, auditor));
  return absl::OkStatus();
}

// Connected to the new database.
void SetDefaultPrivileges(pqxx::transaction_base& sql, const ProvisionedDatabase& made, const std::string& auditor) {
  sql.exec("REVOKE ALL ON SCHEMA public FROM PUBLIC");
  const std::string of_migrator = fmt::format("ALTER DEFAULT PRIVILEGES FOR ROLE {} ", made.migrator.name);
  sql.exec(of_migrator + fmt::format("GRANT USAGE ON SCHEMAS TO {}, {}", made.login.name, auditor));
  sql.exec(of_migrator + fmt::format("GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {}", made.login.name));
  sql.exec(of_migrator + fmt::format("GRANT SELECT ON TABLES TO {}", auditor));
  sql.exec(of_migrator + fmt::format("GRANT USAGE ON SEQUENCES TO {}", made.login.name));
  sql.exec(of_migrator + "REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC");
}

// Runs `body` on a session of its own; the one place here that catches what libpqxx throws.
absl::Status WithSession(const ConnectionSpec& spec, const std::function<absl::Status(pqxx::transaction_base&)>& body) {
  try {
    Session session(spec);
    // CREATE DATABASE runs in no transaction; every step can be repeated instead.
    pqxx::nontransaction sql(session.connection());
    return body(sql);
  } catch (...) {
    return StatusOfException(spec);
  }
}

LoginRole FreshLogin(std::string name) { return {std::move(name), HexEncode(RandomBytes(kPasswordBytes))}; }

}  // namespace

std::string NewRecordDatabaseName() { return "t_" + HexEncode(RandomBytes(8)); }
std::string NewKeyDatabaseName() { return "k_" + HexEncode(RandomBytes(8)); }
std::string OwnerRoleOf(std::string_view database) { return fmt::format("{}_owner", database); }
std::string MigratorRoleOf(std::string_view database) { return fmt::format("{}_migrator", database); }
std::string LoginRoleOf(std::string_view database) { return fmt::format("{}_login", database); }

absl::StatusOr<std::string> ScramVerifier(std::string_view password, std::string_view salt) {
  std::string salted(SHA256_DIGEST_LENGTH, '\0');
  if (PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), reinterpret_cast<const unsigned char*>(salt.data()),
                        static_cast<int>(salt.size()), kScramIterations, EVP_sha256(), static_cast<int>(salted.size()),
                        reinterpret_cast<unsigned char*>(salted.data())) != 1) {
    return absl::InternalError("a password could not be derived");
  }
  const ledger::Hash stored_key = ledger::Sha256(Hmac(salted, "Client Key"));
  return fmt::format("SCRAM-SHA-256${}:{}${}:{}", kScramIterations, ledger::Base64Encode(salt),
                     ledger::Base64Encode(ledger::AsBytes(stored_key)), ledger::Base64Encode(Hmac(salted, "Server Key")));
}

Provisioner::Provisioner(ConnectionSpec admin, std::string auditor_role)
    : admin_(std::move(admin)), auditor_role_(std::move(auditor_role)) {}

absl::StatusOr<LoginRole> Provisioner::ProvisionAuditor() {
  if (!IsName(auditor_role_)) return absl::InvalidArgumentError("provision: the auditor role's name is malformed");
  const LoginRole auditor = FreshLogin(auditor_role_);
  absl::Status status = WithSession(admin_, [&auditor](pqxx::transaction_base& sql) -> absl::Status {
    sql.exec(kLock);
    return EnsureLogin(sql, auditor);
  });
  if (!status.ok()) return status;
  return auditor;
}

absl::StatusOr<ProvisionedDatabase> Provisioner::ProvisionDatabase(std::string_view name) {
  if (!IsName(name)) return absl::InvalidArgumentError("provision: a database's name has lower-case letters, digits and '_' only");
  const ProvisionedDatabase made{.database = std::string(name),
                                 .owner = OwnerRoleOf(name),
                                 .migrator = FreshLogin(MigratorRoleOf(name)),
                                 .login = FreshLogin(LoginRoleOf(name))};
  ConnectionSpec inside = admin_;
  inside.database = made.database;
  absl::Status status = WithSession(admin_, [&](pqxx::transaction_base& sql) -> absl::Status {
    sql.exec(kLock);
    if (absl::Status roles = MakeRolesAndDatabase(sql, made, auditor_role_); !roles.ok()) return roles;
    const absl::Status privileges = WithSession(inside, [&](pqxx::transaction_base& in_database) -> absl::Status {
      SetDefaultPrivileges(in_database, made, auditor_role_);
      return absl::OkStatus();
    });
    if (!privileges.ok()) return privileges;
    Membership(sql, made, false);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return made;
}

}  // namespace custodian::tenants

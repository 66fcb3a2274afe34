#include "tests/support/postgres.h"

#include <libpq-fe.h>

#include <cstdlib>
#include <iostream>
#include <map>
#include <pqxx/pqxx>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "fmt/format.h"
#include "tenants/connection.h"
#include "tenants/ids.h"
#include "tenants/migrate.h"
#include "tenants/provision.h"

namespace custodian::testing {
namespace {

using tenants::ConnectionSpec;

ConnectionSpec WithRole(ConnectionSpec spec, const std::string& database, const tenants::LoginRole& role) {
  spec.database = database;
  spec.user = role.name;
  spec.password = role.password;
  return spec;
}

// One migrated database a (set, tenant), made once a process and dropped when it ends.
class Templates {
 public:
  static Templates& Get() {
    // libpqxx makes statics of its own at its first query; made before ours, they outlive the destructor below.
    static const absl::Status first_query = [] {
      auto superuser = TestSuperuser();
      return superuser.ok() ? RunSql(*superuser, "SELECT 1").status() : superuser.status();
    }();
    static Templates templates;
    return templates;
  }

  ~Templates() {
    absl::MutexLock lock(&mutex_);
    for (const auto& [key, made] : made_) {
      Drop(fmt::format("DROP DATABASE IF EXISTS {} WITH (FORCE)", made.database));
      for (const auto& role : {made.login.name, made.migrator.name, made.owner}) Drop(fmt::format("DROP ROLE IF EXISTS {}", role));
    }
    if (!auditor_.empty()) Drop(fmt::format("DROP ROLE IF EXISTS {}", auditor_));
  }

  absl::StatusOr<tenants::ProvisionedDatabase> Of(std::string_view set, std::string_view tenant) {
    absl::MutexLock lock(&mutex_);
    const auto key = std::pair(std::string(set), std::string(tenant));
    if (const auto found = made_.find(key); found != made_.end()) return found->second;
    auto superuser = TestSuperuser();
    if (!superuser.ok()) return superuser.status();
    superuser_ = *superuser;
    const std::string auditor = auditor_.empty() ? "test_auditor_" + HexEncode(RandomBytes(6)) : auditor_;
    tenants::Provisioner provisioner(superuser_, auditor);
    if (auditor_.empty()) {
      if (auto role = provisioner.ProvisionAuditor(); !role.ok()) return role.status();
      auditor_ = auditor;
    }
    auto made = provisioner.ProvisionDatabase("test_" + HexEncode(RandomBytes(6)));
    if (!made.ok()) return made.status();
    made_.emplace(key, *made);
    const tenants::Database as_migrator(WithRole(superuser_, made->database, made->migrator), 1);
    if (auto applied = tenants::Migrate(as_migrator, set, tenant); !applied.ok()) return applied.status();
    return made;
  }

 private:
  void Drop(const std::string& sql) {
    if (auto done = RunSql(superuser_, sql); !done.ok()) std::cerr << "test cleanup: " << done.status() << "\n";
  }

  absl::Mutex mutex_;
  ConnectionSpec superuser_;
  std::string auditor_;
  std::map<std::pair<std::string, std::string>, tenants::ProvisionedDatabase> made_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

absl::StatusOr<ConnectionSpec> TestSuperuser() {
  const char* text = std::getenv("CUSTODIAN_TEST_POSTGRES");
  if (text == nullptr || *text == '\0') return absl::FailedPreconditionError("CUSTODIAN_TEST_POSTGRES is not set: run tests/run");
  char* problem = nullptr;
  PQconninfoOption* options = PQconninfoParse(text, &problem);
  if (options == nullptr) {
    PQfreemem(problem);
    return absl::InvalidArgumentError("CUSTODIAN_TEST_POSTGRES is no connection string");
  }
  ConnectionSpec spec{.host = "/tmp", .port = 5432, .database = "postgres", .user = "postgres", .password = "", .options = ""};
  for (const PQconninfoOption* option = options; option->keyword != nullptr; ++option) {
    if (option->val == nullptr) continue;
    const std::string_view keyword = option->keyword;
    if (keyword == "host") spec.host = option->val;
    if (keyword == "port") spec.port = std::atoi(option->val);
    if (keyword == "dbname") spec.database = option->val;
    if (keyword == "user") spec.user = option->val;
    if (keyword == "password") spec.password = option->val;
  }
  PQconninfoFree(options);
  return spec;
}

absl::StatusOr<std::vector<std::vector<std::string>>> RunSql(const ConnectionSpec& spec, const std::string& sql) {
  try {
    tenants::Session session(spec);
    pqxx::nontransaction work(session.connection());
    std::vector<std::vector<std::string>> rows;
    for (const pqxx::row& row : work.exec(sql)) {
      auto& fields = rows.emplace_back();
      for (const pqxx::field& field : row) fields.emplace_back(field.is_null() ? "" : field.c_str());
    }
    return rows;
  } catch (const std::exception& error) {
    // A test's own SQL on a test's own data: the whole message helps whoever reads the log.
    return absl::InternalError(error.what());
  }
}

absl::StatusOr<std::unique_ptr<TestDatabase>> TestDatabase::Create(std::string_view set, std::string_view tenant) {
  const auto original = Templates::Get().Of(set, tenant);
  if (!original.ok()) return original.status();
  const auto superuser = TestSuperuser();
  if (!superuser.ok()) return superuser.status();
  const std::string name = "test_" + HexEncode(RandomBytes(8));
  for (const std::string& sql : {
           fmt::format("CREATE DATABASE {} TEMPLATE {} OWNER {}", name, original->database, original->owner),
           fmt::format("REVOKE ALL ON DATABASE {} FROM PUBLIC", name),
           fmt::format("GRANT CONNECT, CREATE ON DATABASE {} TO {}", name, original->migrator.name),
           fmt::format("GRANT CONNECT ON DATABASE {} TO {}", name, original->login.name),
       }) {
    if (auto done = RunSql(*superuser, sql); !done.ok()) return done.status();
  }
  std::unique_ptr<TestDatabase> made(new TestDatabase());
  made->superuser_ = *superuser;
  made->superuser_.database = name;
  made->login_ = WithRole(*superuser, name, original->login);
  made->migrator_ = WithRole(*superuser, name, original->migrator);
  made->database_ = std::make_unique<tenants::Database>(made->login_, 8);
  return made;
}

TestDatabase::~TestDatabase() {
  database_.reset();
  const auto superuser = TestSuperuser();
  if (!superuser.ok()) return;
  if (auto done = RunSql(*superuser, fmt::format("DROP DATABASE IF EXISTS {} WITH (FORCE)", login_.database)); !done.ok()) {
    std::cerr << "test cleanup: " << done.status() << "\n";
  }
}

std::string TestDatabase::One(const std::string& sql) const {
  const auto rows = Sql(sql);
  if (!rows.ok()) {
    std::cerr << "test SQL failed: " << rows.status() << "\n";
    std::abort();
  }
  return rows->empty() || rows->front().empty() ? "" : rows->front().front();
}

}  // namespace custodian::testing

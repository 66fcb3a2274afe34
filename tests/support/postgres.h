// Real PostgreSQL for tests: databases as a cell has them, provisioned and migrated, made from a template in a few milliseconds and
// dropped afterwards. The server is named by the environment variable CUSTODIAN_TEST_POSTGRES (a libpq connection string of a
// superuser, set by tests/run); without it a test fails. Thread-safe.
#ifndef CUSTODIAN_TESTS_SUPPORT_POSTGRES_H_
#define CUSTODIAN_TESTS_SUPPORT_POSTGRES_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tenants/database.h"

namespace custodian::testing {

inline constexpr std::string_view kTestTenant = "00000000000000aa";

// The superuser of CUSTODIAN_TEST_POSTGRES on its maintenance database; FailedPrecondition "run tests/run" when it is not set.
[[nodiscard]] absl::StatusOr<tenants::ConnectionSpec> TestSuperuser();

// Runs SQL under `spec`, each call in a session of its own and outside of a transaction; rows as text, NULL as "".
[[nodiscard]] absl::StatusOr<std::vector<std::vector<std::string>>> RunSql(const tenants::ConnectionSpec& spec, const std::string& sql);

class TestDatabase {
 public:
  // A database with the migrations of `set` ("tenant", "keys" or "network") applied for `tenant` ("network" for that set).
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<TestDatabase>> Create(std::string_view set = "tenant",
                                                                            std::string_view tenant = kTestTenant);
  // Drops it, whoever is connected.
  ~TestDatabase();
  TestDatabase(const TestDatabase&) = delete;
  TestDatabase& operator=(const TestDatabase&) = delete;

  // A pool of eight connections under the login role.
  [[nodiscard]] const tenants::Database& database() const { return *database_; }
  [[nodiscard]] const tenants::ConnectionSpec& login() const { return login_; }
  [[nodiscard]] const tenants::ConnectionSpec& migrator() const { return migrator_; }
  [[nodiscard]] const tenants::ConnectionSpec& superuser() const { return superuser_; }

  // As superuser.
  [[nodiscard]] absl::StatusOr<std::vector<std::vector<std::string>>> Sql(const std::string& sql) const { return RunSql(superuser_, sql); }
  // The first field of the first row; "" when there is no row. Fails the process when the SQL fails: the test is wrong then.
  [[nodiscard]] std::string One(const std::string& sql) const;

 private:
  TestDatabase() = default;

  tenants::ConnectionSpec login_;
  tenants::ConnectionSpec migrator_;
  tenants::ConnectionSpec superuser_;
  std::unique_ptr<tenants::Database> database_;
};

}  // namespace custodian::testing

#endif  // CUSTODIAN_TESTS_SUPPORT_POSTGRES_H_

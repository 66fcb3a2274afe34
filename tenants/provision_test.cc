#include "tenants/provision.h"

#include "fmt/format.h"
#include "gtest/gtest.h"
#include "tenants/ids.h"
#include "tenants/migrate.h"
#include "tests/support/postgres.h"

namespace custodian::tenants {
namespace {

using testing::RunSql;

class ProvisionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto superuser = testing::TestSuperuser();
    ASSERT_TRUE(superuser.ok()) << superuser.status();
    superuser_ = *superuser;
    auditor_ = "test_auditor_" + HexEncode(RandomBytes(6));
    provisioner_ = std::make_unique<Provisioner>(superuser_, auditor_);
    auto auditor = provisioner_->ProvisionAuditor();
    ASSERT_TRUE(auditor.ok()) << auditor.status();
    auditor_login_ = *auditor;
  }

  void TearDown() override {
    for (const ProvisionedDatabase& made : made_) {
      EXPECT_TRUE(RunSql(superuser_, fmt::format("DROP DATABASE IF EXISTS {} WITH (FORCE)", made.database)).ok());
      for (const auto& role : {made.login.name, made.migrator.name, made.owner}) {
        EXPECT_TRUE(RunSql(superuser_, fmt::format("DROP ROLE IF EXISTS {}", role)).ok());
      }
    }
    EXPECT_TRUE(RunSql(superuser_, fmt::format("DROP ROLE IF EXISTS {}", auditor_)).ok());
  }

  ProvisionedDatabase Provision(const std::string& name) {
    auto made = provisioner_->ProvisionDatabase(name);
    EXPECT_TRUE(made.ok()) << made.status();
    made_.push_back(*made);
    return *made;
  }

  ConnectionSpec As(const LoginRole& role, const std::string& database) const {
    ConnectionSpec spec = superuser_;
    spec.database = database;
    spec.user = role.name;
    spec.password = role.password;
    return spec;
  }

  absl::Status CanConnect(const LoginRole& role, const std::string& database) const {
    const Database pool(As(role, database), 1);
    return pool.Read([](ReadTransaction&) { return absl::OkStatus(); });
  }

  ConnectionSpec superuser_;
  std::string auditor_;
  LoginRole auditor_login_;
  std::unique_ptr<Provisioner> provisioner_;
  std::vector<ProvisionedDatabase> made_;
};

TEST_F(ProvisionTest, NamesAreOpaque) {
  EXPECT_NE(NewRecordDatabaseName(), NewRecordDatabaseName());
  EXPECT_EQ(NewRecordDatabaseName().size(), 18u);
  EXPECT_EQ(NewKeyDatabaseName().substr(0, 2), "k_");
}

TEST_F(ProvisionTest, TenantsCannotReachEachOther) {
  const ProvisionedDatabase a = Provision(NewRecordDatabaseName());
  const ProvisionedDatabase b = Provision(NewRecordDatabaseName());
  EXPECT_TRUE(CanConnect(a.login, a.database).ok());
  EXPECT_TRUE(CanConnect(b.login, b.database).ok());
  EXPECT_TRUE(absl::IsPermissionDenied(CanConnect(a.login, b.database)));
  EXPECT_TRUE(absl::IsPermissionDenied(CanConnect(b.login, a.database)));
  EXPECT_TRUE(absl::IsPermissionDenied(CanConnect(a.migrator, b.database)));
  EXPECT_TRUE(CanConnect(auditor_login_, a.database).ok());
  EXPECT_TRUE(absl::IsPermissionDenied(CanConnect({a.owner, ""}, a.database)));
}

TEST_F(ProvisionTest, MigratedTablesGiveEachRoleItsRightsOnly) {
  const ProvisionedDatabase made = Provision(NewRecordDatabaseName());
  const Database as_migrator(As(made.migrator, made.database), 1);
  const auto applied = Migrate(as_migrator, "tenant", testing::kTestTenant);
  ASSERT_TRUE(applied.ok()) << applied.status();
  ASSERT_FALSE(applied->empty());
  EXPECT_EQ(applied->front(), "tenant/001_ledger.sql");

  const ConnectionSpec login = As(made.login, made.database);
  EXPECT_TRUE(RunSql(login, "INSERT INTO ledger.outbox (kind) VALUES ('x')").ok());
  EXPECT_TRUE(RunSql(login, "DELETE FROM ledger.outbox").ok());
  EXPECT_FALSE(RunSql(login, "CREATE TABLE ledger.more (a int)").ok());
  EXPECT_FALSE(RunSql(login, "CREATE TABLE public.more (a int)").ok());
  EXPECT_FALSE(RunSql(login, "CREATE TEMPORARY TABLE more (a int)").ok());
  EXPECT_FALSE(RunSql(login, "CREATE SCHEMA more").ok());
  EXPECT_FALSE(RunSql(login, "TRUNCATE ledger.batch").ok());
  const ConnectionSpec auditor = As(auditor_login_, made.database);
  EXPECT_TRUE(RunSql(auditor, "SELECT size FROM ledger.head").ok());
  EXPECT_FALSE(RunSql(auditor, "UPDATE ledger.head SET size = 1").ok());
}

TEST_F(ProvisionTest, AgainFinishesWhatACrashLeft) {
  const std::string name = NewRecordDatabaseName();
  // As after a crash between the owner role and the database.
  ASSERT_TRUE(RunSql(superuser_, fmt::format("CREATE ROLE {} NOLOGIN", OwnerRoleOf(name))).ok());
  const ProvisionedDatabase first = Provision(name);
  EXPECT_TRUE(CanConnect(first.login, name).ok());
  const auto second = provisioner_->ProvisionDatabase(name);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_NE(first.login.password, second->login.password);
  EXPECT_TRUE(CanConnect(second->login, name).ok());
}

TEST_F(ProvisionTest, PasswordsAreStoredAsTheVerifierOfThisPassword) {
  const ProvisionedDatabase made = Provision(NewRecordDatabaseName());
  const auto rows = RunSql(superuser_, fmt::format("SELECT rolpassword FROM pg_catalog.pg_authid WHERE rolname = '{}'", made.login.name));
  ASSERT_TRUE(rows.ok()) << rows.status();
  const std::string stored = rows->front().front();
  EXPECT_EQ(stored.substr(0, 19), "SCRAM-SHA-256$4096:");
  EXPECT_EQ(stored.find(made.login.password), std::string::npos);
}

TEST(ScramVerifier, EqualsWhatTheServerDerives) {
  // The server's own derivation, by CREATE ROLE with a clear password.
  const auto superuser = testing::TestSuperuser();
  ASSERT_TRUE(superuser.ok()) << superuser.status();
  const std::string role = "test_scram_" + HexEncode(RandomBytes(6));
  ASSERT_TRUE(RunSql(*superuser, fmt::format("SET password_encryption = 'scram-sha-256'; CREATE ROLE {} PASSWORD 'pencil'", role)).ok());
  const auto rows = RunSql(
      *superuser, fmt::format("SELECT rolpassword, encode(decode(split_part(split_part(rolpassword, ':', 2), '$', 1), 'base64'), 'hex') "
                              "FROM pg_catalog.pg_authid WHERE rolname = '{}'", role));
  ASSERT_TRUE(RunSql(*superuser, fmt::format("DROP ROLE {}", role)).ok());
  ASSERT_TRUE(rows.ok()) << rows.status();
  const auto salt = HexDecode(rows->front()[1]);
  ASSERT_TRUE(salt.ok());
  const auto verifier = ScramVerifier("pencil", *salt);
  ASSERT_TRUE(verifier.ok());
  EXPECT_EQ(*verifier, rows->front()[0]);
}

TEST_F(ProvisionTest, MalformedNamesAreRefused) {
  EXPECT_TRUE(absl::IsInvalidArgument(provisioner_->ProvisionDatabase("t; drop").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(provisioner_->ProvisionDatabase("").status()));
}

}  // namespace
}  // namespace custodian::tenants

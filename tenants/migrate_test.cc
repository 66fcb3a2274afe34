#include "tenants/migrate.h"

#include <vector>

#include "gtest/gtest.h"
#include "tests/support/postgres.h"

namespace custodian::tenants {
namespace {

using testing::TestDatabase;

class MigrateTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto made = TestDatabase::Create();
    ASSERT_TRUE(made.ok()) << made.status();
    test_ = *std::move(made);
    as_migrator_ = std::make_unique<Database>(test_->migrator(), 1);
  }

  std::unique_ptr<TestDatabase> test_;
  std::unique_ptr<Database> as_migrator_;
};

TEST_F(MigrateTest, AgainAppliesNothing) {
  const auto applied = Migrate(*as_migrator_, "tenant", testing::kTestTenant);
  ASSERT_TRUE(applied.ok()) << applied.status();
  EXPECT_TRUE(applied->empty());
}

TEST_F(MigrateTest, AppliesInOrderAndReplacesTheTenant) {
  const std::vector<Migration> files = {{"test/1.sql", "CREATE SCHEMA extra; CREATE TABLE extra.a (t text DEFAULT '{{tenant}}')"},
                                        {"test/2.sql", "INSERT INTO extra.a DEFAULT VALUES"}};
  const auto applied = MigrateWith(*as_migrator_, files, testing::kTestTenant);
  ASSERT_TRUE(applied.ok()) << applied.status();
  EXPECT_EQ(*applied, (std::vector<std::string>{"test/1.sql", "test/2.sql"}));
  EXPECT_EQ(test_->One("SELECT t FROM extra.a"), testing::kTestTenant);
}

TEST_F(MigrateTest, ChangedFileIsRefused) {
  ASSERT_TRUE(MigrateWith(*as_migrator_, std::vector<Migration>{{"test/1.sql", "CREATE SCHEMA extra"}}, "a").ok());
  const auto changed = MigrateWith(*as_migrator_, std::vector<Migration>{{"test/1.sql", "CREATE SCHEMA extra "}}, "a");
  EXPECT_TRUE(absl::IsFailedPrecondition(changed.status())) << changed.status();
}

TEST_F(MigrateTest, FailingFileLeavesNothingOfItself) {
  const std::vector<Migration> files = {{"test/1.sql", "CREATE SCHEMA extra"}, {"test/2.sql", "CREATE SCHEMA more; SELECT 1 / 0"}};
  const auto applied = MigrateWith(*as_migrator_, files, "a");
  EXPECT_TRUE(absl::IsInternal(applied.status())) << applied.status();
  EXPECT_NE(applied.status().message().find("test/2.sql"), absl::string_view::npos);
  EXPECT_EQ(test_->One("SELECT count(*) FROM pg_namespace WHERE nspname = 'more'"), "0");
  EXPECT_EQ(test_->One("SELECT count(*) FROM pg_namespace WHERE nspname = 'extra'"), "1");
  // Mended: goes on where it stopped.
  const std::vector<Migration> mended = {files[0], {"test/2.sql", "CREATE SCHEMA more"}};
  const auto rest = MigrateWith(*as_migrator_, mended, "a");
  ASSERT_TRUE(rest.ok()) << rest.status();
  EXPECT_EQ(*rest, std::vector<std::string>{"test/2.sql"});
}

TEST_F(MigrateTest, EachTableOfATenantHasItsTenant) {
  for (const char* set : {"tenant", "keys"}) {
    auto made = TestDatabase::Create(set);
    ASSERT_TRUE(made.ok()) << made.status();
    EXPECT_EQ((*made)->One("SELECT coalesce(string_agg(n.nspname || '.' || c.relname, ' '), '') FROM pg_class c "
                           "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') AND n.nspname NOT LIKE 'pg\\_%' "
                           "AND n.nspname <> 'information_schema' AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conrelid = c.oid "
                           "AND k.contype = 'c' AND pg_get_constraintdef(k.oid) LIKE '%tenant = ''" +
                           std::string(testing::kTestTenant) + "''%')"),
              "");
  }
}

TEST_F(MigrateTest, NetworkHasItsOwnLedger) {
  auto made = TestDatabase::Create("network", "network");
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ((*made)->One("SELECT size FROM ledger.head"), "0");
  EXPECT_EQ((*made)->One("SELECT count(*) FROM registry.tenant"), "0");
}

}  // namespace
}  // namespace custodian::tenants

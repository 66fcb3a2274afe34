#include "tenants/database.h"

#include <pqxx/pqxx>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "tenants/execute.h"
#include "tests/support/postgres.h"

namespace custodian::tenants {
namespace {

using testing::RunSql;
using testing::TestDatabase;

class DatabaseTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto made = TestDatabase::Create();
    ASSERT_TRUE(made.ok()) << made.status();
    test_ = *std::move(made);
  }

  absl::Status InsertConsentVersion(char id) const {
    return test_->database().Write([id](WriteTransaction& transaction) -> absl::Status {
      transaction.sql().exec_params("INSERT INTO ledger.consent_version (patient_id, version) VALUES ($1, 1)",
                                    pqxx::binarystring(std::string(16, id)));
      return absl::OkStatus();
    });
  }
  std::string CountVersions() const { return test_->One("SELECT count(*) FROM ledger.consent_version"); }

  std::unique_ptr<TestDatabase> test_;
};

TEST_F(DatabaseTest, WriteCommits) {
  EXPECT_TRUE(InsertConsentVersion('a').ok());
  EXPECT_EQ(CountVersions(), "1");
}

TEST_F(DatabaseTest, StatusFromTheBodyRollsBack) {
  const absl::Status status = test_->database().Write([](WriteTransaction& transaction) -> absl::Status {
    transaction.sql().exec_params("INSERT INTO ledger.consent_version (patient_id, version) VALUES ($1, 1)",
                                  pqxx::binarystring(std::string(16, 'a')));
    return absl::CancelledError("no");
  });
  EXPECT_TRUE(absl::IsCancelled(status));
  EXPECT_EQ(CountVersions(), "0");
}

TEST_F(DatabaseTest, UniqueViolationIsAlreadyExistsAndQuotesNoValue) {
  ASSERT_TRUE(InsertConsentVersion('a').ok());
  const absl::Status status = InsertConsentVersion('a');
  EXPECT_TRUE(absl::IsAlreadyExists(status)) << status;
  EXPECT_NE(status.message().find("consent_version_pkey"), absl::string_view::npos);
  EXPECT_EQ(status.message().find("6161"), absl::string_view::npos);
}

TEST_F(DatabaseTest, ReadCannotWrite) {
  const absl::Status status = test_->database().Read([](ReadTransaction& transaction) -> absl::Status {
    transaction.sql().exec("DELETE FROM ledger.outbox");
    return absl::OkStatus();
  });
  EXPECT_TRUE(absl::IsPermissionDenied(status)) << status;
}

TEST_F(DatabaseTest, ReadOneCannotWriteBeforeOrAfterAWrite) {
  for (int i = 0; i < 2; ++i) {
    const absl::Status status = test_->database().ReadOne([](ReadTransaction& transaction) -> absl::Status {
      transaction.sql().exec("DELETE FROM ledger.outbox");
      return absl::OkStatus();
    });
    EXPECT_TRUE(absl::IsPermissionDenied(status)) << status;
    EXPECT_TRUE(InsertConsentVersion(static_cast<char>('a' + i)).ok());
  }
  EXPECT_EQ(CountVersions(), "2");
}

TEST_F(DatabaseTest, AStatementIsPreparedOnceInASession) {
  const Database database(test_->login(), 1);
  for (int i = 0; i < 3; ++i) {
    const absl::Status status = database.ReadOne([i](ReadTransaction& transaction) -> absl::Status {
      EXPECT_EQ(Execute(transaction, "SELECT $1::bigint + 1", i).at(0)[0].as<int>(), i + 1);
      return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
  }
  const absl::Status status = database.ReadOne([](ReadTransaction& transaction) -> absl::Status {
    EXPECT_EQ(transaction.sql().exec1("SELECT count(*) FROM pg_catalog.pg_prepared_statements")[0].as<int>(), 1);
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
}

TEST_F(DatabaseTest, ReadSeesOneStateThroughout) {
  const absl::Status status = test_->database().Read([this](ReadTransaction& transaction) -> absl::Status {
    EXPECT_EQ(transaction.sql().exec1("SELECT count(*) FROM ledger.consent_version")[0].as<int>(), 0);
    EXPECT_TRUE(InsertConsentVersion('a').ok());
    EXPECT_EQ(transaction.sql().exec1("SELECT count(*) FROM ledger.consent_version")[0].as<int>(), 0);
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
}

TEST_F(DatabaseTest, SearchPathIsEmpty) {
  const absl::Status status = test_->database().Read([](ReadTransaction& transaction) -> absl::Status {
    EXPECT_EQ(transaction.sql().exec1("SHOW search_path")[0].as<std::string>(), "");
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
}

// A plan is made once a session, perhaps when a table is nearly empty.
TEST_F(DatabaseTest, StatementsArePlannedByKeysHoweverSmallATableIs) {
  const absl::Status status = test_->database().Read([](ReadTransaction& transaction) -> absl::Status {
    const pqxx::result plan = transaction.sql().exec("EXPLAIN SELECT version FROM ledger.consent_version WHERE patient_id = '\\x00'::bytea");
    EXPECT_EQ(plan.at(0)[0].as<std::string>().find("Seq Scan"), std::string::npos) << plan.at(0)[0].c_str();
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
}

TEST_F(DatabaseTest, SessionLostWhileIdleIsReplaced) {
  ASSERT_TRUE(InsertConsentVersion('a').ok());
  ASSERT_TRUE(test_->Sql("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()").ok());
  const absl::Status status = InsertConsentVersion('b');
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(CountVersions(), "2");
}

TEST_F(DatabaseTest, ReadOneOnASessionLostWhileIdleRunsOnAnother) {
  ASSERT_TRUE(InsertConsentVersion('a').ok());
  ASSERT_TRUE(test_->Sql("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()").ok());
  int versions = 0;
  const absl::Status status = test_->database().ReadOne([&versions](ReadTransaction& transaction) -> absl::Status {
    versions = Execute(transaction, "SELECT count(*) FROM ledger.consent_version").at(0)[0].as<int>();
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(versions, 1);
}

TEST_F(DatabaseTest, SessionLostInTheBodyIsUnavailableAndStoresNothing) {
  const absl::Status status = test_->database().Write([](WriteTransaction& transaction) -> absl::Status {
    transaction.sql().exec_params("INSERT INTO ledger.consent_version (patient_id, version) VALUES ($1, 1)",
                                  pqxx::binarystring(std::string(16, 'a')));
    transaction.sql().exec("SELECT pg_terminate_backend(pg_backend_pid())");
    return absl::OkStatus();
  });
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_EQ(CountVersions(), "0");
}

TEST_F(DatabaseTest, OneStatementCommitsByItselfAndIsInDoubtWhenTheSessionIsLost) {
  for (const bool write_one : {true, false}) {
    const Database database(test_->login(), {.write_one = write_one});
    const auto insert = [&database](const std::string& id) {
      return database.WriteOne([&id](WriteTransaction& transaction) -> absl::Status {
        Execute(transaction, "INSERT INTO ledger.consent_version (patient_id, version) VALUES ($1, 1)", pqxx::binarystring(std::string(16, id[0])));
        return absl::OkStatus();
      });
    };
    const std::string id = write_one ? "a" : "b";
    EXPECT_TRUE(insert(id).ok());
    EXPECT_TRUE(absl::IsAlreadyExists(insert(id)));
    EXPECT_EQ(CountVersions(), write_one ? "1" : "2");
    ASSERT_TRUE(test_->Sql("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()").ok());
    const absl::Status lost = insert("c");
    // Without the option the session is looked at before the statement is sent.
    EXPECT_EQ(lost.code(), write_one ? absl::StatusCode::kUnknown : absl::StatusCode::kOk) << lost;
    EXPECT_EQ(CountVersions(), write_one ? "1" : "3");
  }
}

TEST_F(DatabaseTest, UnreachableServerIsUnavailable) {
  ConnectionSpec spec = test_->login();
  spec.host = "/nonexistent";
  const Database database(spec, 1);
  EXPECT_TRUE(absl::IsUnavailable(database.Read([](ReadTransaction&) { return absl::OkStatus(); })));
}

TEST_F(DatabaseTest, NoMoreConnectionsThanAllowed) {
  const Database database(test_->login(), {.connections_max = 1, .wait = absl::Milliseconds(50)});
  const absl::Status outer = database.Read([&database](ReadTransaction&) -> absl::Status {
    const absl::Status inner = database.Read([](ReadTransaction&) { return absl::OkStatus(); });
    EXPECT_TRUE(absl::IsUnavailable(inner));
    EXPECT_NE(inner.message().find("retry after"), absl::string_view::npos);
    return absl::OkStatus();
  });
  EXPECT_TRUE(outer.ok()) << outer;
}

TEST_F(DatabaseTest, ManyThreadsShareAPool) {
  std::vector<std::thread> threads;
  std::atomic<int> failures = 0;
  for (int i = 0; i < 16; ++i) {
    threads.emplace_back([this, i, &failures] {
      if (!InsertConsentVersion(static_cast<char>('a' + i)).ok()) ++failures;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures, 0);
  EXPECT_EQ(CountVersions(), "16");
}

}  // namespace
}  // namespace custodian::tenants

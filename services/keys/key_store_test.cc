#include "services/keys/key_store.h"

#include <set>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "services/keys/cipher.h"
#include "tests/support/postgres.h"
#include "tests/support/softhsm.h"

namespace custodian::keys {
namespace {

using ::custodian::testing::SoftHsm;
using ::custodian::testing::TestDatabase;

constexpr SecretAccess kTest("test");

// A key store on a real token and a real database.
class KeyStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto softhsm = SoftHsm::Get();
    ASSERT_TRUE(softhsm.ok()) << softhsm.status();
    Pkcs11Token::Options options;
    options.module = softhsm->module;
    options.token_label = softhsm->token_label;
    options.pin = Secret(softhsm->pin);
    options.network = "test-" + HexEncode(RandomBytes(8));
    auto token = Pkcs11Token::Open(std::move(options));
    ASSERT_TRUE(token.ok()) << token.status();
    token_ = *std::move(token);
    ASSERT_TRUE(token_->CreateTenantKeys(tenant_, kFirstEpoch).ok());
    auto database = TestDatabase::Create("keys", tenant_.text());
    ASSERT_TRUE(database.ok()) << database.status();
    database_ = *std::move(database);
    store_ = NewStore(kPatientsPerShard);
    ASSERT_TRUE(store_->Prepare().ok());
  }

  [[nodiscard]] std::unique_ptr<KeyStore> NewStore(std::size_t patients_per_shard) const {
    return std::make_unique<KeyStore>(tenant_, std::make_unique<tenants::Database>(database_->login(), 4), *token_,
                                      patients_per_shard);
  }
  [[nodiscard]] std::string KeyOf(KeyStore& store, const PatientId& patient) const {
    const auto keys = store.Unwrap({&patient, 1});
    EXPECT_TRUE(keys.ok()) << keys.status();
    return keys.ok() ? std::string(keys->front().Read(kTest)) : "";
  }
  [[nodiscard]] static absl::StatusOr<std::vector<StoredKey>> Create(KeyStore& store, const PatientId& patient) {
    return store.CreatePatientKeys({&patient, 1});
  }
  [[nodiscard]] absl::StatusCode UnwrapCode(const PatientId& patient) const {
    return store_->Unwrap({&patient, 1}).status().code();
  }
  [[nodiscard]] std::string Shards() const { return database_->One("SELECT count(*) FROM keystore.shard"); }

  const TenantId tenant_ = TenantId::Parse(custodian::testing::kTestTenant).value();
  std::unique_ptr<Pkcs11Token> token_;
  std::unique_ptr<TestDatabase> database_;
  std::unique_ptr<KeyStore> store_;
};

TEST_F(KeyStoreTest, KeysAreDistinctAndSurviveARestart) {
  std::set<std::string> keys;
  std::vector<PatientId> patients;
  for (int i = 0; i < 5; ++i) {
    patients.push_back(PatientId::Random());
    ASSERT_TRUE(Create(*store_, patients.back()).ok());
    keys.insert(KeyOf(*store_, patients.back()));
  }
  EXPECT_EQ(keys.size(), 5u);
  store_ = NewStore(kPatientsPerShard);
  ASSERT_TRUE(store_->Prepare().ok());
  const auto again = store_->Unwrap(patients);
  ASSERT_TRUE(again.ok());
  for (const Secret& key : *again) EXPECT_TRUE(keys.contains(std::string(key.Read(kTest))));
  EXPECT_EQ(Shards(), "1");
}

TEST_F(KeyStoreTest, CreatingTwiceGivesTheSameKeyAndTheSameAnswer) {
  const PatientId patient = PatientId::Random();
  const auto first = Create(*store_, patient);
  ASSERT_TRUE(first.ok()) << first.status();
  const std::string key = KeyOf(*store_, patient);
  const auto second = Create(*store_, patient);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(KeyOf(*store_, patient), key);
  ASSERT_EQ(first->size(), 2u);
  ASSERT_EQ(second->size(), 2u);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ((*first)[i].what, (*second)[i].what);
    EXPECT_EQ((*first)[i].key_id, (*second)[i].key_id);
    EXPECT_EQ((*first)[i].wrapped_sha256, (*second)[i].wrapped_sha256);
  }
}

TEST_F(KeyStoreTest, NamesWhatIsStored) {
  const PatientId patient = PatientId::Random();
  const auto stored = Create(*store_, patient);
  ASSERT_TRUE(stored.ok());
  const auto hash = [](const StoredKey& key) { return HexEncode(ledger::AsBytes(key.wrapped_sha256)); };
  EXPECT_EQ((*stored)[0].what, "shard");
  EXPECT_EQ(HexEncode((*stored)[0].key_id), database_->One("SELECT encode(key_id, 'hex') FROM keystore.shard"));
  EXPECT_EQ(hash((*stored)[0]), database_->One("SELECT encode(sha256(wrapped), 'hex') FROM keystore.shard"));
  EXPECT_EQ((*stored)[1].what, "patient");
  EXPECT_EQ((*stored)[1].key_id, patient.bytes());
  EXPECT_EQ((*stored)[1].shard_id, (*stored)[0].key_id);
  EXPECT_EQ((*stored)[1].epoch, 1u);
  EXPECT_EQ(hash((*stored)[1]), database_->One("SELECT encode(sha256(wrapped), 'hex') FROM keystore.patient_key"));
}

TEST_F(KeyStoreTest, APatientWithoutAKeyGetsNone) {
  const PatientId known = PatientId::Random();
  ASSERT_TRUE(Create(*store_, known).ok());
  const std::vector<PatientId> asked{PatientId::Random(), known};
  const auto keys = store_->Unwrap(asked);
  ASSERT_TRUE(keys.ok());
  EXPECT_EQ((*keys)[0].size(), 0u);
  EXPECT_EQ((*keys)[1].size(), 32u);
}

TEST_F(KeyStoreTest, AFullShardIsFollowedByAnother) {
  const auto store = NewStore(/*patients_per_shard=*/3);
  std::set<std::string> shards;
  for (int i = 0; i < 7; ++i) {
    const auto stored = Create(*store, PatientId::Random());
    ASSERT_TRUE(stored.ok()) << stored.status();
    shards.insert(stored->front().key_id);
  }
  EXPECT_EQ(shards.size(), 3u);
  EXPECT_EQ(Shards(), "3");
}

TEST_F(KeyStoreTest, ManyPatientsAtOnceFillShardsAndKeepWhatTheyHave) {
  const auto store = NewStore(/*patients_per_shard=*/3);
  std::vector<PatientId> patients;
  for (int i = 0; i < 7; ++i) patients.push_back(PatientId::Random());
  ASSERT_TRUE(Create(*store, patients[3]).ok());
  const std::string kept = KeyOf(*store, patients[3]);
  const auto stored = store->CreatePatientKeys(patients);
  ASSERT_TRUE(stored.ok()) << stored.status();
  ASSERT_EQ(stored->size(), 3u + 7u);
  std::set<std::string> shards;
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ((*stored)[i].what, "shard");
    shards.insert((*stored)[i].key_id);
  }
  std::set<std::string> keys;
  for (std::size_t i = 0; i < 7; ++i) {
    EXPECT_EQ((*stored)[3 + i].key_id, patients[i].bytes());
    EXPECT_TRUE(shards.contains((*stored)[3 + i].shard_id));
    keys.insert(KeyOf(*store, patients[i]));
  }
  EXPECT_EQ(shards.size(), 3u);
  EXPECT_EQ(keys.size(), 7u);
  EXPECT_EQ(KeyOf(*store, patients[3]), kept);
  EXPECT_EQ(Shards(), "3");
}

TEST_F(KeyStoreTest, ManyThreadsOverfillNoShard) {
  const auto store = NewStore(/*patients_per_shard=*/4);
  std::vector<std::thread> threads;
  std::vector<int> made(5);
  for (int& count : made) {
    threads.emplace_back([&] {
      for (int i = 0; i < 4; ++i) {
        const PatientId patient = PatientId::Random();
        auto stored = Create(*store, patient);
        // "The key store is busy: retry", as callers do, with the same patient.
        while (absl::IsUnavailable(stored.status())) stored = Create(*store, patient);
        count += stored.ok() ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(made, std::vector<int>(5, 4));
  EXPECT_EQ(
      database_->One("SELECT max(patients) FROM (SELECT count(*) AS patients FROM keystore.patient_key GROUP BY shard_id) s"),
      "4");
  EXPECT_EQ(database_->One("SELECT count(*) FROM keystore.patient_key"), "20");
}

TEST_F(KeyStoreTest, OnePatientAskedForByManyThreadsHasOneKey) {
  const PatientId patient = PatientId::Random();
  std::vector<std::thread> threads;
  std::vector<std::string> hashes(5);
  for (std::string& hash : hashes) {
    threads.emplace_back([&] {
      const auto stored = Create(*store_, patient);
      if (stored.ok()) hash = HexEncode(ledger::AsBytes(stored->back().wrapped_sha256));
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::string& hash : hashes) EXPECT_EQ(hash, hashes[0]);
  EXPECT_EQ(hashes[0].size(), 64u);
}

TEST_F(KeyStoreTest, RefusesAnAlteredPatientKey) {
  const PatientId patient = PatientId::Random();
  ASSERT_TRUE(Create(*store_, patient).ok());
  for (int byte = 0; byte < 60; ++byte) {
    const std::string flip = "UPDATE keystore.patient_key SET wrapped = set_byte(wrapped, " + std::to_string(byte) +
                             ", get_byte(wrapped, " + std::to_string(byte) + ") # 1)";
    ASSERT_TRUE(database_->Sql(flip).ok());
    EXPECT_EQ(UnwrapCode(patient), absl::StatusCode::kDataLoss) << "byte " << byte;
    if (byte == 0) {
      EXPECT_TRUE(absl::IsDataLoss(Create(*store_, patient).status())) << "an altered key is not vouched for";
    }
    ASSERT_TRUE(database_->Sql(flip).ok());
  }
  EXPECT_EQ(UnwrapCode(patient), absl::StatusCode::kOk);
}

TEST_F(KeyStoreTest, RefusesAnAlteredShardSecret) {
  const PatientId patient = PatientId::Random();
  ASSERT_TRUE(Create(*store_, patient).ok());
  const std::string flip = "UPDATE keystore.shard SET wrapped = set_byte(wrapped, 30, get_byte(wrapped, 30) # 4)";
  ASSERT_TRUE(database_->Sql(flip).ok());
  EXPECT_EQ(UnwrapCode(patient), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(absl::IsDataLoss(Create(*store_, patient).status()));
  EXPECT_TRUE(absl::IsDataLoss(Create(*store_, PatientId::Random()).status()))
      << "no new patient joins an altered shard";
  ASSERT_TRUE(database_->Sql(flip).ok());
  EXPECT_EQ(UnwrapCode(patient), absl::StatusCode::kOk);
}

TEST_F(KeyStoreTest, RefusesKeysOfOthers) {
  const PatientId first = PatientId::Random();
  const PatientId second = PatientId::Random();
  ASSERT_TRUE(Create(*store_, first).ok());
  ASSERT_TRUE(Create(*store_, second).ok());
  ASSERT_TRUE(database_
                  ->Sql("UPDATE keystore.patient_key p SET wrapped = other.wrapped FROM keystore.patient_key other "
                        "WHERE other.patient_id <> p.patient_id")
                  .ok());
  EXPECT_EQ(UnwrapCode(first), absl::StatusCode::kDataLoss);
  EXPECT_EQ(UnwrapCode(second), absl::StatusCode::kDataLoss);
  // Another tenant's database beside this one refuses the rows themselves.
  EXPECT_FALSE(database_->Sql("UPDATE keystore.patient_key SET tenant = '00000000000000bb'").ok());
}

TEST_F(KeyStoreTest, AKeyThatCannotBeStoredIsNotGivenOut) {
  ASSERT_TRUE(
      database_
          ->Sql("CREATE FUNCTION keystore.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$")
          .ok());
  ASSERT_TRUE(
      database_
          ->Sql("CREATE TRIGGER refuse BEFORE INSERT ON keystore.patient_key FOR EACH ROW EXECUTE FUNCTION keystore.refuse()")
          .ok());
  const PatientId patient = PatientId::Random();
  EXPECT_FALSE(Create(*store_, patient).ok());
  EXPECT_EQ(store_->Unwrap({&patient, 1})->front().size(), 0u);
  ASSERT_TRUE(database_->Sql("DROP TRIGGER refuse ON keystore.patient_key").ok());
  EXPECT_TRUE(Create(*store_, patient).ok());
}

}  // namespace
}  // namespace custodian::keys

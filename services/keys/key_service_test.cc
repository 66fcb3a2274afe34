#include "services/keys/key_service.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "ledger/signature.h"
#include "services/keys/key_server.h"
#include "services/keys/signing_states.h"
#include "services/keys/state_file.h"
#include "tests/support/keys/key_process.h"
#include "tests/support/temporary_directory.h"

namespace custodian::keys {
namespace {

using ::custodian::testing::KeyProcess;
using ::custodian::testing::TemporaryDirectory;

constexpr SecretAccess kTest("test");

ledger::Hash RootNumber(std::uint64_t number) { return ledger::Sha256("root " + std::to_string(number)); }

// Over the wire: every call goes through gRPC to a service of its own.
class KeyServiceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto process = KeyProcess::Create();
    ASSERT_TRUE(process.ok()) << process.status();
    process_ = *std::move(process);
  }

  [[nodiscard]] KeyClient& keys() { return process_->client(); }
  [[nodiscard]] absl::StatusCode Sign(std::uint64_t size, const ledger::Hash& root) {
    return keys().SignCheckpoint(origin_, size, root).status().code();
  }
  void Restart() {
    process_->Stop();
    ASSERT_TRUE(process_->Start().ok());
  }

  const TenantId tenant_ = TenantId::Parse(custodian::testing::kTestTenant).value();
  const std::string origin_ = "test.example/p/" + tenant_.text();
  std::unique_ptr<KeyProcess> process_;
};

TEST_F(KeyServiceTest, ATenantIsMadeOnceAndFoundAgain) {
  const auto key = process_->AddTenant(tenant_, origin_);
  ASSERT_TRUE(key.ok()) << key.status();
  EXPECT_EQ(key->size(), 32u);
  EXPECT_EQ(*process_->AddTenant(tenant_, origin_), *key);
  Restart();
  EXPECT_EQ(*process_->AddTenant(tenant_, origin_), *key);
  EXPECT_EQ(process_->AddTenant(tenant_, "test.example/p/other").status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(keys().CreateTenant(tenant_, origin_, {"test", "elsewhere"}).status().code(), absl::StatusCode::kFailedPrecondition);
  const auto status = keys().Status();
  ASSERT_TRUE(status.ok());
  EXPECT_TRUE(status->ready);
  EXPECT_TRUE(status->dark_tenants.empty());
}

TEST_F(KeyServiceTest, PatientKeysOutliveARestart) {
  ASSERT_TRUE(process_->AddTenant(tenant_, origin_).ok());
  const PatientId patient = PatientId::Random();
  const auto stored = keys().CreatePatientKey(tenant_, patient);
  ASSERT_TRUE(stored.ok()) << stored.status();
  ASSERT_EQ(stored->size(), 2u) << "a new patient's shard is named, too";
  const auto before = keys().UnwrapPatientKeys(tenant_, {&patient, 1}, "test");
  ASSERT_TRUE(before.ok()) << before.status();
  const std::string index_key(keys().IndexKey(tenant_)->Read(kTest));
  Restart();
  const auto after = keys().UnwrapPatientKeys(tenant_, {&patient, 1}, "test");
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_EQ(after->front().Read(kTest), before->front().Read(kTest));
  EXPECT_EQ(keys().IndexKey(tenant_)->Read(kTest), index_key);
  EXPECT_EQ(keys().CreatePatientKey(tenant_, patient)->size(), 2u);
}

TEST_F(KeyServiceTest, AStoppedProcessIsUnavailableAndFoundAgain) {
  ASSERT_TRUE(process_->AddTenant(tenant_, origin_).ok());
  process_->Stop();
  EXPECT_TRUE(absl::IsUnavailable(keys().IndexKey(tenant_).status()));
  ASSERT_TRUE(process_->Start().ok());
  bool found = false;
  for (int i = 0; i < 100 && !found; ++i) {
    found = keys().IndexKey(tenant_).ok();
    if (!found) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  EXPECT_TRUE(found);
}

TEST_F(KeyServiceTest, SignsCheckpointsThatVerify) {
  const auto key = process_->AddTenant(tenant_, origin_);
  ASSERT_TRUE(key.ok());
  const auto signature = keys().SignCheckpoint(origin_, 7, RootNumber(7));
  ASSERT_TRUE(signature.ok()) << signature.status();
  const auto verifier = ledger::NoteVerifier::Create(origin_, ledger::kNoteEd25519, *key);
  ASSERT_TRUE(verifier.ok());
  ledger::Note note{ledger::Checkpoint{origin_, 7, RootNumber(7)}.Serialize(), {ledger::LogSignature(*verifier, *signature)}};
  EXPECT_TRUE(ledger::OpenCheckpoint(note, *verifier).ok());
  note.text = ledger::Checkpoint{origin_, 8, RootNumber(7)}.Serialize();
  EXPECT_FALSE(ledger::OpenCheckpoint(note, *verifier).ok());
}

TEST_F(KeyServiceTest, NeverSignsASmallerSizeOrAnotherRootAlsoAfterARestart) {
  ASSERT_TRUE(process_->AddTenant(tenant_, origin_).ok());
  EXPECT_EQ(Sign(10, RootNumber(10)), absl::StatusCode::kOk);
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(Sign(10, RootNumber(10)), absl::StatusCode::kOk) << "the same again is allowed";
    EXPECT_EQ(Sign(10, RootNumber(11)), absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(Sign(9, RootNumber(9)), absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(Sign(0, ledger::EmptyRoot()), absl::StatusCode::kFailedPrecondition);
    Restart();
  }
  EXPECT_EQ(Sign(11, RootNumber(11)), absl::StatusCode::kOk);
  EXPECT_EQ(Sign(10, RootNumber(10)), absl::StatusCode::kFailedPrecondition);
}

TEST_F(KeyServiceTest, ThreadsCannotMakeItSignTwoRootsForASize) {
  ASSERT_TRUE(process_->AddTenant(tenant_, origin_).ok());
  std::vector<std::thread> threads;
  std::vector<int> signed_by(6);
  for (std::size_t t = 0; t < signed_by.size(); ++t) {
    threads.emplace_back([&, t] {
      for (std::uint64_t size = 1; size <= 10; ++size) {
        if (keys().SignCheckpoint(origin_, size, ledger::Sha256(std::to_string(size) + "/" + std::to_string(t))).ok())
          signed_by[t] |= 1 << size;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  int all = 0;
  for (const int sizes : signed_by) {
    EXPECT_EQ(all & sizes, 0);
    all |= sizes;
  }
  EXPECT_NE(all, 0);
}

TEST_F(KeyServiceTest, ALostOrDamagedSigningStateSignsNothing) {
  ASSERT_TRUE(process_->AddTenant(tenant_, origin_).ok());
  ASSERT_EQ(Sign(10, RootNumber(10)), absl::StatusCode::kOk);
  std::string file;
  for (const auto& entry : std::filesystem::directory_iterator(process_->state_directory())) {
    if (entry.path().filename().string().starts_with("log-")) file = entry.path().string();
  }
  const std::string kept = *ReadStateFile(file);
  EXPECT_EQ(kept, (ledger::Checkpoint{origin_, 10, RootNumber(10)}.Serialize()));
  std::ofstream(file) << "damaged";
  EXPECT_EQ(Sign(11, RootNumber(11)), absl::StatusCode::kDataLoss);
  std::filesystem::remove(file);
  EXPECT_EQ(Sign(11, RootNumber(11)), absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(WriteStateFile(file, kept).ok());
  EXPECT_EQ(Sign(11, RootNumber(11)), absl::StatusCode::kOk);
}

TEST_F(KeyServiceTest, AStateThatCannotBeWrittenSignsNothing) {
  ASSERT_TRUE(process_->AddTenant(tenant_, origin_).ok());
  for (const auto& entry : std::filesystem::directory_iterator(process_->state_directory())) {
    // What the new state would be written to.
    if (entry.path().filename().string().starts_with("log-")) std::filesystem::create_directory(entry.path().string() + ".new");
  }
  EXPECT_NE(Sign(10, RootNumber(10)), absl::StatusCode::kOk);
  for (const auto& entry : std::filesystem::directory_iterator(process_->state_directory())) {
    if (entry.is_directory()) std::filesystem::remove(entry.path());
  }
  EXPECT_EQ(Sign(9, RootNumber(9)), absl::StatusCode::kOk) << "10 was refused, so it binds nothing";
}

TEST_F(KeyServiceTest, ALogWithoutATenantHasAKeyOfItsOwn) {
  const auto key = keys().CreateLogKey("test.example/p/governance");
  ASSERT_TRUE(key.ok()) << key.status();
  EXPECT_EQ(*keys().CreateLogKey("test.example/p/governance"), *key);
  EXPECT_TRUE(keys().SignCheckpoint("test.example/p/governance", 1, RootNumber(1)).ok());
  EXPECT_TRUE(absl::IsNotFound(keys().SignCheckpoint("test.example/p/nobody", 1, RootNumber(1)).status()));
}

TEST_F(KeyServiceTest, LocatorTokensMeetAcrossTenants) {
  const TenantId other = TenantId::Parse("00000000000000bb").value();
  ASSERT_TRUE(process_->AddTenant(tenant_, origin_).ok());
  ASSERT_TRUE(process_->AddTenant(other, "test.example/p/other").ok());
  const std::vector<std::string> values{"one", "two"};
  const auto tokens = keys().LocatorTokens(tenant_, values);
  ASSERT_TRUE(tokens.ok()) << tokens.status();
  EXPECT_NE(tokens->front(), tokens->back());
  EXPECT_EQ(*keys().LocatorTokens(other, values), *tokens);
  // Some were asked for before.
  const auto more = keys().LocatorTokens(tenant_, std::vector<std::string>{"two", "three", "one"});
  ASSERT_TRUE(more.ok()) << more.status();
  EXPECT_EQ(more->front(), tokens->back());
  EXPECT_EQ(more->back(), tokens->front());
  EXPECT_NE((*more)[1], tokens->front());
  EXPECT_NE((*more)[1], tokens->back());
  Restart();
  EXPECT_EQ(*keys().LocatorTokens(other, values), *tokens);
}

// As when the keys of many patients end together, and everybody who reads asks for one.
TEST_F(KeyServiceTest, MoreAskersThanItHasThreadsWaitForTheirTurn) {
  ASSERT_TRUE(process_->AddTenant(tenant_, origin_).ok());
  std::vector<std::thread> threads;
  std::vector<absl::Status> said(200);
  for (std::size_t t = 0; t < said.size(); ++t) {
    threads.emplace_back([&, t] { said[t] = keys().LocatorTokens(tenant_, std::vector<std::string>{"value " + std::to_string(t)}).status(); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const absl::Status& status : said) EXPECT_TRUE(status.ok()) << status;
}

TEST_F(KeyServiceTest, ChecksEveryLimit) {
  ASSERT_TRUE(process_->AddTenant(tenant_, origin_).ok());
  const PatientId patient = PatientId::Random();
  const std::vector<PatientId> too_many(65, patient);
  const auto code = [](const auto& answer) { return answer.status().code(); };
  EXPECT_EQ(code(keys().UnwrapPatientKeys(tenant_, too_many, "test")), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(keys().UnwrapPatientKeys(tenant_, {}, "test")), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(keys().UnwrapPatientKeys(tenant_, {&patient, 1}, "")), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(keys().UnwrapPatientKeys(tenant_, {&patient, 1}, "test")), absl::StatusCode::kNotFound);
  EXPECT_EQ(code(keys().LocatorTokens(tenant_, std::vector<std::string>(257, "v"))), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(keys().LocatorTokens(tenant_, std::vector<std::string>{std::string(513, 'v')})),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(keys().SignCheckpoint(origin_, 0, RootNumber(0))), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(keys().CreateLogKey("two\nlines")), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(keys().CreateLogKey("")), absl::StatusCode::kInvalidArgument);
  const TenantId stranger = TenantId::Random();
  EXPECT_EQ(code(keys().IndexKey(stranger)), absl::StatusCode::kNotFound);
  EXPECT_EQ(code(keys().CreatePatientKey(stranger, patient)), absl::StatusCode::kNotFound);
  EXPECT_EQ(code(keys().LocatorTokens(stranger, std::vector<std::string>{"v"})), absl::StatusCode::kNotFound);
}

TEST_F(KeyServiceTest, TwoProcessesCannotShareAStateDirectory) {
  const auto second = KeyService::Create(process_->token(), process_->state_directory(),
                                         [](const KeyPlacement&) { return absl::NotFoundError("unused"); });
  EXPECT_TRUE(absl::IsFailedPrecondition(second.status()));
}

TEST_F(KeyServiceTest, TheSocketIsForTheSystemUserAlone) {
  const TemporaryDirectory directory;
  const std::string path = directory.Join("run/keys.sock");
  const auto server = KeyServer::Start(path, keys(), process_->wrapped_keys());
  ASSERT_TRUE(server.ok()) << server.status();
  struct stat info {};
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  ASSERT_EQ(stat(directory.Join("run").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
  EXPECT_EQ(KeyServer::Start(path, keys(), process_->wrapped_keys()).status().code(), absl::StatusCode::kAlreadyExists);
  std::filesystem::create_directory(directory.Join("open"));
  chmod(directory.Join("open").c_str(), 0755);
  EXPECT_EQ(KeyServer::Start(directory.Join("open/keys.sock"), keys(), process_->wrapped_keys()).status().code(), absl::StatusCode::kPermissionDenied);
}

TEST_F(KeyServiceTest, WrappedKeysAreHandedOverAsStoredAndThoseOfOtherTenantsAreNot) {
  const TenantId other = TenantId::Parse("00000000000000bb").value();
  ASSERT_TRUE(process_->AddTenant(tenant_, origin_).ok());
  ASSERT_TRUE(process_->AddTenant(other, "test.example/p/other").ok());
  const PatientId patient = PatientId::Random();
  const auto stored = keys().CreatePatientKey(tenant_, patient);
  ASSERT_TRUE(stored.ok()) << stored.status();
  std::vector<KeyName> names;
  for (const StoredKey& key : *stored) names.push_back({key.what, key.key_id});
  names.push_back({"shard", patient.bytes()});
  const auto wrapped = process_->wrapped_keys().ReadWrapped(tenant_, names);
  ASSERT_TRUE(wrapped.ok()) << wrapped.status();
  ASSERT_EQ(wrapped->size(), stored->size() + 1);
  for (std::size_t i = 0; i < stored->size(); ++i) EXPECT_EQ(ledger::Sha256((*wrapped)[i]), (*stored)[i].wrapped_sha256);
  // A patient's key is no shard's.
  EXPECT_EQ(wrapped->back(), "");
  const auto others = process_->wrapped_keys().ReadWrapped(other, names);
  ASSERT_TRUE(others.ok());
  EXPECT_EQ(*others, std::vector<std::string>(names.size()));
  EXPECT_TRUE(absl::IsInvalidArgument(process_->wrapped_keys().ReadWrapped(tenant_, {}).status()));
}

TEST_F(KeyServiceTest, ATenantWhoseStoreIsGoneIsDarkAloneAndNamed) {
  const TenantId other = TenantId::Parse("00000000000000bb").value();
  ASSERT_TRUE(process_->AddTenant(tenant_, origin_).ok());
  ASSERT_TRUE(process_->AddTenant(other, "test.example/p/other").ok());
  ASSERT_TRUE(process_->key_database(other).Sql("DROP SCHEMA keystore CASCADE").ok());
  const auto status = keys().Status();
  ASSERT_TRUE(status.ok());
  EXPECT_TRUE(status->ready);
  EXPECT_EQ(status->dark_tenants, std::vector<std::string>{other.text()});
  EXPECT_TRUE(keys().CreatePatientKey(tenant_, PatientId::Random()).ok());
}

}  // namespace
}  // namespace custodian::keys

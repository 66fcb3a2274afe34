#include "services/keys/sealer.h"

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/fake_clock.h"
#include "tests/support/keys/key_process.h"

namespace custodian::keys {
namespace {

using ::custodian::testing::FakeClock;
using ::custodian::testing::KeyProcess;

// Counts what goes to the key process, and passes it on.
class CountingKeys final : public KeyClient {
 public:
  explicit CountingKeys(KeyClient& keys) : keys_(keys) {}

  absl::StatusOr<std::string> CreateTenant(const TenantId& tenant, std::string_view origin,
                                           const KeyPlacement& placement) override {
    return keys_.CreateTenant(tenant, origin, placement);
  }
  absl::StatusOr<std::string> CreateLogKey(std::string_view origin) override { return keys_.CreateLogKey(origin); }
  absl::StatusOr<std::vector<StoredKey>> CreatePatientKeys(const TenantId& tenant, std::span<const PatientId> patients) override {
    return keys_.CreatePatientKeys(tenant, patients);
  }
  absl::StatusOr<std::vector<Secret>> UnwrapPatientKeys(const TenantId& tenant, std::span<const PatientId> patients,
                                                        std::string_view purpose) override {
    ++unwraps;
    return keys_.UnwrapPatientKeys(tenant, patients, purpose);
  }
  absl::StatusOr<std::vector<std::string>> LocatorTokens(const TenantId& tenant, std::span<const std::string> values) override {
    return keys_.LocatorTokens(tenant, values);
  }
  absl::StatusOr<Secret> IndexKey(const TenantId& tenant) override {
    ++index_keys;
    return keys_.IndexKey(tenant);
  }
  absl::StatusOr<std::string> SignCheckpoint(std::string_view origin, std::uint64_t size, const ledger::Hash& root) override {
    return keys_.SignCheckpoint(origin, size, root);
  }
  absl::StatusOr<KeyStatus> Status() override { return keys_.Status(); }

  int unwraps = 0;
  int index_keys = 0;

 private:
  KeyClient& keys_;
};

// One key process with two tenants for all tests of this file.
class SealerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(StartProcess());
    name_ = {tenant_, NewPatient(tenant_), RandomBytes(16), 1};
    keys_ = std::make_unique<CountingKeys>(process_->client());
    sealer_ = std::make_unique<Sealer>(*keys_, clock_);
  }
  static void TearDownTestSuite() {
    delete process_;
    process_ = nullptr;
  }

  // By the first test; not in SetUpTestSuite, whose failure would skip the tests.
  static void StartProcess() {
    if (process_ != nullptr) return;
    auto process = KeyProcess::Create();
    ASSERT_TRUE(process.ok()) << process.status();
    for (const TenantId& tenant : {tenant_, other_tenant_}) {
      const auto added = (*process)->AddTenant(tenant, "test.example/p/" + tenant.text());
      ASSERT_TRUE(added.ok()) << added.status();
    }
    process_ = std::move(*process).release();
  }

  static PatientId NewPatient(const TenantId& tenant) {
    const PatientId patient = PatientId::Random();
    const auto stored = process_->client().CreatePatientKey(tenant, patient);
    EXPECT_TRUE(stored.ok()) << stored.status();
    return patient;
  }

  static inline KeyProcess* process_ = nullptr;
  static inline const TenantId tenant_ = TenantId::Parse(custodian::testing::kTestTenant).value();
  static inline const TenantId other_tenant_ = TenantId::Parse("00000000000000bb").value();
  FakeClock clock_;
  std::unique_ptr<CountingKeys> keys_;
  std::unique_ptr<Sealer> sealer_;
  SealName name_;
};

TEST_F(SealerTest, OpensWhatItSealed) {
  for (const std::string& text : {std::string(), std::string("x"), std::string(100'000, 'r')}) {
    const auto sealed = sealer_->Seal(name_, text, "test");
    ASSERT_TRUE(sealed.ok()) << sealed.status();
    EXPECT_EQ(sealed->ciphertext.size(), 12 + text.size() + 16);
    EXPECT_EQ(sealed->sha256, ledger::Sha256(sealed->ciphertext));
    const auto opened = sealer_->Open(name_, sealed->ciphertext, "test");
    ASSERT_TRUE(opened.ok()) << opened.status();
    EXPECT_EQ(*opened, text);
  }
}

TEST_F(SealerTest, SealsTheSameTextDifferentlyEachTime) {
  EXPECT_NE(sealer_->Seal(name_, "text", "test")->ciphertext, sealer_->Seal(name_, "text", "test")->ciphertext);
}

TEST_F(SealerTest, RefusesAnyAlteredByte) {
  const std::string sealed = sealer_->Seal(name_, "a report", "test")->ciphertext;
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    std::string altered = sealed;
    altered[i] = static_cast<char>(altered[i] ^ 0x01);
    EXPECT_TRUE(absl::IsDataLoss(sealer_->Open(name_, altered, "test").status())) << "byte " << i;
  }
  for (std::size_t size = 0; size < sealed.size(); ++size) {
    EXPECT_TRUE(absl::IsDataLoss(sealer_->Open(name_, std::string_view(sealed).substr(0, size), "test").status()))
        << "size " << size;
  }
  EXPECT_TRUE(absl::IsDataLoss(sealer_->Open(name_, sealed + "x", "test").status()));
}

TEST_F(SealerTest, RefusesWhatBelongsToAnotherName) {
  const std::string sealed = sealer_->Seal(name_, "a report", "test")->ciphertext;
  SealName patient = name_;
  patient.patient = NewPatient(tenant_);
  SealName record = name_;
  record.record[0] = static_cast<char>(record.record[0] ^ 1);
  SealName version = name_;
  version.version = 2;
  SealName tenant = name_;
  tenant.tenant = other_tenant_;
  ASSERT_TRUE(process_->client().CreatePatientKey(other_tenant_, name_.patient).ok());
  for (const SealName& other : {patient, record, version, tenant}) {
    EXPECT_TRUE(absl::IsDataLoss(sealer_->Open(other, sealed, "test").status()));
  }
  EXPECT_TRUE(sealer_->Open(name_, sealed, "test").ok());
}

TEST_F(SealerTest, RefusesPatientsWithoutAKey) {
  SealName stranger = name_;
  stranger.patient = PatientId::Random();
  EXPECT_TRUE(absl::IsNotFound(sealer_->Seal(stranger, "text", "test").status()));
}

TEST_F(SealerTest, RefusesIncompleteNames) {
  SealName record = name_;
  record.record = "short";
  EXPECT_TRUE(absl::IsInvalidArgument(sealer_->Seal(record, "text", "test").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(sealer_->Seal(SealName{}, "text", "test").status()));
}

TEST_F(SealerTest, AsksOncePerLease) {
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(sealer_->Seal(name_, "text", "test").ok());
  EXPECT_EQ(keys_->unwraps, 1);
}

TEST_F(SealerTest, ALeaseEndsAfterItsTime) {
  ASSERT_TRUE(sealer_->Seal(name_, "text", "test").ok());
  clock_.Advance(absl::Seconds(59));
  ASSERT_TRUE(sealer_->Seal(name_, "text", "test").ok());
  EXPECT_EQ(keys_->unwraps, 1);
  clock_.Advance(absl::Seconds(1));
  EXPECT_EQ(sealer_->held(), 1u);
  sealer_->DropExpired();
  EXPECT_EQ(sealer_->held(), 0u);
  ASSERT_TRUE(sealer_->Seal(name_, "text", "test").ok());
  EXPECT_EQ(keys_->unwraps, 2);
}

TEST_F(SealerTest, ALeaseEndsWhenTheClockIsSetBack) {
  ASSERT_TRUE(sealer_->Seal(name_, "text", "test").ok());
  clock_.Advance(-absl::Hours(1));
  ASSERT_TRUE(sealer_->Seal(name_, "text", "test").ok());
  EXPECT_EQ(keys_->unwraps, 2);
}

TEST_F(SealerTest, ALeaseEndsAfterItsUses) {
  Sealer sealer(*keys_, clock_, absl::Seconds(60), /*uses_max=*/3);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(sealer.Seal(name_, "text", "test").ok());
  EXPECT_EQ(keys_->unwraps, 1);
  EXPECT_EQ(sealer.held(), 0u);
  ASSERT_TRUE(sealer.Seal(name_, "text", "test").ok());
  EXPECT_EQ(keys_->unwraps, 2);
}

TEST_F(SealerTest, WithoutALeaseEachUseIsAsked) {
  Sealer sealer(*keys_, clock_, absl::ZeroDuration());
  ASSERT_TRUE(sealer.Seal(name_, "text", "test").ok());
  ASSERT_TRUE(sealer.Seal(name_, "text", "test").ok());
  EXPECT_EQ(keys_->unwraps, 2);
  EXPECT_EQ(sealer.held(), 0u);
}

TEST_F(SealerTest, PrefetchLeasesManyInFewCalls) {
  std::vector<PatientId> patients;
  for (int i = 0; i < 70; ++i) patients.push_back(NewPatient(tenant_));
  ASSERT_TRUE(sealer_->Prefetch(tenant_, patients, "test").ok());
  EXPECT_EQ(keys_->unwraps, 2);
  for (const PatientId& patient : patients) {
    name_.patient = patient;
    ASSERT_TRUE(sealer_->Seal(name_, "text", "test").ok());
  }
  EXPECT_EQ(keys_->unwraps, 2);
}

TEST_F(SealerTest, IndexTokensAreTheTenantsOwn) {
  const auto token = sealer_->IndexToken(tenant_, "value");
  ASSERT_TRUE(token.ok()) << token.status();
  EXPECT_EQ(token->size(), 32u);
  EXPECT_EQ(*sealer_->IndexToken(tenant_, "value"), *token);
  EXPECT_NE(*sealer_->IndexToken(tenant_, "Value"), *token);
  EXPECT_NE(*sealer_->IndexToken(other_tenant_, "value"), *token);
  EXPECT_EQ(keys_->index_keys, 2);
}

TEST_F(SealerTest, RecordIdsDependOnTypeAndId) {
  const auto id = sealer_->RecordIdOf(tenant_, "Patient", "1");
  ASSERT_TRUE(id.ok()) << id.status();
  EXPECT_EQ(id->bytes(), sealer_->IndexToken(tenant_, "Patient/1")->substr(0, 16));
  EXPECT_NE(*sealer_->RecordIdOf(tenant_, "Consent", "1"), *id);
}

TEST_F(SealerTest, ServesManyThreads) {
  Sealer sealer(process_->client(), clock_, absl::Seconds(60), /*uses_max=*/7);
  std::vector<std::thread> threads;
  std::vector<int> opened(4);
  for (std::size_t t = 0; t < opened.size(); ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        const auto sealed = sealer.Seal(name_, std::to_string(i), "test");
        if (sealed.ok() && sealer.Open(name_, sealed->ciphertext, "test").value_or("") == std::to_string(i)) ++opened[t];
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(opened, std::vector<int>(4, 50));
}

}  // namespace
}  // namespace custodian::keys

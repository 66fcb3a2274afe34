#include "tenants/outbox.h"

#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/postgres.h"

namespace custodian::tenants {
namespace {

class OutboxTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto made = testing::TestDatabase::Create();
    ASSERT_TRUE(made.ok()) << made.status();
    test_ = *std::move(made);
    outbox_ = std::make_unique<Outbox>(test_->database());
    outbox_->Handle("locator", [this](const PatientId& patient) -> absl::Status {
      if (patient == failing_) return absl::UnavailableError("not now");
      if (patient == damaged_) return absl::DataLossError("a record of this patient is damaged");
      seen_.push_back(patient);
      return absl::OkStatus();
    });
  }
  void Add(const PatientId& patient, const std::string& kind = "locator") {
    ASSERT_TRUE(test_->Sql("INSERT INTO ledger.outbox (kind, patient_id) VALUES ('" + kind + "', '\\x" + patient.hex() + "')").ok());
  }
  std::string Waiting() const { return test_->One("SELECT count(*) FROM ledger.outbox"); }

  std::unique_ptr<testing::TestDatabase> test_;
  std::unique_ptr<Outbox> outbox_;
  std::vector<PatientId> seen_;
  PatientId failing_;
  PatientId damaged_;
};

TEST_F(OutboxTest, HandlesInOrderAndDeletes) {
  const std::vector<PatientId> patients = {PatientId::Random(), PatientId::Random(), PatientId::Random()};
  for (const PatientId& patient : patients) Add(patient);
  EXPECT_TRUE(outbox_->Drain().ok());
  EXPECT_EQ(seen_, patients);
  EXPECT_EQ(Waiting(), "0");
  EXPECT_TRUE(outbox_->Drain().ok());
  EXPECT_EQ(seen_.size(), 3u);
}

TEST_F(OutboxTest, FailureKeepsTheRowAndThoseBehindIt) {
  const std::vector<PatientId> patients = {PatientId::Random(), PatientId::Random(), PatientId::Random()};
  for (const PatientId& patient : patients) Add(patient);
  failing_ = patients[1];
  EXPECT_TRUE(absl::IsUnavailable(outbox_->Drain()));
  EXPECT_EQ(Waiting(), "2");
  failing_ = PatientId();
  EXPECT_TRUE(outbox_->Drain().ok());
  EXPECT_EQ(seen_, patients);
  EXPECT_EQ(Waiting(), "0");
}

TEST_F(OutboxTest, WhatWaitingCannotCureHoldsUpNobodyElse) {
  int others = 0;
  outbox_->Handle("savings", [&others](const PatientId&) {
    ++others;
    return absl::OkStatus();
  });
  damaged_ = PatientId::Random();
  Add(damaged_);
  // Follows what failed, so it waits.
  Add(damaged_, "savings");
  std::vector<PatientId> patients;
  for (int i = 0; i < 300; ++i) {
    patients.push_back(PatientId::Random());
    Add(patients.back());
  }
  EXPECT_TRUE(absl::IsDataLoss(outbox_->Drain()));
  EXPECT_EQ(seen_, patients);
  EXPECT_EQ(others, 0);
  EXPECT_EQ(Waiting(), "2");
  damaged_ = PatientId();
  EXPECT_TRUE(outbox_->Drain().ok());
  EXPECT_EQ(others, 1);
  EXPECT_EQ(Waiting(), "0");
}

TEST_F(OutboxTest, RowsOfOnePatientAreHandledOnceARound) {
  const PatientId patient = PatientId::Random();
  for (int i = 0; i < 5; ++i) Add(patient);
  EXPECT_TRUE(outbox_->Drain().ok());
  EXPECT_EQ(seen_.size(), 1u);
  EXPECT_EQ(Waiting(), "0");
}

TEST_F(OutboxTest, UnknownKindStaysAndIsReported) {
  Add(PatientId::Random(), "other");
  EXPECT_TRUE(absl::IsInternal(outbox_->Drain()));
  EXPECT_EQ(Waiting(), "1");
}

TEST_F(OutboxTest, SomeAreDrainedAtATimePastThoseThatFail) {
  damaged_ = PatientId::Random();
  for (int i = 0; i < 300; ++i) Add(damaged_);
  const std::vector<PatientId> patients = {PatientId::Random(), PatientId::Random()};
  for (const PatientId& patient : patients) Add(patient);
  bool more = false;
  EXPECT_TRUE(absl::IsDataLoss(outbox_->DrainSome(more)));
  EXPECT_TRUE(more);
  EXPECT_EQ(seen_, patients);
  EXPECT_EQ(Waiting(), "300");
  damaged_ = PatientId();
  EXPECT_TRUE(outbox_->DrainSome(more).ok());
  EXPECT_TRUE(more);
  EXPECT_EQ(Waiting(), "44");
  EXPECT_TRUE(outbox_->DrainSome(more).ok());
  EXPECT_TRUE(outbox_->DrainSome(more).ok());
  EXPECT_FALSE(more);
  EXPECT_EQ(Waiting(), "0");
}

TEST_F(OutboxTest, DrainsTakeTurns) {
  for (int i = 0; i < 300; ++i) Add(PatientId::Random());
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back([this] { EXPECT_TRUE(outbox_->Drain().ok()); });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(seen_.size(), 300u);
}

}  // namespace
}  // namespace custodian::tenants

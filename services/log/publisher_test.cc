#include "services/log/publisher.h"

#include <gtest/gtest.h>

#include "ledger/receipt.h"
#include "tests/support/published_log.h"

namespace custodian::log {
namespace {

TEST_F(PublisherOf, BringsEveryCommitToAReceiptThatThePolicyBelieves) {
  StartPublisher();
  const ledger::Policy policy = Policy().WithLog(*key_).value();
  for (int i = 0; i < 20; ++i) {
    const std::uint64_t index = Append();
    const absl::Status witnessed = publisher_->WaitWitnessed(origin_, index + 1, absl::Seconds(10));
    ASSERT_TRUE(witnessed.ok()) << witnessed;
    const absl::StatusOr<std::string> text = publisher_->MakeReceipt(origin_, index);
    ASSERT_TRUE(text.ok()) << text.status();
    const absl::StatusOr<ledger::Receipt> receipt = ledger::Receipt::Parse(*text);
    ASSERT_TRUE(receipt.ok()) << receipt.status();
    EXPECT_EQ(receipt->index, index);
    EXPECT_TRUE(receipt->Verify(policy).ok()) << receipt->Verify(policy).status();
  }
  EXPECT_EQ(publisher_->MakeReceipt(origin_, 1'000).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(publisher_->MakeReceipt("custodian.example/p/other", 0).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(publisher_->WaitWitnessed("custodian.example/p/other", 1, absl::Seconds(1)).code(), absl::StatusCode::kNotFound);
}

TEST_F(PublisherOf, CommitsOfABusyLogShareACheckpoint) {
  StartPublisher(/*spacing=*/absl::Hours(1));
  ASSERT_TRUE(publisher_->WaitWitnessed(origin_, Append() + 1, absl::Seconds(10)).ok());
  Append();
  const std::uint64_t last = Append();
  EXPECT_EQ(publisher_->WaitWitnessed(origin_, last + 1, absl::Milliseconds(500)).code(), absl::StatusCode::kDeadlineExceeded);
  StopPublisher();
  StartPublisher();
  EXPECT_TRUE(publisher_->WaitWitnessed(origin_, last + 1, absl::Seconds(10)).ok());
}

TEST_F(PublisherOf, NothingIsPublishedWithoutItsQuorumAndAllOnceItIsBack) {
  witnesses_[0]->down = true;
  witnesses_[2]->down = true;
  StartPublisher();
  const std::uint64_t index = Append();
  EXPECT_EQ(publisher_->WaitWitnessed(origin_, index + 1, absl::Milliseconds(700)).code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(publisher_->MakeReceipt(origin_, index).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(absl::IsNotFound(reader_->PublishedCheckpoint().status()));
  const std::uint64_t later = Append();
  witnesses_[2]->down = false;
  EXPECT_TRUE(publisher_->WaitWitnessed(origin_, later + 1, absl::Seconds(10)).ok());
}

TEST_F(PublisherOf, NewProcessLearnsTheWitnessesSizesAndGoesOn) {
  StartPublisher();
  const std::uint64_t first = Append();
  ASSERT_TRUE(publisher_->WaitWitnessed(origin_, first + 1, absl::Seconds(10)).ok());
  StopPublisher();
  // Committed while nobody published; signed again by the next process.
  Append();
  const std::uint64_t last = Append();
  StartPublisher();
  ASSERT_TRUE(publisher_->WaitWitnessed(origin_, last + 1, absl::Seconds(10)).ok());
  EXPECT_EQ(publisher_->WitnessedSize(origin_), last + 1);
  const ledger::Note note = ledger::Note::Parse(reader_->PublishedCheckpoint().value()).value();
  const absl::StatusOr<ledger::Checkpoint> checkpoint = Policy().WithLog(*key_)->VerifyWhole(note);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_EQ(checkpoint->size, last + 1);
}

TEST_F(PublisherOf, OnlyAHeadThatGrewIsReadAndTheOthersNowAndThen) {
  StartPublisher(absl::ZeroDuration(), /*look_again=*/absl::Hours(1));
  ASSERT_TRUE(publisher_->WaitWitnessed(origin_, Append() + 1, absl::Seconds(10)).ok());
  tells_ = false;
  const std::uint64_t index = Append();
  publisher_->Notify("custodian.example/p/other");
  EXPECT_FALSE(publisher_->WaitWitnessed(origin_, index + 1, absl::Milliseconds(500)).ok());
  publisher_->Notify(origin_);
  EXPECT_TRUE(publisher_->WaitWitnessed(origin_, index + 1, absl::Seconds(10)).ok());
  StopPublisher();

  StartPublisher(absl::ZeroDuration(), /*look_again=*/absl::Milliseconds(200));
  EXPECT_TRUE(publisher_->WaitWitnessed(origin_, Append() + 1, absl::Seconds(10)).ok());
}

TEST_F(PublisherOf, KeyProcessThatIsAwayDelaysAndLosesNothing) {
  StartPublisher();
  ASSERT_TRUE(publisher_->WaitWitnessed(origin_, Append() + 1, absl::Seconds(10)).ok());
  keys_->Stop();
  const std::uint64_t index = Append();
  EXPECT_FALSE(publisher_->WaitWitnessed(origin_, index + 1, absl::Milliseconds(500)).ok());
  ASSERT_TRUE(keys_->Start().ok());
  EXPECT_TRUE(publisher_->WaitWitnessed(origin_, index + 1, absl::Seconds(20)).ok());
}

// ledger/model, SIGN_WHAT_IS_VISIBLE: after a restart the primary may show what its standby has not got.
TEST_F(PublisherOf, WhatTheWriterDoesNotKnowToBeCommittedIsNotSigned) {
  StartPublisher(absl::ZeroDuration(), /*look_again=*/absl::Milliseconds(50));
  ASSERT_TRUE(publisher_->WaitWitnessed(origin_, Append() + 1, absl::Seconds(10)).ok());
  const ledger::Checkpoint known = writer_->committed();
  {
    const absl::MutexLock lock(&mutex_);
    committed_ = known;
  }
  const std::uint64_t index = Append();
  ASSERT_EQ(reader_->Head()->size, index + 1);
  EXPECT_FALSE(publisher_->WaitWitnessed(origin_, index + 1, absl::Milliseconds(700)).ok());
  EXPECT_EQ(publisher_->WitnessedSize(origin_), known.size);
  EXPECT_TRUE(absl::IsNotFound(reader_->SignedCheckpoint(index + 1).status()));
  {
    const absl::MutexLock lock(&mutex_);
    committed_.reset();
  }
  EXPECT_TRUE(publisher_->WaitWitnessed(origin_, index + 1, absl::Seconds(10)).ok());
}

// ledger/model, OFFER_WHAT_IS_LOST: a witness at size 0 needs no proof, which would have asked the database.
TEST_F(PublisherOf, WhatTheDatabaseHasLostIsNotOffered) {
  for (auto& witness : witnesses_) witness->down = true;
  StartPublisher();
  const std::uint64_t size = Append() + 1;
  const absl::Time deadline = absl::Now() + absl::Seconds(10);
  while (!reader_->SignedCheckpoint(size).ok() && absl::Now() < deadline) absl::SleepFor(absl::Milliseconds(10));
  ASSERT_TRUE(reader_->SignedCheckpoint(size).ok());
  ASSERT_TRUE(database_->Sql("UPDATE ledger.checkpoint SET signed_note = NULL").ok());
  // Past the time for which an earlier look at the database counts.
  absl::SleepFor(absl::Milliseconds(1'500));
  for (auto& witness : witnesses_) witness->down = false;
  absl::SleepFor(absl::Milliseconds(1'500));
  for (auto& witness : witnesses_) EXPECT_FALSE(witness->HasCosigned(origin_));
  // What is committed later goes out as ever.
  EXPECT_TRUE(publisher_->WaitWitnessed(origin_, Append() + 1, absl::Seconds(20)).ok());
}

TEST_F(PublisherOf, LogThatDoesNotGrowIsCosignedAnew) {
  StartPublisher(absl::ZeroDuration(), absl::Milliseconds(50), /*refresh=*/absl::Milliseconds(1'100));
  const std::uint64_t size = Append() + 1;
  ASSERT_TRUE(publisher_->WaitWitnessed(origin_, size, absl::Seconds(10)).ok());
  const ledger::Note first = ledger::Note::Parse(reader_->PublishedCheckpoint().value()).value();
  ledger::Note later = first;
  const ledger::Policy policy = Policy();
  for (const absl::Time deadline = absl::Now() + absl::Seconds(20); absl::Now() < deadline; absl::SleepFor(absl::Milliseconds(50))) {
    later = ledger::Note::Parse(reader_->PublishedCheckpoint().value()).value();
    if (policy.WitnessedAt(later).value() > policy.WitnessedAt(first).value()) break;
  }
  EXPECT_EQ(later.text, first.text);
  EXPECT_GT(policy.WitnessedAt(later).value(), policy.WitnessedAt(first).value());
  EXPECT_EQ(publisher_->WitnessedSize(origin_), size);
}

}  // namespace
}  // namespace custodian::log

#include "tenants/log_refill.h"

#include <vector>

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "ledger/entry.h"
#include "ledger/tree.h"
#include "tenants/ids.h"
#include "tests/support/written_log.h"

namespace custodian::tenants {
namespace {

using ::testing::HasSubstr;
using testing::WrittenLog;

constexpr const char* kNodeAuthor = "spiffe://custodian.example/tenant/00000000000000aa/node/one";
constexpr const char* kTables[] = {"head", "batch", "tile", "checkpoint", "idempotency", "consent_version"};

std::string Key(std::string_view text) { return std::string(ledger::AsBytes(ledger::Sha256(text))); }

class LogRefillTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto log = WrittenLog::Create();
    ASSERT_TRUE(log.ok()) << log.status();
    log_ = *std::move(log);
    log_->roster().Admit(kNodeAuthor, node_->public_key());
    ASSERT_TRUE(Own("first", 1).ok());
    ASSERT_TRUE(Own("some", 300).ok());
    ASSERT_TRUE(Keep("half").ok());
    Consent("one");
    ASSERT_TRUE(Node({7, 8}).ok());
    ASSERT_TRUE(Own("three", 3).ok());
    log_->clock().Advance(absl::Seconds(5));
    log_->roster().MoveTo(4, ledger::Sha256("governance"));
    ASSERT_TRUE(Own("many", 700).ok());
    Consent("one");
    Consent("two");
    ASSERT_TRUE(Node({9}).ok());
    ASSERT_TRUE(Own("last", 1).ok());
    Remember();
  }

  // The writer's own entries, one Write.
  absl::StatusOr<Admitted> Own(const std::string& name, int entries) {
    Write write;
    write.idempotency_key = Key(name);
    write.request_digest = Key("digest of " + name);
    for (int i = 0; i < entries; ++i) write.entries.emplace_back().set_kind(ledger::v1::KIND_ORDER_CHECKED);
    return log_->writer().Apply(std::move(write));
  }
  void Consent(const std::string& patient) {
    Write write;
    write.idempotency_key = Key(patient + std::to_string(++consents_));
    write.request_digest = write.idempotency_key;
    const PatientId id = PatientId::FromBytes(Key(patient).substr(0, 16)).value();
    ledger::v1::Entry& entry = write.entries.emplace_back();
    entry.set_kind(ledger::v1::KIND_CONSENT_SET);
    entry.set_subject(id.bytes());
    write.consent_changed = {id};
    const auto admitted = log_->writer().Apply(std::move(write));
    ASSERT_TRUE(admitted.ok()) << admitted.status();
  }
  absl::StatusOr<Admitted> Node(const std::vector<int>& counters) {
    std::vector<std::string> entries;
    for (const int counter : counters) {
      ledger::v1::Entry entry;
      entry.set_kind(ledger::v1::KIND_ORDER_CHECKED);
      entry.set_origin(testing::kTestOrigin);
      entry.set_author(kNodeAuthor);
      entry.set_counter(static_cast<std::uint64_t>(counter));
      entry.mutable_time()->set_seconds(1);
      entry.set_idempotency_key(Key("node" + std::to_string(counter)));
      entries.push_back(entry.SerializeAsString());
    }
    Write write;
    write.signed_leaves = ledger::SignBatch(testing::kTestOrigin, entries, *node_).value();
    return log_->writer().Apply(std::move(write));
  }

  absl::Status Sql(const std::string& sql) { return log_->postgres().Sql(sql).status(); }
  absl::Status Keep(const std::string& schema) {
    std::string sql = "CREATE SCHEMA " + schema;
    for (const char* table : kTables) sql += fmt::format("; CREATE TABLE {0}.{1} AS TABLE ledger.{1}", schema, table);
    return Sql(sql);
  }
  // As after a restore of an older backup.
  absl::Status RollBackTo(const std::string& schema) {
    log_->Stop();
    std::string sql;
    for (const char* table : kTables) sql += fmt::format("DELETE FROM ledger.{1}; INSERT INTO ledger.{1} SELECT * FROM {0}.{1}; ", schema, table);
    return Sql(sql);
  }
  // Everything of the log but what the refill may not know: epoch, own digests, promises, notes.
  std::string Dump() const {
    std::string text;
    for (const char* sql :
         {"SELECT string_agg(format('%s %s %s %s %s %s %s', size, root, nodes, author_counter, time_ms, anchor_size, anchor_root), ';') FROM ledger.head",
          "SELECT string_agg(format('%s %s %s %s %s', first_index, count, time_ms, sha256(leaves), sha256(leaf_hashes)), ';' ORDER BY first_index) "
          "FROM ledger.batch",
          "SELECT string_agg(format('%s %s %s', level, index, sha256(bytes)), ';' ORDER BY level, index) FROM ledger.tile",
          "SELECT string_agg(format('%s %s', size, root), ';' ORDER BY size) FROM ledger.checkpoint",
          "SELECT string_agg(format('%s %s %s %s %s %s', author, key, first_index, count, time_ms, counter), ';' ORDER BY author, key) "
          "FROM ledger.idempotency",
          "SELECT string_agg(format('%s %s', patient_id, version), ';' ORDER BY patient_id) FROM ledger.consent_version"})
      text += log_->postgres().One(sql) + "\n";
    return text;
  }
  void Remember() {
    const auto head = log_->log().Head();
    ASSERT_TRUE(head.ok()) << head.status();
    leaves_ = log_->log().Leaves(0, head->size).value();
    refill_ = {{testing::kTestOrigin, head->size, head->root}, "note", testing::kTestAuthor, log_->clock().Now()};
  }
  absl::StatusOr<Refilled> Refill() {
    std::size_t at = 0;
    return RefillLog(log_->postgres().database(), refill_, [&]() -> absl::StatusOr<std::optional<RefillLeaf>> {
      if (at == fail_at_) return absl::UnavailableError("the mirror is away");
      if (at == leaves_.size()) return std::nullopt;
      const std::string& bytes = leaves_[at++];
      return RefillLeaf{bytes, ledger::ParseLeaf(bytes).value()};
    });
  }

  std::unique_ptr<WrittenLog> log_;
  std::unique_ptr<ledger::Signer> node_ =
      ledger::SignerFromPem(ledger::NewPrivateKeyPem(ledger::v1::SIGNATURE_ALGORITHM_ED25519).value()).value();
  int consents_ = 0;
  std::vector<std::string> leaves_;
  struct Refill refill_;
  std::size_t fail_at_ = SIZE_MAX;
};

TEST_F(LogRefillTest, LogThatLostItsEndIsWhatItWas) {
  const std::string before = Dump();
  ASSERT_TRUE(RollBackTo("half").ok());
  ASSERT_NE(Dump(), before);
  const auto refilled = Refill();
  ASSERT_TRUE(refilled.ok()) << refilled.status();
  EXPECT_EQ(refilled->size_before, 301u);
  EXPECT_EQ(refilled->size, leaves_.size());
  EXPECT_EQ(Dump(), before);
  EXPECT_EQ(log_->log().PublishedCheckpoint().value(), "note");
  // And again changes nothing.
  const auto again = Refill();
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->size_before, leaves_.size());
  EXPECT_EQ(Dump(), before);
}

// A mirror may hold what no quorum has cosigned yet: that is signed, and not published.
TEST_F(LogRefillTest, WhatIsNotWitnessedIsNotPublished) {
  ASSERT_TRUE(RollBackTo("half").ok());
  refill_.is_witnessed = false;
  const auto refilled = Refill();
  ASSERT_TRUE(refilled.ok()) << refilled.status();
  EXPECT_EQ(refilled->size, leaves_.size());
  EXPECT_EQ(log_->log().SignedCheckpoint(leaves_.size()).value(), "note");
  EXPECT_NE(log_->log().PublishedCheckpoint().value_or(""), "note");
}

TEST_F(LogRefillTest, LogThatLostEverythingIsWhatItWas) {
  const std::string before = Dump();
  log_->Stop();
  ASSERT_TRUE(Sql("TRUNCATE ledger.batch, ledger.tile, ledger.checkpoint, ledger.idempotency, ledger.consent_version; "
                  "UPDATE ledger.head SET size = 0, root = sha256(''), nodes = '', author_counter = 0, time_ms = 0, anchor_size = 0, "
                  "anchor_root = sha256('')")
                  .ok());
  const auto refilled = Refill();
  ASSERT_TRUE(refilled.ok()) << refilled.status();
  EXPECT_EQ(Dump(), before);
}

TEST_F(LogRefillTest, WriterGoesOnAndOldRequestsAreNotDoneTwice) {
  ASSERT_TRUE(RollBackTo("half").ok());
  ASSERT_TRUE(Refill().ok());
  ASSERT_TRUE(log_->Restart().ok());
  EXPECT_EQ(log_->writer().size(), leaves_.size());
  EXPECT_TRUE(absl::IsAlreadyExists(Own("three", 3).status()));
  const auto node = Node({9});
  ASSERT_TRUE(node.ok()) << node.status();
  EXPECT_TRUE(node->replayed);
  // What was not lost is answered as ever.
  const auto first = Own("first", 1);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_TRUE(first->replayed);
  const auto fresh = Own("fresh", 2);
  ASSERT_TRUE(fresh.ok()) << fresh.status();
  EXPECT_EQ(fresh->first_index, leaves_.size());
}

TEST_F(LogRefillTest, OtherHistoryIsRefusedAndNothingChanged) {
  ASSERT_TRUE(RollBackTo("half").ok());
  // The database went on by itself: the same size and more than the mirror's prefix.
  ASSERT_TRUE(log_->Restart().ok());
  ASSERT_TRUE(Own("another", 1).ok());
  log_->Stop();
  const std::string before = Dump();
  const auto refilled = Refill();
  EXPECT_EQ(refilled.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refilled.status().message()), HasSubstr("are not the first of the mirror's"));
  EXPECT_EQ(Dump(), before);
}

TEST_F(LogRefillTest, ShorterMirrorIsRefused) {
  refill_.checkpoint.size = 301;
  const std::string before = Dump();
  EXPECT_EQ(Refill().status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Dump(), before);
}

TEST_F(LogRefillTest, WhatDoesNotEndWellChangesNothing) {
  ASSERT_TRUE(RollBackTo("half").ok());
  const std::string before = Dump();
  // The mirror goes away.
  for (const std::size_t at : {std::size_t{0}, std::size_t{301}, leaves_.size() - 1}) {
    fail_at_ = at;
    EXPECT_EQ(Refill().status().code(), absl::StatusCode::kUnavailable) << at;
    EXPECT_EQ(Dump(), before) << at;
  }
  fail_at_ = SIZE_MAX;
  // One leaf is another.
  std::swap(leaves_[400], leaves_[402]);
  EXPECT_EQ(Refill().status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(Dump(), before);
  std::swap(leaves_[400], leaves_[402]);
  // The leaves end before the checkpoint.
  const std::string last = leaves_.back();
  leaves_.pop_back();
  EXPECT_EQ(Refill().status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(Dump(), before);
  leaves_.push_back(last);
  EXPECT_TRUE(Refill().ok());
}

TEST_F(LogRefillTest, WriterThatStillRunsCommitsNoMore) {
  ASSERT_TRUE(RollBackTo("half").ok());
  ASSERT_TRUE(log_->Restart().ok());
  ASSERT_TRUE(Refill().ok());
  const std::string before = Dump();
  EXPECT_FALSE(Own("late", 1).ok());
  EXPECT_EQ(Dump(), before);
}

}  // namespace
}  // namespace custodian::tenants

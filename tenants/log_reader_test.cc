#include "tenants/log_reader.h"

#include "fmt/format.h"
#include "gtest/gtest.h"
#include "ledger/checkpoint.h"
#include "ledger/tiles.h"
#include "ledger/tree.h"
#include "tests/support/written_log.h"

namespace custodian::tenants {
namespace {

using testing::WrittenLog;

class LogReaderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto log = WrittenLog::Create();
    ASSERT_TRUE(log.ok()) << log.status();
    log_ = *std::move(log);
  }

  // One commit.
  void Append(int entries) {
    Write write;
    write.idempotency_key = std::string(ledger::AsBytes(ledger::Sha256(fmt::format("{}", ++writes_))));
    write.request_digest = write.idempotency_key;
    for (int i = 0; i < entries; ++i) write.entries.emplace_back().set_kind(ledger::v1::KIND_ORDER_CHECKED);
    const auto admitted = log_->writer().Apply(std::move(write));
    ASSERT_TRUE(admitted.ok()) << admitted.status();
    hashes_.insert(hashes_.end(), admitted->leaf_hashes.begin(), admitted->leaf_hashes.end());
  }

  std::string Note(std::uint64_t size) const {
    const ledger::Checkpoint checkpoint{.origin = testing::kTestOrigin, .size = size, .root = ledger::RootOf(std::span(hashes_).first(size))};
    ledger::Note note;
    note.text = checkpoint.Serialize();
    note.signatures.push_back({.name = testing::kTestOrigin, .key_id = 1, .signature = std::string(64, 's')});
    return note.Serialize();
  }
  void Publish() {
    ASSERT_TRUE(log().StoreSigned(hashes_.size(), Note(hashes_.size())).ok());
    ASSERT_TRUE(log().Publish(hashes_.size(), Note(hashes_.size())).ok());
  }
  const LogReader& log() const { return log_->log(); }

  std::unique_ptr<WrittenLog> log_;
  std::vector<ledger::Hash> hashes_;
  int writes_ = 0;
};

TEST_F(LogReaderTest, ProofsVerifyAcrossTilesAndTheEdge) {
  for (const int entries : {1, 254, 1, 1, 700, 3}) Append(entries);
  const std::uint64_t size = hashes_.size();
  const auto head = log().Head();
  ASSERT_TRUE(head.ok());
  EXPECT_EQ(head->root, ledger::RootOf(hashes_));
  for (const std::uint64_t tree : {std::uint64_t{1}, std::uint64_t{255}, std::uint64_t{256}, std::uint64_t{257}, std::uint64_t{900}, size}) {
    const ledger::Hash root = ledger::RootOf(std::span(hashes_).first(tree));
    for (const std::uint64_t index : {std::uint64_t{0}, tree / 2, tree - 1}) {
      const auto proof = log().InclusionProof(index, tree);
      ASSERT_TRUE(proof.ok()) << proof.status();
      EXPECT_TRUE(ledger::VerifyInclusion(index, tree, hashes_[index], *proof, root).ok()) << index << " of " << tree;
    }
    const auto proof = log().ConsistencyProof(tree, size);
    ASSERT_TRUE(proof.ok()) << proof.status();
    EXPECT_TRUE(ledger::VerifyConsistency(tree, size, *proof, root, head->root).ok()) << tree;
  }
  EXPECT_TRUE(absl::IsInvalidArgument(log().InclusionProof(0, size + 1).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(log().InclusionProof(size, size).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(log().ConsistencyProof(1, size + 1).status()));
}

TEST_F(LogReaderTest, TilesOfThePublishedSizeAreServedAndNoOthers) {
  Append(300);
  EXPECT_TRUE(absl::IsNotFound(log().Tile("tile/0/000").status()));
  Publish();
  Append(400);
  const auto full = log().Tile("tile/0/000");
  ASSERT_TRUE(full.ok()) << full.status();
  EXPECT_EQ(full->size(), 8192u);
  EXPECT_EQ(full->substr(32, 32), ledger::AsBytes(hashes_[1]));
  const auto partial = log().Tile("tile/0/001.p/44");
  ASSERT_TRUE(partial.ok()) << partial.status();
  EXPECT_EQ(partial->substr(43 * 32), ledger::AsBytes(hashes_[299]));
  EXPECT_TRUE(log().Tile("tile/0/001.p/2").ok());
  const auto above = log().Tile("tile/1/000.p/1");
  ASSERT_TRUE(above.ok()) << above.status();
  EXPECT_EQ(*above, ledger::AsBytes(ledger::RootOf(std::span(hashes_).first(256))));
  const auto bundle = log().Tile("tile/entries/001.p/44");
  ASSERT_TRUE(bundle.ok()) << bundle.status();
  const auto leaves = ledger::DecodeBundle(*bundle);
  ASSERT_TRUE(leaves.ok());
  ASSERT_EQ(leaves->size(), 44u);
  EXPECT_EQ(ledger::LeafHash(leaves->front()), hashes_[256]);
  for (const char* beyond : {"tile/0/001", "tile/0/001.p/45", "tile/0/002.p/1", "tile/1/000.p/2", "tile/2/000.p/1", "tile/9/000",
                             "tile/entries/001", "tile/entries/x001/000"}) {
    EXPECT_TRUE(absl::IsNotFound(log().Tile(beyond).status())) << beyond << log().Tile(beyond).status();
  }
  for (const char* malformed : {"", "tile", "tile/0/1", "tile/00/001", "tile/0/001.p/0", "tile/0/001.p/256", "tile/0/../001", "tile/64/000"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(log().Tile(malformed).status())) << malformed;
  }
}

TEST_F(LogReaderTest, CheckpointsAreSignedThenPublished) {
  Append(2);
  Append(3);
  EXPECT_TRUE(absl::IsNotFound(log().PublishedCheckpoint().status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(log().Publish(5, Note(5))));
  ASSERT_TRUE(log().StoreSigned(2, Note(2)).ok());
  ASSERT_TRUE(log().StoreSigned(5, Note(5)).ok());
  EXPECT_TRUE(absl::IsNotFound(log().CheckpointCovering(1).status()));
  ASSERT_TRUE(log().Publish(5, Note(5)).ok());
  EXPECT_EQ(*log().CheckpointCovering(1), Note(5));
  ASSERT_TRUE(log().Publish(2, Note(2)).ok());
  EXPECT_EQ(*log().PublishedCheckpoint(), Note(5));
  EXPECT_EQ(*log().CheckpointCovering(2), Note(2));
  EXPECT_EQ(*log().CheckpointCovering(3), Note(5));
  EXPECT_TRUE(absl::IsNotFound(log().CheckpointCovering(6).status()));
  EXPECT_TRUE(absl::IsNotFound(log().StoreSigned(4, Note(4))));
  EXPECT_TRUE(absl::IsInvalidArgument(log().StoreSigned(2, Note(5))));
}

TEST_F(LogReaderTest, LeavesAreReadAcrossCommits) {
  Append(2);
  Append(3);
  const auto leaves = log().Leaves(1, 3);
  ASSERT_TRUE(leaves.ok()) << leaves.status();
  ASSERT_EQ(leaves->size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(ledger::LeafHash((*leaves)[i]), hashes_[i + 1]);
  EXPECT_TRUE(absl::IsOutOfRange(log().Leaves(4, 2).status()));
  EXPECT_TRUE(log().Leaves(5, 0)->empty());
}

TEST_F(LogReaderTest, MissingBatchIsDataLoss) {
  Append(2);
  Append(3);
  Append(1);
  ASSERT_TRUE(log_->postgres().Sql("DELETE FROM ledger.batch WHERE first_index = 2").ok());
  EXPECT_TRUE(absl::IsDataLoss(log().Leaves(1, 3).status()));
  EXPECT_TRUE(absl::IsDataLoss(log().Leaves(3, 1).status()));
  EXPECT_TRUE(log().Leaves(5, 1).ok());
}

// What is wanted of a large batch is read without the rest of it.
TEST_F(LogReaderTest, LeavesOfALargeBatchAreReadPieceByPiece) {
  Append(1);
  Append(20'000);
  ASSERT_GT(std::stoll(log_->postgres().One("SELECT max(octet_length(leaves)) FROM ledger.batch")), 1 << 20);
  for (const std::uint64_t first : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{9'999}, std::uint64_t{19'900}}) {
    const std::uint64_t count = std::min<std::uint64_t>(3'000, hashes_.size() - first);
    const auto leaves = log().Leaves(first, count);
    ASSERT_TRUE(leaves.ok()) << leaves.status();
    ASSERT_EQ(leaves->size(), count);
    for (std::size_t i = 0; i < count; ++i) ASSERT_EQ(ledger::LeafHash((*leaves)[i]), hashes_[first + i]);
  }
  EXPECT_EQ(log().Leaves(0, hashes_.size())->size(), hashes_.size());
  // Cut at a piece's very end, or in a leaf.
  for (const int bytes : {256 << 10, (256 << 10) + 1'000}) {
    ASSERT_TRUE(log_->postgres().Sql(fmt::format("UPDATE ledger.batch SET leaves = substring(leaves FOR {}) WHERE first_index = 1", bytes)).ok());
    EXPECT_TRUE(log().Leaves(1, 100).ok());
    EXPECT_TRUE(absl::IsDataLoss(log().Leaves(19'000, 1).status()));
  }
}

// A log of 70,000 entries has a full tile of level 1 and partial ones above: every proof must still be a few reads.
TEST_F(LogReaderTest, LargeLogsHaveTilesOfTwoLevels) {
  for (int i = 0; i < 2; ++i) Append(35'000);
  const auto head = log().Head();
  ASSERT_TRUE(head.ok());
  EXPECT_EQ(head->root, ledger::RootOf(hashes_));
  EXPECT_EQ(log_->postgres().One("SELECT count(*) FROM ledger.tile WHERE level = 0"), "273");
  EXPECT_EQ(log_->postgres().One("SELECT count(*) FROM ledger.tile WHERE level = 1"), "1");
  for (const std::uint64_t index : {0, 65'535, 65'536, 69'999}) {
    const auto proof = log().InclusionProof(index, hashes_.size());
    ASSERT_TRUE(proof.ok()) << proof.status();
    EXPECT_TRUE(ledger::VerifyInclusion(index, hashes_.size(), hashes_[index], *proof, head->root).ok());
  }
  ASSERT_TRUE(log_->Restart().ok());
  Append(1);
}

}  // namespace
}  // namespace custodian::tenants

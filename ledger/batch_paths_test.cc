#include "ledger/batch_paths.h"

#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "ledger/entry.h"
#include "tests/support/known_log.h"

namespace custodian::ledger {
namespace {

constexpr char kOrigin[] = "custodian.example/p/00000000000000aa";

std::vector<v1::SignedEntry> Batch(std::size_t size, const std::string& salt) {
  std::vector<std::string> entries;
  for (std::size_t i = 0; i < size; ++i) {
    v1::Entry entry;
    entry.set_origin(kOrigin);
    entry.set_kind(v1::KIND_ORDER_CHECKED);
    entry.set_author("spiffe://x/node");
    entry.set_counter(i + 1);
    entry.mutable_time()->set_seconds(1);
    entry.set_idempotency_key(std::string(AsBytes(Sha256(salt + std::to_string(i)))));
    entries.push_back(entry.SerializeAsString());
  }
  std::vector<v1::SignedEntry> leaves;
  const auto signed_batch = SignBatch(kOrigin, entries, *testing::KnownSigner("batch paths"));
  for (const std::string& leaf : signed_batch.value()) leaves.push_back(ParseLeaf(leaf).value().signed_entry);
  return leaves;
}

// In order and not, from one batch and from several in turn: what was remembered changes no answer.
TEST(BatchPaths, SayWhatEachPathSaysAlone) {
  for (const std::size_t size : {1, 2, 3, 5, 8, 100}) {
    const auto one = Batch(size, "one"), other = Batch(size, "other");
    BatchPaths paths;
    for (std::size_t i = 0; i < size; ++i) ASSERT_EQ(paths.RootOf(one[i]).value(), BatchRootOf(one[0]).value()) << size << " " << i;
    for (std::size_t i = size; i-- > 0;) {
      EXPECT_EQ(paths.RootOf(other[i]).value(), BatchRootOf(other[0]).value()) << size << " " << i;
      EXPECT_EQ(paths.RootOf(one[size - 1 - i]).value(), BatchRootOf(one[0]).value()) << size << " " << i;
    }
  }
}

TEST(BatchPaths, WhateverIsChangedLeadsElsewhere) {
  const auto batch = Batch(100, "one");
  for (std::size_t i = 1; i < batch.size(); ++i) {
    BatchPaths paths;
    const Hash root = paths.RootOf(batch[i - 1]).value();
    std::vector<v1::SignedEntry> changed(3, batch[i]);
    changed[0].mutable_entry_bytes()->back() ^= 1;
    changed[1].mutable_batch_path(static_cast<int>(i) % changed[1].batch_path_size())->back() ^= 1;
    changed[2].set_batch_index(static_cast<std::uint32_t>(i - 1));
    for (const v1::SignedEntry& leaf : changed) {
      const auto led = paths.RootOf(leaf);
      EXPECT_TRUE(!led.ok() || *led != root) << i;
      EXPECT_EQ(led.ok(), BatchRootOf(leaf).ok()) << i;
    }
    EXPECT_EQ(paths.RootOf(batch[i]).value(), root) << i;
  }
}

TEST(BatchPaths, MalformedPathsAreRefused) {
  BatchPaths paths;
  auto leaf = Batch(4, "one")[1];
  auto changed = leaf;
  changed.set_batch_size(0);
  EXPECT_FALSE(paths.RootOf(changed).ok());
  changed = leaf;
  changed.mutable_batch_path(0)->pop_back();
  EXPECT_FALSE(paths.RootOf(changed).ok());
  changed = leaf;
  changed.add_batch_path(std::string(32, 'x'));
  EXPECT_FALSE(paths.RootOf(changed).ok());
  changed = leaf;
  changed.mutable_batch_path()->RemoveLast();
  EXPECT_FALSE(paths.RootOf(changed).ok());
  EXPECT_TRUE(paths.RootOf(leaf).ok());
}

}  // namespace
}  // namespace custodian::ledger

#include "services/node/key_table.h"

#include <gtest/gtest.h>

#include "tests/support/temporary_directory.h"

namespace custodian::node {
namespace {

TEST(KeyTable, TellsNewKeysFromThoseItHasHoweverManyThereAre) {
  const testing::TemporaryDirectory directory;
  const auto table = KeyTable::Create(directory.path()).value();
  constexpr int kKeys = 20'000;
  for (int i = 0; i < kKeys; ++i) EXPECT_TRUE(table->Insert(ledger::Sha256(std::to_string(i)), 0)) << i;
  for (int i = 0; i < kKeys; ++i) EXPECT_FALSE(table->Insert(ledger::Sha256(std::to_string(i)), 0)) << i;
  EXPECT_TRUE(table->Insert(ledger::Hash{}, 0));
  EXPECT_FALSE(table->Insert(ledger::Hash{}, 0));
  EXPECT_EQ(table->size(), kKeys + 1u);
}

TEST(KeyTable, FolderThatIsNotThereIsAnError) { EXPECT_FALSE(KeyTable::Create("/nowhere/at/all").ok()); }

}  // namespace
}  // namespace custodian::node

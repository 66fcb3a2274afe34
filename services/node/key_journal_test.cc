#include "services/node/key_journal.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <set>
#include <vector>

#include "tests/support/temporary_directory.h"

namespace custodian::node {
namespace {

ledger::Hash KeyOf(std::uint64_t number) { return ledger::Sha256(std::to_string(number)); }

std::vector<std::uint64_t> RepeatsOf(const KeyJournal& journal, std::uint64_t first, std::size_t keys_held_max) {
  std::vector<std::uint64_t> repeats;
  EXPECT_EQ(journal.FindRepeats(first, 1'000'000, [&repeats](std::uint64_t index) { repeats.push_back(index); }, keys_held_max).value(), 0u);
  return repeats;
}

TEST(KeyJournal, FindsWhatASetFindsWhateverItHolds) {
  const testing::TemporaryDirectory folder;
  for (const std::uint64_t first : {0u, 1u, 700u, 2'999u, 3'000u}) {
    std::mt19937_64 random(first);
    auto journal = KeyJournal::CreateNameless(folder.path(), 0).value();
    std::set<std::uint64_t> seen;
    std::vector<std::uint64_t> wanted;
    for (std::uint64_t index = 0; index < 3'000; ++index) {
      // Entries that could not be read have no key.
      if (random() % 10 == 0) continue;
      const std::uint64_t number = random() % 4'000;
      EXPECT_TRUE(journal->Insert(KeyOf(number), index));
      if (!seen.insert(number).second && index >= first) wanted.push_back(index);
    }
    ASSERT_TRUE(journal->Flush(3'000).ok());
    for (const std::size_t held : {1u, 50u, 1'000u, 100'000u}) EXPECT_EQ(RepeatsOf(*journal, first, held), wanted) << first << " " << held;
  }
}

TEST(KeyJournal, KeepsTheFirstRepeatsAndCountsTheRest) {
  const testing::TemporaryDirectory folder;
  auto journal = KeyJournal::CreateNameless(folder.path(), 5'000).value();
  for (std::uint64_t index = 5'000; index < 6'000; ++index) EXPECT_TRUE(journal->Insert(KeyOf(index % 100), index));
  ASSERT_TRUE(journal->Flush(6'000).ok());
  std::vector<std::uint64_t> repeats;
  EXPECT_EQ(journal->FindRepeats(0, 3, [&repeats](std::uint64_t index) { repeats.push_back(index); }, 30).value(), 897u);
  EXPECT_EQ(repeats, (std::vector<std::uint64_t>{5'100, 5'101, 5'102}));
}

TEST(KeyJournal, GoesOnWithTheKeysItWasGiven) {
  const testing::TemporaryDirectory folder;
  const std::string path = folder.Join("keys");
  ledger::Hash at_10{};
  {
    auto journal = KeyJournal::Open(path, 0, {}).value();
    EXPECT_EQ(KeyJournal::Open(path, 0, {}).status().code(), absl::StatusCode::kFailedPrecondition);
    for (std::uint64_t index = 0; index < 10; ++index) EXPECT_TRUE(journal->Insert(KeyOf(index), index));
    at_10 = journal->Flush(10).value();
    for (std::uint64_t index = 10; index < 10'000; ++index) EXPECT_TRUE(journal->Insert(KeyOf(index), index));
    ASSERT_TRUE(journal->Flush(10'000).ok());
  }
  {
    // What lies behind the state is dropped.
    auto journal = KeyJournal::Open(path, 10, at_10).value();
    EXPECT_EQ(std::filesystem::file_size(path), 160u);
    EXPECT_TRUE(journal->Insert(KeyOf(3), 10));
    ASSERT_TRUE(journal->Flush(11).ok());
    EXPECT_EQ(RepeatsOf(*journal, 10, 100), std::vector<std::uint64_t>{10});
  }
  EXPECT_EQ(KeyJournal::Open(path, 12, at_10).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(KeyJournal::Open(path, 9, at_10).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(KeyJournal::Open(folder.Join("none"), 10, at_10).status().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace custodian::node

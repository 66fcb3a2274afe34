#include "services/node/page_table.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "ledger/big_endian.h"
#include "tests/support/temporary_directory.h"

namespace custodian::node {
namespace {

TEST(PageTable, HoldsTheMapThatMemoryWouldAndLeavesNoFile) {
  const testing::TemporaryDirectory directory;
  const auto table = PageTable::Create(directory.path());
  ASSERT_TRUE(table.ok()) << table.status();
  const auto memory = ledger::NewSubjectPagesInMemory();
  ledger::Hash root{}, expected{};
  std::uint64_t index = 0;
  for (int batch = 0; batch < 20; ++batch) {
    ledger::SubjectChanges changes;
    for (int i = 0; i < 300; ++i, ++index) changes[ledger::SubjectKey(ledger::BigEndian(index % 4'000, 8))] = {1, index};
    root = ledger::ApplySubjectChanges(**table, root, changes).value();
    expected = ledger::ApplySubjectChanges(*memory, expected, changes).value();
    ASSERT_EQ(root, expected);
  }
  const std::string subject = ledger::BigEndian(7, 16);
  EXPECT_EQ(ledger::ProveSubject(**table, root, subject)->Serialize(), ledger::ProveSubject(*memory, root, subject)->Serialize());
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
}

TEST(PageTable, ADiskThatRefusesIsAnError) { EXPECT_TRUE(absl::IsUnavailable(PageTable::Create("/proc/nowhere").status())); }

}  // namespace
}  // namespace custodian::node

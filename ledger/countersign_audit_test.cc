#include "ledger/countersign_audit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace custodian::ledger {
namespace {

using ::testing::HasSubstr;

Hash LeafAt(std::uint64_t index) { return LeafHash(std::to_string(index)); }

Hash RootAt(std::uint64_t size) {
  CompactRange range;
  for (std::uint64_t i = 0; i < size; ++i) range.Append(LeafAt(i));
  return range.Root();
}

v1::Entry RangeTo(std::uint64_t end, const Hash& root) {
  v1::Entry entry;
  entry.mutable_countersigned()->set_end(end);
  entry.mutable_countersigned()->set_root(std::string(AsBytes(root)));
  return entry;
}

v1::Entry DisputeOf(std::uint64_t index, const Hash& hash) {
  v1::Entry entry;
  entry.mutable_disputed()->set_index(index);
  entry.mutable_disputed()->set_leaf_hash(std::string(AsBytes(hash)));
  return entry;
}

TEST(CountersignAudit, RootsAreTheLogsAtAnySizeThatIsKept) {
  constexpr std::uint64_t kSize = kCountersignLagMax + 3'000;
  CountersignAuditor auditor;
  for (std::uint64_t i = 0; i < kSize; ++i) auditor.Append(LeafAt(i));
  for (const std::uint64_t end : {kSize - kCountersignLagMax, kSize - 5'000, kSize - 7'000, kSize - 1, kSize}) {
    EXPECT_TRUE(auditor.Check(RangeTo(end, RootAt(end))).ok()) << end;
    EXPECT_THAT(std::string(auditor.Check(RangeTo(end, RootAt(end - 1))).message()), HasSubstr("another root")) << end;
  }
  EXPECT_THAT(std::string(auditor.Check(RangeTo(kSize - kCountersignLagMax - 1, RootAt(1))).message()), HasSubstr("16,384"));
  EXPECT_THAT(std::string(auditor.Check(RangeTo(kSize + 1, RootAt(1))).message()), HasSubstr("stand before it"));
}

TEST(CountersignAudit, DisputesNameALeafThatIsThere) {
  CountersignAuditor auditor;
  for (std::uint64_t i = 0; i < 10; ++i) auditor.Append(LeafAt(i));
  EXPECT_TRUE(auditor.Check(DisputeOf(9, LeafAt(9))).ok());
  EXPECT_FALSE(auditor.Check(DisputeOf(9, LeafAt(8))).ok());
  EXPECT_FALSE(auditor.Check(DisputeOf(10, LeafAt(9))).ok());
}

TEST(CountersignAudit, WhatLiesBeforeTheBeginningIsNotJudged) {
  CompactRange before;
  for (std::uint64_t i = 0; i < 100; ++i) before.Append(LeafAt(i));
  CountersignAuditor auditor;
  auditor.BeginAt(before);
  for (std::uint64_t i = 100; i < 110; ++i) auditor.Append(LeafAt(i));
  EXPECT_TRUE(auditor.Check(RangeTo(99, RootAt(1))).ok());
  EXPECT_TRUE(auditor.Check(DisputeOf(99, LeafAt(1))).ok());
  EXPECT_TRUE(auditor.Check(RangeTo(100, RootAt(100))).ok());
  EXPECT_FALSE(auditor.Check(RangeTo(100, RootAt(99))).ok());
  EXPECT_TRUE(auditor.Check(RangeTo(105, RootAt(105))).ok());
}

}  // namespace
}  // namespace custodian::ledger

// A custodian that lies about a subject, and who finds it: whoever makes the map again.
#include "ledger/subject_audit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/seeded_random.h"

namespace custodian::ledger {
namespace {

using custodian::testing::SeededRandom;
using ::testing::HasSubstr;

std::string SubjectOf(char n) { return std::string(kSubjectBytes, n); }

class SubjectAudit : public ::testing::Test {
 protected:
  // An entry of the log, of a subject or of none.
  void AddEntry(const std::string& subject) {
    v1::Entry entry;
    entry.set_subject(subject);
    ASSERT_TRUE(auditor_.Add(size_, entry).ok());
    log_.push_back(subject);
    ++size_;
  }
  // The root that the first `size` entries make; a lie where `log` is not the log.
  static Hash RootOf(const std::vector<std::string>& log, std::uint64_t size) {
    SubjectChanges changes;
    for (std::uint64_t i = 0; i < size; ++i) {
      if (log[i].empty()) continue;
      SubjectValue& value = changes[SubjectKey(log[i])];
      ++value.count;
      value.last_index = i;
    }
    const auto pages = NewSubjectPagesInMemory();
    return ApplySubjectChanges(*pages, EmptySubjectRoot(), changes).value();
  }
  // What the auditor says of a map; "" when it believes it.
  std::string AddMap(std::uint64_t size, const Hash& root) {
    v1::Entry entry;
    entry.mutable_subject_map()->set_size(size);
    entry.mutable_subject_map()->set_root(std::string(AsBytes(root)));
    const absl::Status status = auditor_.Add(size_, entry);
    log_.emplace_back();
    ++size_;
    return std::string(status.message());
  }

  SubjectAuditor auditor_;
  std::vector<std::string> log_;
  std::uint64_t size_ = 0;
};

TEST_F(SubjectAudit, HonestMapsAreBelievedWhateverTheyLeaveUncovered) {
  SeededRandom random;
  SCOPED_TRACE(random.seed());
  std::uint64_t covered = 0;
  for (int round = 0; round < 60; ++round) {
    for (std::uint64_t n = random.Below(30); n > 0; --n) AddEntry(random.Below(4) == 0 ? "" : SubjectOf(static_cast<char>('a' + random.Below(20))));
    if (size_ == covered) continue;
    covered += 1 + random.Below(size_ - covered);
    EXPECT_EQ(AddMap(covered, RootOf(log_, covered)), "");
    EXPECT_EQ(auditor_.covered(), covered);
    // The first entry of a subject that is left.
    std::optional<std::uint64_t> uncovered;
    for (std::uint64_t i = covered; i < size_ && !uncovered; ++i)
      if (!log_[i].empty()) uncovered = i;
    EXPECT_EQ(auditor_.first_uncovered(), uncovered);
  }
}

TEST_F(SubjectAudit, AnEntryLeftOutOfTheMapIsFound) {
  for (const char c : {'a', 'b', 'a', 'c'}) AddEntry(SubjectOf(c));
  std::vector<std::string> without = log_;
  without[2].clear();
  EXPECT_THAT(AddMap(4, RootOf(without, 4)), HasSubstr("not the one that the first 4 entries make"));
  // A lie spoils no later judgement.
  AddEntry(SubjectOf('d'));
  EXPECT_EQ(AddMap(6, RootOf(log_, 6)), "");
}

TEST_F(SubjectAudit, AWrongCountOrLastEntryIsFound) {
  for (const char c : {'a', 'b', 'a'}) AddEntry(SubjectOf(c));
  for (const SubjectValue lie : {SubjectValue{1, 2}, SubjectValue{3, 2}, SubjectValue{2, 0}}) {
    const auto pages = NewSubjectPagesInMemory();
    const Hash root =
        ApplySubjectChanges(*pages, EmptySubjectRoot(), {{SubjectKey(SubjectOf('a')), lie}, {SubjectKey(SubjectOf('b')), {1, 1}}}).value();
    AddEntry("");
    EXPECT_THAT(AddMap(size_, root), HasSubstr("the subject map is not the one"));
  }
}

TEST_F(SubjectAudit, AnInventedSubjectIsFound) {
  AddEntry(SubjectOf('a'));
  EXPECT_THAT(AddMap(1, RootOf({SubjectOf('z')}, 1)), HasSubstr("the subject map is not the one"));
}

TEST_F(SubjectAudit, AnOldRootEnteredAsNewIsFound) {
  for (const char c : {'a', 'b'}) AddEntry(SubjectOf(c));
  const Hash old = RootOf(log_, 2);
  EXPECT_EQ(AddMap(2, old), "");
  AddEntry(SubjectOf('a'));
  EXPECT_THAT(AddMap(4, old), HasSubstr("the subject map is not the one that the first 4 entries make"));
}

TEST_F(SubjectAudit, AMapMayNotGoBackNorAheadNorLag) {
  for (const char c : {'a', 'b', 'c'}) AddEntry(SubjectOf(c));
  EXPECT_THAT(AddMap(4, RootOf(log_, 3)), HasSubstr("more than stand before it"));
  EXPECT_EQ(AddMap(3, RootOf(log_, 3)), "");
  EXPECT_THAT(AddMap(3, RootOf(log_, 3)), HasSubstr("the one before it 3"));
  EXPECT_THAT(AddMap(2, RootOf(log_, 2)), HasSubstr("the one before it 3"));
  size_ = kSubjectMapLagMax + 100;
  EXPECT_THAT(AddMap(99, RootOf(log_, 3)), HasSubstr("leaves out too many"));
}

TEST_F(SubjectAudit, WhereAnEntryCannotBeReadNoRootIsJudged) {
  AddEntry(SubjectOf('a'));
  auditor_.AddUnread();
  ++size_;
  log_.emplace_back();
  EXPECT_EQ(AddMap(2, EmptySubjectRoot()), "");
}

}  // namespace
}  // namespace custodian::ledger

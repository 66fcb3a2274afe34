// "This is everything the log holds on this subject": what makes a list believed, and each way of lying about it.
#include "ledger/subject_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "ledger/subject_audit.h"
#include "tests/support/known_log.h"
#include "tests/support/served_log.h"

namespace custodian::ledger {
namespace {

using custodian::testing::NewSigner;
using custodian::testing::ReaderOf;
using custodian::testing::ServedLog;
using ::testing::HasSubstr;

constexpr char kOrigin[] = "custodian.example/p/00000000000000bb";

class SubjectListOf : public ::testing::Test {
 protected:
  // a and b have entries, c has none; the map covers them, and one more of a comes later.
  SubjectListOf() {
    for (const char c : {'a', 'b', '-', 'a', 'b', 'a'}) AddEntry(c);
    AddMap(6, a_count_, b_count_);
    AddEntry('a');
  }
  void AddEntry(char subject) {
    v1::Entry entry = log_.NewEntry(v1::KIND_ORDER_CHECKED);
    if (subject != '-') entry.set_subject(std::string(kSubjectBytes, subject));
    log_.Add({entry}, *author_);
  }
  void AddMap(std::uint64_t size, const SubjectValue& a, const SubjectValue& b) {
    pages_ = NewSubjectPagesInMemory();
    root_ = ApplySubjectChanges(*pages_, EmptySubjectRoot(), {{SubjectKey(Subject('a')), a}, {SubjectKey(Subject('b')), b}}).value();
    v1::Entry map = log_.NewEntry(v1::KIND_SUBJECT_MAP);
    map.mutable_subject_map()->set_size(size);
    map.mutable_subject_map()->set_root(std::string(AsBytes(root_)));
    map_index_ = log_.leaves.size();
    log_.Add({map}, *author_);
  }
  static std::string Subject(char c) { return std::string(kSubjectBytes, c); }
  SubjectList::Entry EntryAt(std::uint64_t index) const {
    std::vector<Hash> hashes;
    for (const std::string& leaf : log_.leaves) hashes.push_back(LeafHash(leaf));
    return {index, log_.leaves[index], InclusionProof(index, hashes.size(), ReaderOf(hashes)).value()};
  }
  // The list of `subject` that shows those entries.
  SubjectList ListOf(char subject, const std::vector<std::uint64_t>& indexes) const {
    SubjectList list;
    list.subject = Subject(subject);
    list.map = ProveSubject(*pages_, root_, list.subject).value();
    list.map_entry = EntryAt(map_index_);
    for (const std::uint64_t index : indexes) list.entries.push_back(EntryAt(index));
    list.checkpoint = log_.Serve({{witness_, witness_signer_.get()}}).at("checkpoint");
    return list;
  }
  Policy BelievedPolicy() const {
    return Policy::Parse("log " + log_.key.ToString() + "\nwitness w " + witness_.ToString() + "\nquorum w\n").value();
  }
  // What a verifier says of it; "" when it is believed.
  std::string Judge(const SubjectList& list) const {
    const auto parsed = SubjectList::Parse(list.Serialize());
    if (!parsed.ok()) return std::string(parsed.status().message());
    EXPECT_EQ(parsed->Serialize(), list.Serialize());
    return std::string(parsed->Verify(BelievedPolicy()).status().message());
  }

  const SubjectValue a_count_{3, 5};
  const SubjectValue b_count_{2, 4};
  std::unique_ptr<Signer> author_ = NewSigner();
  std::unique_ptr<Signer> witness_signer_ = NewSigner();
  NoteVerifier witness_ =
      NoteVerifier::Create("witness.example", kNoteCosignatureV1, witness_signer_->public_key().ed25519()).value();
  ServedLog log_{kOrigin};
  std::unique_ptr<SubjectPages> pages_;
  Hash root_{};
  std::uint64_t map_index_ = 0;
};

TEST_F(SubjectListOf, ACompleteListIsBelieved) {
  const auto verified = SubjectList::Parse(ListOf('a', {0, 3, 5}).Serialize()).value().Verify(BelievedPolicy());
  ASSERT_TRUE(verified.ok()) << verified.status();
  EXPECT_EQ(verified->covered, 6u);
  EXPECT_EQ(verified->map_index, 6u);
  EXPECT_EQ(verified->covered_at, absl::FromUnixSeconds(1'700'000'000));
  ASSERT_EQ(verified->entries.size(), 3u);
  EXPECT_EQ(verified->entries[2].first, 5u);
  EXPECT_EQ(verified->entries[2].second.entry.subject(), Subject('a'));
}

TEST_F(SubjectListOf, AnOldMapIsOldUnderANewCheckpoint) {
  const auto verified = ListOf('a', {0, 3, 5}).Verify(BelievedPolicy());
  ASSERT_TRUE(verified.ok()) << verified.status();
  EXPECT_GT(verified->witnessed_at, verified->covered_at);
  EXPECT_FALSE(verified->CoversAll());
  EXPECT_EQ(verified->AsOf(), verified->covered_at);
  AddMap(8, {4, 7}, b_count_);
  const auto all = ListOf('a', {0, 3, 5, 7}).Verify(BelievedPolicy());
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_TRUE(all->CoversAll());
  EXPECT_EQ(all->AsOf(), all->witnessed_at);
  // Nothing but an entry of nobody came, which the list cannot know.
  AddEntry('-');
  EXPECT_FALSE(ListOf('a', {0, 3, 5, 7}).Verify(BelievedPolicy())->CoversAll());
  AddMap(7, {3, 5}, b_count_);
  EXPECT_FALSE(ListOf('a', {0, 3, 5}).Verify(BelievedPolicy())->CoversAll());
}

TEST_F(SubjectListOf, ASubjectWithoutEntriesIsProvedToHaveNone) {
  EXPECT_EQ(Judge(ListOf('c', {})), "");
  EXPECT_THAT(Judge(ListOf('c', {1})), HasSubstr("shows 1 entries, the map counts 0"));
}

TEST_F(SubjectListOf, AnEntryKeptBackIsFound) {
  EXPECT_THAT(Judge(ListOf('a', {0, 3})), HasSubstr("shows 2 entries, the map counts 3"));
  EXPECT_THAT(Judge(ListOf('a', {})), HasSubstr("shows 0 entries, the map counts 3"));
}

TEST_F(SubjectListOf, AnEntryShownTwiceOrOfAnotherDoesNotMakeUpForOne) {
  EXPECT_THAT(Judge(ListOf('a', {0, 3, 3})), HasSubstr("each once"));
  EXPECT_THAT(Judge(ListOf('a', {3, 0, 5})), HasSubstr("each once"));
  EXPECT_THAT(Judge(ListOf('a', {0, 1, 5})), HasSubstr("leaf 1 is of another subject"));
  EXPECT_THAT(Judge(ListOf('a', {0, 2, 5})), HasSubstr("leaf 2 is of another subject"));
  EXPECT_THAT(Judge(ListOf('a', {0, 3, 7})), HasSubstr("past what the map covers"));
}

TEST_F(SubjectListOf, AnotherSubjectsProofIsRefused) {
  SubjectList list = ListOf('a', {});
  list.map = ListOf('c', {}).map;
  EXPECT_NE(Judge(list), "");
  list = ListOf('b', {1, 4});
  list.subject = Subject('a');
  EXPECT_NE(Judge(list), "");
}

TEST_F(SubjectListOf, AnEntryThatIsNoMapOrNotInTheLogIsRefused) {
  SubjectList list = ListOf('a', {0, 3, 5});
  list.map_entry = EntryAt(0);
  EXPECT_THAT(Judge(list), HasSubstr("leaf 0 is no SUBJECT_MAP"));
  list = ListOf('a', {0, 3, 5});
  list.entries[1].leaf = log_.leaves[4];
  EXPECT_THAT(Judge(list), HasSubstr("leaf 3"));
  list = ListOf('a', {0, 3, 5});
  list.checkpoint = log_.Serve({}).at("checkpoint");
  EXPECT_NE(Judge(list), "");
}

// Offline a list can only be as true as its map: that the root was made from the entries is what verifiers and mirrors find. Both together
// leave a lie no place.
TEST_F(SubjectListOf, AListUnderALyingMapIsCaughtByWhoeverMakesTheMapAgain) {
  AddMap(8, {3, 7}, b_count_);
  EXPECT_EQ(Judge(ListOf('a', {3, 5, 7})), "");
  SubjectAuditor auditor;
  std::string found;
  for (std::uint64_t i = 0; i < log_.leaves.size(); ++i)
    if (const auto status = auditor.Add(i, ParseLeaf(log_.leaves[i]).value().entry); !status.ok()) found += std::to_string(i) + ": " + std::string(status.message());
  EXPECT_EQ(found, "8: the subject map is not the one that the first 8 entries make");
}

TEST_F(SubjectListOf, NoChangedByteOfTheFileProvesAnythingElse) {
  const std::string text = ListOf('a', {0, 3, 5}).Serialize();
  const std::size_t end = text.find("\n\n");
  for (std::size_t at = 0; at < end; ++at) {
    std::string changed = text;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    const auto list = SubjectList::Parse(changed);
    EXPECT_FALSE(list.ok() && list->Verify(BelievedPolicy()).ok()) << "byte " << at;
  }
  for (std::size_t size = 0; size < text.size(); size += 7) EXPECT_FALSE(SubjectList::Parse(text.substr(0, size)).ok() && SubjectList::Parse(text.substr(0, size))->Verify(BelievedPolicy()).ok());
}

}  // namespace
}  // namespace custodian::ledger

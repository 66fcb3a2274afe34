#include "ledger/subject_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "ledger/big_endian.h"
#include "tests/support/seeded_random.h"

namespace custodian::ledger {
namespace {

using custodian::testing::SeededRandom;
using ::testing::HasSubstr;

// The root by its definition: no pages, no leaf pulled up, every key looked at bit by bit.
Hash PlainRoot(const std::vector<SubjectLeaf>& leaves, std::size_t depth = 0) {
  if (leaves.empty()) return EmptySubjectRoot();
  if (leaves.size() == 1) return SubjectLeafHash(leaves.front());
  std::vector<SubjectLeaf> left, right;
  for (const SubjectLeaf& leaf : leaves) ((leaf.key[depth / 8] >> (7 - depth % 8) & 1) != 0 ? right : left).push_back(leaf);
  return SubjectNodeHash(PlainRoot(left, depth + 1), PlainRoot(right, depth + 1));
}
Hash PlainRoot(const SubjectChanges& map) {
  std::vector<SubjectLeaf> leaves;
  for (const auto& [key, value] : map) leaves.push_back({key, value});
  return PlainRoot(leaves);
}

std::string SubjectOf(std::uint64_t n) { return BigEndian(0x5ab1ec7, 8) + BigEndian(n, 8); }

// Remembers what it holds, and damages it on demand.
class TestPages final : public SubjectPages {
 public:
  absl::StatusOr<std::map<std::string, std::string>> Read(const std::vector<std::string>& prefixes) override {
    ++reads;
    if (!failure.ok()) return failure;
    std::map<std::string, std::string> found;
    for (const std::string& prefix : prefixes)
      if (held.contains(prefix)) found[prefix] = held[prefix];
    return found;
  }
  absl::Status Write(const std::map<std::string, std::string>& pages) override {
    if (!failure.ok()) return failure;
    for (const auto& [prefix, bytes] : pages) {
      EXPECT_LE(bytes.size(), kSubjectPageBytesMax);
      held[prefix] = bytes;
    }
    return absl::OkStatus();
  }
  std::map<std::string, std::string> held;
  absl::Status failure;
  int reads = 0;
};

// A map and the plain copy of it, grown by batches of any size.
struct GrownMap {
  TestPages pages;
  Hash root = EmptySubjectRoot();
  SubjectChanges plain;
  std::uint64_t log_size = 0;

  void Add(const std::vector<std::string>& subjects) {
    SubjectChanges changes;
    for (const std::string& subject : subjects) {
      for (SubjectChanges* map : {&changes, &plain}) {
        SubjectValue& value = (*map)[SubjectKey(subject)];
        ++value.count;
        value.last_index = log_size;
      }
      ++log_size;
    }
    root = ApplySubjectChanges(pages, root, changes).value();
  }
};

TEST(SubjectMap, RootsAndProofsAreThoseOfTheDefinition) {
  SeededRandom random;
  SCOPED_TRACE(random.seed());
  for (const std::uint64_t subjects : {1, 2, 3, 17, 300, 2000}) {
    GrownMap map;
    for (int batch = 0; batch < 6; ++batch) {
      std::vector<std::string> added;
      const std::uint64_t count = random.Below(subjects + 1);
      for (std::uint64_t i = 0; i < count; ++i) added.push_back(SubjectOf(random.Below(subjects)));
      map.Add(added);
      ASSERT_EQ(map.root, PlainRoot(map.plain));
    }
    for (std::uint64_t i = 0; i < std::min<std::uint64_t>(2 * subjects, 200); ++i) {
      const std::string subject = SubjectOf(i);
      const auto proof = ProveSubject(map.pages, map.root, subject);
      ASSERT_TRUE(proof.ok()) << proof.status();
      const auto known = map.plain.find(SubjectKey(subject));
      EXPECT_EQ(proof->Verify(map.root, subject).value(), known == map.plain.end() ? SubjectValue() : known->second);
      const auto again = SubjectMapProof::Parse(proof->Serialize());
      ASSERT_TRUE(again.ok()) << again.status();
      EXPECT_EQ(again->Serialize(), proof->Serialize());
      EXPECT_EQ(again->Verify(map.root, subject).value(), proof->Verify(map.root, subject).value());
    }
  }
}

TEST(SubjectMap, TheOrderAndTheBatchesDoNotMatter) {
  std::vector<std::string> subjects;
  for (std::uint64_t i = 0; i < 500; ++i) subjects.push_back(SubjectOf(i % 170));
  GrownMap at_once, one_by_one;
  at_once.Add(subjects);
  for (const std::string& subject : subjects) one_by_one.Add({subject});
  EXPECT_EQ(at_once.root, one_by_one.root);
  EXPECT_TRUE(at_once.pages.held == one_by_one.pages.held);
}

TEST(SubjectMap, KeysThatDifferLateGetAPageForEachFourBits) {
  TestPages pages;
  SubjectChanges changes;
  Hash key{};
  key.fill(0xa5);
  changes[key] = {1, 1};
  Hash twin = key;
  twin[31] ^= 1;
  changes[twin] = {2, 3};
  Hash other = key;
  other[20] ^= 0x80;
  changes[other] = {4, 9};
  const Hash root = ApplySubjectChanges(pages, EmptySubjectRoot(), changes).value();
  EXPECT_EQ(root, PlainRoot(changes));
  EXPECT_EQ(pages.held.size(), 64u);
  // And one after the other, which pushes the first leaf down.
  TestPages others;
  Hash grown = EmptySubjectRoot();
  for (const auto& change : changes) grown = ApplySubjectChanges(others, grown, {change}).value();
  EXPECT_EQ(grown, root);
  EXPECT_TRUE(others.held == pages.held);
}

TEST(SubjectMap, NoChangedByteOfAProofProvesAnythingElse) {
  GrownMap map;
  std::vector<std::string> subjects;
  for (std::uint64_t i = 0; i < 40; ++i) subjects.push_back(SubjectOf(i));
  map.Add(subjects);
  for (const std::uint64_t n : {3, 39, 40, 41, 47}) {
    const std::string bytes = ProveSubject(map.pages, map.root, SubjectOf(n)).value().Serialize();
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
      std::string changed = bytes;
      changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
      const auto proof = SubjectMapProof::Parse(changed);
      EXPECT_FALSE(proof.ok() && proof->Verify(map.root, SubjectOf(n)).ok()) << n << " bit " << bit;
    }
    EXPECT_FALSE(SubjectMapProof::Parse(bytes.substr(0, bytes.size() - 1)).ok());
    EXPECT_FALSE(SubjectMapProof::Parse(bytes + "x").ok());
    EXPECT_FALSE(SubjectMapProof::Parse(bytes).value().Verify(PlainRoot(SubjectChanges()), SubjectOf(n)).ok());
  }
}

TEST(SubjectMap, APresentSubjectCannotBeShownAsAbsent) {
  GrownMap map;
  std::vector<std::string> subjects;
  for (std::uint64_t i = 0; i < 64; ++i) subjects.push_back(SubjectOf(i));
  map.Add(subjects);
  const SubjectMapProof proof = ProveSubject(map.pages, map.root, SubjectOf(5)).value();
  // Nothing at its place, or another leaf; and any shorter path with either.
  for (std::size_t depth = 0; depth <= proof.siblings.size(); ++depth) {
    SubjectMapProof forged = proof;
    forged.siblings.resize(depth);
    forged.leaf.reset();
    EXPECT_FALSE(forged.Verify(map.root, SubjectOf(5)).ok());
    forged.leaf = SubjectLeaf{SubjectKey(SubjectOf(6)), {1, 6}};
    EXPECT_FALSE(forged.Verify(map.root, SubjectOf(5)).ok());
  }
  // The proof of another subject says nothing of this one, although it is true.
  for (std::uint64_t i = 0; i < 64; ++i) {
    if (i != 5) {
      EXPECT_FALSE(ProveSubject(map.pages, map.root, SubjectOf(i)).value().Verify(map.root, SubjectOf(5)).ok());
    }
  }
  SubjectMapProof fewer = proof;
  fewer.leaf->value.count = 0;
  EXPECT_THAT(fewer.Verify(map.root, SubjectOf(5)).status().message(), HasSubstr("counts no entry"));
}

TEST(SubjectMap, AnEmptyMapHasNobody) {
  TestPages pages;
  const SubjectMapProof proof = ProveSubject(pages, EmptySubjectRoot(), SubjectOf(1)).value();
  EXPECT_EQ(proof.Verify(EmptySubjectRoot(), SubjectOf(1)).value(), SubjectValue());
  EXPECT_EQ(ApplySubjectChanges(pages, EmptySubjectRoot(), {}).value(), EmptySubjectRoot());
  EXPECT_FALSE(proof.Verify(EmptySubjectRoot(), "short").ok());
}

TEST(SubjectMap, ADamagedPageIsFoundBeforeItBecomesARoot) {
  GrownMap map;
  std::vector<std::string> subjects;
  for (std::uint64_t i = 0; i < 300; ++i) subjects.push_back(SubjectOf(i));
  map.Add(subjects);
  SubjectChanges all;
  for (const std::string& subject : subjects) all[SubjectKey(subject)] = {1, 1000};
  const std::map<std::string, std::string> sound = map.pages.held;
  for (const auto& [prefix, bytes] : sound) {
    for (const std::size_t at : {std::size_t{0}, bytes.size() / 2, bytes.size() - 1}) {
      map.pages.held[prefix][at] = static_cast<char>(bytes[at] ^ 1);
      const auto before = map.pages.held;
      EXPECT_TRUE(absl::IsDataLoss(ApplySubjectChanges(map.pages, map.root, all).status())) << prefix.size() << " byte " << at;
      EXPECT_TRUE(map.pages.held == before);
      map.pages.held = sound;
    }
    map.pages.held.erase(prefix);
    EXPECT_TRUE(absl::IsDataLoss(ApplySubjectChanges(map.pages, map.root, all).status()));
    map.pages.held = sound;
  }
  map.pages.failure = absl::UnavailableError("gone");
  EXPECT_TRUE(absl::IsUnavailable(ApplySubjectChanges(map.pages, map.root, all).status()));
  EXPECT_TRUE(absl::IsUnavailable(ProveSubject(map.pages, map.root, SubjectOf(1)).status()));
  map.pages.failure = absl::OkStatus();
  EXPECT_TRUE(ApplySubjectChanges(map.pages, map.root, all).ok());
}

TEST(SubjectMap, ReadsGoLevelByLevelHoweverManyChange) {
  GrownMap map;
  std::vector<std::string> subjects;
  for (std::uint64_t i = 0; i < 4'000; ++i) subjects.push_back(SubjectOf(i));
  map.Add(subjects);
  map.pages.reads = 0;
  map.Add(subjects);
  EXPECT_LE(map.pages.reads, 10);
}

}  // namespace
}  // namespace custodian::ledger

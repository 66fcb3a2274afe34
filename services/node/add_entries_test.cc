#include "services/node/add_entries.h"

#include <gtest/gtest.h>

#include "tests/support/known_log.h"

namespace custodian::node {
namespace {

std::vector<ledger::Hash> Hashes(std::size_t count) {
  std::vector<ledger::Hash> hashes;
  for (std::size_t i = 0; i < count; ++i) hashes.push_back(ledger::LeafHash(std::to_string(i)));
  return hashes;
}

TEST(AddEntries, PackagesAreTheBundlesOfTheUpload) {
  const auto expect = [](std::uint64_t start, std::uint64_t upload_end, std::uint64_t first, std::uint64_t end) {
    const PackageRange range = PackageAt(start, upload_end);
    EXPECT_EQ(range.first, first);
    EXPECT_EQ(range.start, start);
    EXPECT_EQ(range.end, end);
  };
  expect(0, 1, 0, 1);
  expect(0, 256, 0, 256);
  expect(0, 257, 0, 256);
  expect(256, 257, 256, 257);
  expect(300, 700, 256, 512);
  expect(512, 700, 512, 700);
  expect(UINT64_MAX - 1, UINT64_MAX, UINT64_MAX - 255, UINT64_MAX);
}

// As draft-ietf-plants-merkle-tree-certs-03, section 4.4, would make it: the verifier of that section takes it and no other.
TEST(AddEntries, ProofOfAPackageIsTheSubtreesConsistencyProof) {
  const std::vector<ledger::Hash> all = Hashes(1'300);
  for (std::uint64_t size = 1; size <= all.size(); size += size < 20 || (size > 250 && size < 262) ? 1 : 83) {
    const auto hashes = std::span(all).first(size);
    const ledger::Hash root = ledger::RootOf(hashes);
    for (std::uint64_t start = 0; start < size; start += 256) {
      const PackageRange range = PackageAt(start, size);
      auto proof = PackageProof(range, [&](std::uint64_t index) { return ledger::InclusionProof(index, size, testing::ReaderOf(hashes)); }).value();
      const ledger::Hash subtree = ledger::RootOf(hashes.subspan(range.first, range.end - range.first));
      EXPECT_TRUE(ledger::VerifySubtreeConsistency(range.first, range.end, size, proof, subtree, root).ok()) << start << " of " << size;
      if (!proof.empty()) {
        proof.back()[0] ^= 1;
        EXPECT_FALSE(ledger::VerifySubtreeConsistency(range.first, range.end, size, proof, subtree, root).ok());
        proof.pop_back();
        EXPECT_FALSE(ledger::VerifySubtreeConsistency(range.first, range.end, size, proof, subtree, root).ok());
      }
      proof.emplace_back();
      EXPECT_FALSE(ledger::VerifySubtreeConsistency(range.first, range.end, size, proof, subtree, root).ok());
    }
  }
}

TEST(AddEntries, BytesAreThoseOfTheSpecification) {
  const AddEntriesHead head{"o", 1, 3, "t"};
  EntryPackage package;
  package.range = PackageAt(1, 3);
  package.entries = {"ab", ""};
  package.proof = {ledger::Hash{}};
  std::string expected("\0\1o\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\3\0\1t\0\2ab\0\0\1", 29);
  expected += std::string(32, '\0');
  EXPECT_EQ(SerializeAddEntries(head, {package}).value(), expected);
  auto reader = AddEntriesReader::Open(expected).value();
  EXPECT_EQ(reader.head().origin, "o");
  EXPECT_EQ(reader.head().upload_start, 1u);
  EXPECT_EQ(reader.head().upload_end, 3u);
  EXPECT_EQ(reader.head().ticket, "t");
  const auto read = reader.Next();
  ASSERT_TRUE(read);
  EXPECT_EQ(read->entries, package.entries);
  EXPECT_EQ(read->proof, package.proof);
  EXPECT_FALSE(reader.Next());
  // Of what is cut off, the head or the package is missing.
  for (std::size_t size = 0; size < expected.size(); ++size) {
    auto cut = AddEntriesReader::Open(std::string_view(expected).substr(0, size));
    EXPECT_EQ(cut.ok(), size >= 22) << size;
    if (cut.ok()) {
      EXPECT_FALSE(cut->Next()) << size;
    }
  }
}

TEST(AddEntries, MoreThan63HashesAreNoProof) {
  EntryPackage package;
  package.range = PackageAt(0, 1);
  package.entries = {"a"};
  package.proof.resize(63);
  std::string body = SerializeAddEntries({"o", 0, 1, ""}, {package}).value();
  EXPECT_TRUE(AddEntriesReader::Open(body)->Next());
  package.proof.resize(64);
  EXPECT_FALSE(SerializeAddEntries({"o", 0, 1, ""}, {package}).ok());
  body[body.size() - 63 * 32 - 1] = 64;
  EXPECT_FALSE(AddEntriesReader::Open(body + std::string(32, '\0'))->Next());
}

TEST(AddEntries, UploadThatEndsBeforeItStartsIsRefused) {
  EXPECT_FALSE(AddEntriesReader::Open(SerializeAddEntries({"o", 2, 1, ""}, {}).value()).ok());
  EXPECT_FALSE(SerializeAddEntries({std::string(65'536, 'o'), 0, 0, ""}, {}).ok());
}

TEST(MirrorInfo, IsThreeLinesAndNothingElse) {
  const MirrorInfo info = MirrorInfo::Parse("700\n300\ndGlja2V0\n").value();
  EXPECT_EQ(info.size, 700u);
  EXPECT_EQ(info.next_entry, 300u);
  EXPECT_EQ(info.ticket, "ticket");
  EXPECT_EQ(info.Serialize(), "700\n300\ndGlja2V0\n");
  EXPECT_EQ((MirrorInfo{0, 0, ""}.Serialize()), "0\n0\n\n");
  EXPECT_TRUE(MirrorInfo::Parse("0\n0\n\n").ok());
  for (const char* text : {"", "1\n", "1\n2\n", "1\n2\n\n\n", "1\n2\n!\n", "01\n2\n\n", "-1\n2\n\n", "1\n2\n ", "1\r\n2\r\n\r\n"})
    EXPECT_FALSE(MirrorInfo::Parse(text).ok()) << text;
}

}  // namespace
}  // namespace custodian::node

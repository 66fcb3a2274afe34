#include "ledger/tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidjson/document.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ledger/base64.h"

namespace custodian::ledger {
namespace {

Hash Leaf(std::uint64_t i) { return LeafHash("leaf " + std::to_string(i)); }

std::vector<Hash> Leaves(std::uint64_t count) {
  std::vector<Hash> hashes;
  for (std::uint64_t i = 0; i < count; ++i) hashes.push_back(Leaf(i));
  return hashes;
}

// Merkle Tree Hash as RFC 6962 section 2.1 writes it, the independent peer of everything here.
Hash TreeHash(std::span<const Hash> leaves) {
  if (leaves.empty()) return EmptyRoot();
  if (leaves.size() == 1) return leaves[0];
  std::size_t k = 1;
  while (k * 2 < leaves.size()) k *= 2;
  return NodeHash(TreeHash(leaves.first(k)), TreeHash(leaves.subspan(k)));
}

NodeReader ReaderOf(const std::vector<Hash>& leaves) {
  return [&leaves](unsigned level, std::uint64_t index) -> absl::StatusOr<Hash> {
    const std::uint64_t first = index << level;
    const std::uint64_t count = std::uint64_t{1} << level;
    if (first + count > leaves.size()) return absl::OutOfRangeError("not a complete subtree");
    return TreeHash(std::span(leaves).subspan(first, count));
  };
}

TEST(Tree, EmptyRootIsTheHashOfNothing) {
  EXPECT_EQ(Base64Encode(AsBytes(EmptyRoot())), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
  EXPECT_EQ(CompactRange().Root(), EmptyRoot());
}

TEST(Tree, CompactRangeHasTheRootOfRfc6962AtEverySize) {
  const std::vector<Hash> leaves = Leaves(300);
  CompactRange range;
  for (std::uint64_t size = 0; size <= 300; ++size) {
    EXPECT_EQ(range.Root(), TreeHash(std::span(leaves).first(size))) << size;
    const absl::StatusOr<CompactRange> again = CompactRange::Create(size, range.nodes());
    ASSERT_TRUE(again.ok()) << size;
    EXPECT_EQ(again->Root(), range.Root());
    if (size < 300) range.Append(leaves[size]);
  }
  EXPECT_FALSE(CompactRange::Create(5, range.nodes()).ok());
}

TEST(Tree, EveryInclusionProofVerifiesAndNoOtherPlaceDoes) {
  const std::vector<Hash> leaves = Leaves(70);
  const NodeReader read = ReaderOf(leaves);
  for (std::uint64_t size = 1; size <= leaves.size(); ++size) {
    const Hash root = TreeHash(std::span(leaves).first(size));
    for (std::uint64_t index = 0; index < size; ++index) {
      const absl::StatusOr<std::vector<Hash>> proof = InclusionProof(index, size, read);
      ASSERT_TRUE(proof.ok()) << proof.status();
      EXPECT_TRUE(VerifyInclusion(index, size, leaves[index], *proof, root).ok()) << index << " of " << size;
      EXPECT_FALSE(VerifyInclusion(index ^ 1, size, leaves[index], *proof, root).ok()) << index << " of " << size;
      EXPECT_FALSE(VerifyInclusion(index, size, Leaf(1000), *proof, root).ok());
    }
  }
  EXPECT_EQ(InclusionProof(5, 5, read).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(Tree, EveryConsistencyProofVerifiesAndNoOtherRootDoes) {
  const std::vector<Hash> leaves = Leaves(70);
  const NodeReader read = ReaderOf(leaves);
  for (std::uint64_t size = 1; size <= leaves.size(); ++size) {
    const Hash root = TreeHash(std::span(leaves).first(size));
    for (std::uint64_t old_size = 1; old_size <= size; ++old_size) {
      const Hash old_root = TreeHash(std::span(leaves).first(old_size));
      const absl::StatusOr<std::vector<Hash>> proof = ConsistencyProof(old_size, size, read);
      ASSERT_TRUE(proof.ok()) << proof.status();
      EXPECT_TRUE(VerifyConsistency(old_size, size, *proof, old_root, root).ok()) << old_size << " to " << size;
      EXPECT_FALSE(VerifyConsistency(old_size, size, *proof, Leaf(1000), root).ok()) << old_size << " to " << size;
      EXPECT_FALSE(VerifyConsistency(old_size, size, *proof, old_root, Leaf(1000)).ok()) << old_size << " to " << size;
    }
  }
  EXPECT_EQ(ConsistencyProof(6, 5, read).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(Tree, ReaderFailureEndsAProof) {
  const NodeReader read = [](unsigned, std::uint64_t) -> absl::StatusOr<Hash> { return absl::UnavailableError("gone"); };
  EXPECT_EQ(InclusionProof(1, 5, read).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ConsistencyProof(3, 5, read).status().code(), absl::StatusCode::kUnavailable);
}

TEST(Base64, HasOneEncodingPerValue) {
  EXPECT_EQ(Base64Decode("AA==").value(), std::string(1, '\0'));
  for (const char* text : {"AA", "AB==", "AA=", " AA==", "AA==\n", "_-==", "A"}) EXPECT_FALSE(Base64Decode(text).ok()) << text;
}

// The vectors of tests/vectors/merkle: one file a case, found by listing so that none is forgotten.
struct MerkleVector {
  std::map<std::string, std::uint64_t> numbers;
  std::map<std::string, std::string> hashes;
  std::vector<std::string> proof;
  bool want_error = false;
};

MerkleVector ReadVector(const std::filesystem::path& path) {
  std::ifstream file(path);
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  rapidjson::Document document;
  document.Parse(text.c_str());
  MerkleVector vector;
  for (const auto& member : document.GetObject()) {
    const std::string name = member.name.GetString();
    if (name == "wantErr") {
      vector.want_error = member.value.GetBool();
    } else if (name == "proof") {
      if (member.value.IsArray())
        for (const auto& hash : member.value.GetArray()) vector.proof.push_back(Base64Decode(hash.GetString()).value());
    } else if (member.value.IsUint64()) {
      vector.numbers[name] = member.value.GetUint64();
    } else if (name != "desc") {
      vector.hashes[name] = Base64Decode(member.value.GetString()).value();
    }
  }
  return vector;
}

// Some vectors use other lengths than 32 for "some root"; our type cannot hold these. An empty one is no hash and refused; the
// others are widened by hashing, which keeps equal ones equal.
std::optional<Hash> Widen(const std::string& bytes) {
  if (bytes.empty()) return std::nullopt;
  const absl::StatusOr<Hash> hash = HashFromBytes(bytes);
  return hash.ok() ? *hash : Sha256(bytes);
}

absl::Status Judge(const std::string& what, MerkleVector& vector) {
  std::vector<Hash> proof;
  for (const std::string& bytes : vector.proof) {
    const absl::StatusOr<Hash> hash = HashFromBytes(bytes);
    if (!hash.ok()) return hash.status();
    proof.push_back(*hash);
  }
  std::map<std::string, Hash> hashes;
  for (const auto& [name, bytes] : vector.hashes) {
    const std::optional<Hash> hash = Widen(bytes);
    if (!hash) return absl::InvalidArgumentError(name + " is no hash");
    hashes[name] = *hash;
  }
  auto& n = vector.numbers;
  if (what == "inclusion")
    return VerifyInclusion(n.at("leafIdx"), n.at("treeSize"), hashes.at("leafHash"), proof, hashes.at("root"));
  if (what == "subtreeinclusion")
    return VerifySubtreeInclusion(n.at("leafIdx"), n.at("start"), n.at("end"), hashes.at("leafHash"), proof, hashes.at("root"));
  if (what == "consistency")
    return VerifyConsistency(n.at("size1"), n.at("size2"), proof, hashes.at("root1"), hashes.at("root2"));
  if (what == "subtreeconsistency")
    return VerifySubtreeConsistency(n.at("start"), n.at("end"), n.at("size"), proof, hashes.at("root1"), hashes.at("root2"));
  return absl::UnimplementedError("no such kind of vector: " + what);
}

TEST(MerkleVectors, EachIsAcceptedOrRefusedAsItSays) {
  std::map<std::string, int> accepted;
  std::map<std::string, int> refused;
  for (const auto& kind : std::filesystem::directory_iterator("tests/vectors/merkle")) {
    const std::string what = kind.path().filename();
    for (const auto& file : std::filesystem::recursive_directory_iterator(kind.path())) {
      if (!file.is_regular_file()) continue;
      ASSERT_EQ(file.path().extension(), ".json") << file.path();
      MerkleVector vector = ReadVector(file.path());
      const absl::Status status = Judge(what, vector);
      EXPECT_NE(status.code(), absl::StatusCode::kUnimplemented) << status;
      EXPECT_EQ(status.ok(), !vector.want_error) << file.path() << ": " << status;
      ++(vector.want_error ? refused : accepted)[what];
    }
  }
  for (const char* what : {"inclusion", "consistency", "subtreeinclusion", "subtreeconsistency"}) {
    EXPECT_GE(accepted[what], 6) << what;
    EXPECT_GE(refused[what], 90) << what;
  }
}

}  // namespace
}  // namespace custodian::ledger

// Trees, proofs and tiles of random sizes against the recursions of RFC 6962, section 2.1, written down here as they stand there.
#include <gtest/gtest.h>

#include <map>
#include <span>
#include <string>
#include <vector>

#include "ledger/tiles.h"
#include "ledger/tree.h"
#include "tests/support/seeded_random.h"

namespace custodian::ledger {
namespace {

using custodian::testing::SeededRandom;

// The largest power of two smaller than n.
std::uint64_t SplitOf(std::uint64_t n) {
  std::uint64_t k = 1;
  while (k <= (n - 1) / 2) k *= 2;
  return k;
}

// MTH, PATH and SUBPROOF over leaves [first, first + count).
class Naive {
 public:
  virtual ~Naive() = default;
  virtual Hash TreeHash(std::uint64_t first, std::uint64_t count) = 0;

  std::vector<Hash> Path(std::uint64_t index, std::uint64_t first, std::uint64_t count) {
    if (count == 1) return {};
    const std::uint64_t k = SplitOf(count);
    std::vector<Hash> path = index < k ? Path(index, first, k) : Path(index - k, first + k, count - k);
    path.push_back(index < k ? TreeHash(first + k, count - k) : TreeHash(first, k));
    return path;
  }
  std::vector<Hash> Proof(std::uint64_t old_size, std::uint64_t size) { return Subproof(old_size, 0, size, true); }

 private:
  std::vector<Hash> Subproof(std::uint64_t m, std::uint64_t first, std::uint64_t count, bool complete) {
    if (m == count) return complete ? std::vector<Hash>() : std::vector<Hash>{TreeHash(first, count)};
    const std::uint64_t k = SplitOf(count);
    std::vector<Hash> proof = m <= k ? Subproof(m, first, k, complete) : Subproof(m - k, first + k, count - k, false);
    proof.push_back(m <= k ? TreeHash(first + k, count - k) : TreeHash(first, k));
    return proof;
  }
};

class NaiveTree final : public Naive {
 public:
  explicit NaiveTree(std::span<const Hash> leaves) : leaves_(leaves) {}
  Hash TreeHash(std::uint64_t first, std::uint64_t count) override {
    if (count == 0) return Sha256("");
    if (count == 1) return leaves_[first];
    const std::uint64_t k = SplitOf(count);
    return NodeHash(TreeHash(first, k), TreeHash(first + k, count - k));
  }

 private:
  std::span<const Hash> leaves_;
};

// All leaves equal: a root depends on the count alone, so that trees may be of any size.
class EqualLeaves final : public Naive {
 public:
  Hash TreeHash(std::uint64_t /*first*/, std::uint64_t count) override {
    if (count == 1) return leaf_;
    const auto found = roots_.find(count);
    if (found != roots_.end()) return found->second;
    const std::uint64_t k = SplitOf(count);
    const Hash root = NodeHash(TreeHash(0, k), TreeHash(0, count - k));
    return roots_.emplace(count, root).first->second;
  }
  NodeReader Reader() {
    return [this](unsigned level, std::uint64_t) -> absl::StatusOr<Hash> { return TreeHash(0, std::uint64_t{1} << level); };
  }

 private:
  const Hash leaf_ = LeafHash("the same");
  std::map<std::uint64_t, Hash> roots_;
};

// Whatever is changed, left out, put in or moved in a proof, it no longer is one.
template <typename Verify>
void ExpectOnlyThis(SeededRandom& random, const std::vector<Hash>& proof, Verify verify) {
  ASSERT_TRUE(verify(proof));
  std::vector<Hash> other = proof;
  other.insert(other.begin() + static_cast<std::ptrdiff_t>(random.Below(proof.size() + 1)), Sha256(random.Bytes(8)));
  EXPECT_FALSE(verify(other));
  if (proof.empty()) return;
  const std::size_t at = random.Below(proof.size());
  other = proof;
  other[at][random.Below(32)] ^= static_cast<std::uint8_t>(1 << random.Below(8));
  EXPECT_FALSE(verify(other));
  other = proof;
  other.erase(other.begin() + static_cast<std::ptrdiff_t>(at));
  EXPECT_FALSE(verify(other));
  other = proof;
  std::swap(other[at], other[random.Below(proof.size())]);
  EXPECT_EQ(verify(other), other == proof);
}

TEST(TreeProperty, ProofsOfTreesOfAnySizeAreTheRecursions) {
  SeededRandom random;
  SCOPED_TRACE(random.seed());
  EqualLeaves leaves;
  const NodeReader read = leaves.Reader();
  for (int round = 0; round < 500; ++round) {
    // Of every magnitude, and beside powers of two.
    std::uint64_t size = random.Any() >> random.Below(64);
    if (round % 3 == 0) size = (std::uint64_t{1} << random.Below(64)) + random.Below(3) - 1;
    if (size == 0) size = UINT64_MAX;
    SCOPED_TRACE(size);
    const Hash root = leaves.TreeHash(0, size);
    const std::uint64_t index = random.Below(3) == 0 ? size - 1 : random.Below(size);
    const auto path = InclusionProof(index, size, read);
    ASSERT_TRUE(path.ok()) << path.status();
    EXPECT_EQ(*path, leaves.Path(index, 0, size)) << index;
    const auto verify_path = [&](const std::vector<Hash>& proof) { return VerifyInclusion(index, size, leaves.TreeHash(0, 1), proof, root).ok(); };
    ASSERT_TRUE(verify_path(*path)) << index;
    const std::uint64_t old_size = 1 + random.Below(size);
    SCOPED_TRACE(old_size);
    const auto proof = ConsistencyProof(old_size, size, read);
    ASSERT_TRUE(proof.ok()) << proof.status();
    EXPECT_EQ(*proof, leaves.Proof(old_size, size));
    const Hash old_root = leaves.TreeHash(0, old_size);
    ExpectOnlyThis(random, *proof, [&](const auto& other) { return VerifyConsistency(old_size, size, other, old_root, root).ok(); });
    ExpectOnlyThis(random, *path, verify_path);
  }
}

TEST(TreeProperty, TilesOfAnySizeHoldTheTree) {
  SeededRandom random;
  SCOPED_TRACE(random.seed());
  std::vector<Hash> all;
  for (int i = 0; i < 70'000; ++i) all.push_back(LeafHash(std::to_string(random.Any())));
  std::vector<std::uint64_t> sizes = {0, 1, 255, 256, 257, 65'535, 65'536, 65'537};
  for (int i = 0; i < 8; ++i) sizes.push_back(1 + random.Below(i < 6 ? 3'000 : all.size()));
  for (const std::uint64_t size : sizes) {
    SCOPED_TRACE(size);
    const std::span<const Hash> leaves = std::span(all).first(size);
    NaiveTree naive(leaves);
    CompactRange range;
    std::map<std::string, std::string> made;
    TileBuilder builder([&made](const TilePath& path, const std::string& bytes) { EXPECT_TRUE(made.emplace(path.ToString(), bytes).second); });
    for (const Hash& leaf : leaves) {
      builder.Append(leaf);
      range.Append(leaf);
    }
    builder.EmitPartial();
    const Hash root = naive.TreeHash(0, size);
    EXPECT_EQ(range.Root(), root);
    EXPECT_EQ(RootOf(leaves), root);

    // Hash i of tile n at level l is the root of the complete subtree that it stands for; nothing else is in a tile, and none is missing.
    std::size_t tiles = 0;
    std::map<unsigned, std::uint64_t> hashes;
    for (const TilePath& path : TilesOf(size)) {
      if (path.entries) continue;
      ++tiles;
      ASSERT_TRUE(made.contains(path.ToString())) << path.ToString();
      const std::string& bytes = made[path.ToString()];
      ASSERT_EQ(bytes.size(), path.width * 32u);
      EXPECT_EQ(path.first(), hashes[path.level]);
      const std::uint64_t span = std::uint64_t{1} << (8 * path.level);
      for (unsigned i = 0; i < path.width; ++i)
        ASSERT_EQ(bytes.substr(i * 32, 32), AsBytes(naive.TreeHash((path.first() + i) * span, span))) << path.ToString() << " hash " << i;
      hashes[path.level] += path.width;
    }
    EXPECT_EQ(made.size(), tiles);
    for (const auto& [level, count] : hashes) EXPECT_EQ(count, size >> (8 * level));

    if (size == 0) continue;
    // Proofs that are read from tiles alone.
    const NodeReader read = [&](unsigned level, std::uint64_t index) -> absl::StatusOr<Hash> {
      std::vector<Hash> below;
      const std::uint64_t count = std::uint64_t{1} << (level % 8), first = index * count;
      TilePath path{false, level / 8, first / kTileWidth, kTileWidth};
      if (const std::uint64_t held = size >> (8 * path.level); path.index == held / kTileWidth) path.width = static_cast<unsigned>(held % kTileWidth);
      const std::string& bytes = made[path.ToString()];
      for (std::uint64_t i = first % kTileWidth; i < first % kTileWidth + count; ++i) below.push_back(HashFromBytes(bytes.substr(i * 32, 32)).value());
      return RootOf(below);
    };
    for (int i = 0; i < 4; ++i) {
      const std::uint64_t index = random.Below(size), old_size = 1 + random.Below(size);
      const std::vector<Hash> path = InclusionProof(index, size, read).value();
      EXPECT_EQ(path, naive.Path(index, 0, size));
      ExpectOnlyThis(random, path, [&](const auto& other) { return VerifyInclusion(index, size, leaves[index], other, root).ok(); });
      const std::vector<Hash> proof = ConsistencyProof(old_size, size, read).value();
      EXPECT_EQ(proof, naive.Proof(old_size, size));
      const Hash old_root = naive.TreeHash(0, old_size);
      ExpectOnlyThis(random, proof, [&](const auto& other) { return VerifyConsistency(old_size, size, other, old_root, root).ok(); });
    }
  }
}

}  // namespace
}  // namespace custodian::ledger

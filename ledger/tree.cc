#include "ledger/tree.h"

#include <openssl/evp.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <memory>
#include <utility>

#include "ledger/inclusion_path.h"

namespace custodian::ledger {
namespace {

// SHA-256 over up to three parts, without joining them first.
Hash HashParts(std::string_view a, std::string_view b = {}, std::string_view c = {}) {
  thread_local struct Context {
    EVP_MD_CTX* md = EVP_MD_CTX_new();
    ~Context() { EVP_MD_CTX_free(md); }
  } context;
  // Fetched once: EVP_sha256() is looked up anew by each initialisation, which takes as long as hashing a node.
  static const EVP_MD* const sha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  Hash out;
  unsigned written = 0;
  // Fails only without memory or without a SHA-256 in the library: nothing sensible can follow.
  if (context.md == nullptr || sha256 == nullptr || EVP_DigestInit_ex(context.md, sha256, nullptr) != 1 ||
      EVP_DigestUpdate(context.md, a.data(), a.size()) != 1 || EVP_DigestUpdate(context.md, b.data(), b.size()) != 1 ||
      EVP_DigestUpdate(context.md, c.data(), c.size()) != 1 || EVP_DigestFinal_ex(context.md, out.data(), &written) != 1 ||
      written != out.size())
    std::abort();
  return out;
}

std::uint64_t LargestPowerOfTwoBelow(std::uint64_t n) { return std::bit_floor(n - 1); }

// Root over leaves [low, high), low being a multiple of the smallest power of two that is not below high - low.
absl::StatusOr<Hash> RangeRoot(std::uint64_t low, std::uint64_t high, const NodeReader& read) {
  const std::uint64_t count = high - low;
  if (std::has_single_bit(count)) {
    const unsigned level = static_cast<unsigned>(std::countr_zero(count));
    return read(level, low >> level);
  }
  const std::uint64_t split = low + LargestPowerOfTwoBelow(count);
  const absl::StatusOr<Hash> left = RangeRoot(low, split, read);
  if (!left.ok()) return left;
  const absl::StatusOr<Hash> right = RangeRoot(split, high, read);
  if (!right.ok()) return right;
  return NodeHash(*left, *right);
}

absl::Status AppendRangeRoot(std::uint64_t low, std::uint64_t high, const NodeReader& read, std::vector<Hash>& proof) {
  const absl::StatusOr<Hash> root = RangeRoot(low, high, read);
  if (!root.ok()) return root.status();
  proof.push_back(*root);
  return absl::OkStatus();
}

bool IsSubtree(std::uint64_t start, std::uint64_t end) {
  const std::uint64_t count = end - start;
  // The next power of two after 2^63 has no value here, and of its multiples only 0.
  return count <= (std::uint64_t{1} << 63) ? start % std::bit_ceil(count) == 0 : start == 0;
}

absl::Status RootMismatch() { return absl::InvalidArgumentError("the proof leads to another root"); }

}  // namespace

Hash Sha256(std::string_view bytes) { return HashParts(bytes); }
Hash LeafHash(std::string_view leaf) { return HashParts(std::string_view("\x00", 1), leaf); }
Hash NodeHash(const Hash& left, const Hash& right) {
  return HashParts(std::string_view("\x01", 1), AsBytes(left), AsBytes(right));
}
Hash EmptyRoot() { return HashParts({}); }

Hash RootOf(std::span<const Hash> leaf_hashes) {
  CompactRange range;
  for (const Hash& hash : leaf_hashes) range.Append(hash);
  return range.Root();
}

std::string_view AsBytes(const Hash& hash) { return {reinterpret_cast<const char*>(hash.data()), hash.size()}; }

absl::StatusOr<Hash> HashFromBytes(std::string_view bytes) {
  Hash hash;
  if (bytes.size() != hash.size()) return absl::InvalidArgumentError("a hash has 32 bytes, not " + std::to_string(bytes.size()));
  std::copy(bytes.begin(), bytes.end(), hash.begin());
  return hash;
}

absl::StatusOr<CompactRange> CompactRange::Create(std::uint64_t size, std::vector<Hash> nodes) {
  if (nodes.size() != static_cast<std::size_t>(std::popcount(size)))
    return absl::InvalidArgumentError("a compact range of size " + std::to_string(size) + " has " +
                                      std::to_string(std::popcount(size)) + " nodes, not " + std::to_string(nodes.size()));
  CompactRange range;
  range.size_ = size;
  range.nodes_ = std::move(nodes);
  return range;
}

void CompactRange::Append(const Hash& leaf_hash) {
  Hash node = leaf_hash;
  // Each trailing one-bit of the size is a complete subtree as large as the one just finished.
  for (std::uint64_t bits = size_; (bits & 1) != 0; bits >>= 1) {
    node = NodeHash(nodes_.back(), node);
    nodes_.pop_back();
  }
  nodes_.push_back(node);
  ++size_;
}

Hash CompactRange::Root() const {
  if (nodes_.empty()) return EmptyRoot();
  Hash root = nodes_.back();
  for (std::size_t i = nodes_.size() - 1; i > 0; --i) root = NodeHash(nodes_[i - 1], root);
  return root;
}

absl::StatusOr<std::vector<Hash>> InclusionProof(std::uint64_t index, std::uint64_t size, const NodeReader& read) {
  if (index >= size)
    return absl::InvalidArgumentError("leaf " + std::to_string(index) + " is not in a tree of size " + std::to_string(size));
  // RFC 6962, section 2.1.1, walked from the root down; the proof runs the other way.
  std::vector<Hash> proof;
  std::uint64_t low = 0;
  std::uint64_t high = size;
  while (high - low > 1) {
    const std::uint64_t split = low + LargestPowerOfTwoBelow(high - low);
    const bool left = index < split;
    const absl::Status status = left ? AppendRangeRoot(split, high, read, proof) : AppendRangeRoot(low, split, read, proof);
    if (!status.ok()) return status;
    (left ? high : low) = split;
  }
  std::reverse(proof.begin(), proof.end());
  return proof;
}

NodeReader CompleteSubtrees(std::vector<Hash> leaf_hashes) {
  auto levels = std::make_shared<std::vector<std::vector<Hash>>>();
  levels->push_back(std::move(leaf_hashes));
  while (levels->back().size() > 1) {
    const std::vector<Hash>& below = levels->back();
    std::vector<Hash> level;
    level.reserve(below.size() / 2);
    for (std::size_t i = 0; i + 1 < below.size(); i += 2) level.push_back(NodeHash(below[i], below[i + 1]));
    levels->push_back(std::move(level));
  }
  return [levels](unsigned level, std::uint64_t index) -> absl::StatusOr<Hash> {
    if (level >= levels->size() || index >= (*levels)[level].size()) return absl::OutOfRangeError("no complete subtree there");
    return (*levels)[level][index];
  };
}

absl::StatusOr<std::vector<Hash>> ConsistencyProof(std::uint64_t old_size, std::uint64_t new_size, const NodeReader& read) {
  if (old_size > new_size)
    return absl::InvalidArgumentError("size " + std::to_string(old_size) + " is past size " + std::to_string(new_size));
  std::vector<Hash> proof;
  if (old_size == 0 || old_size == new_size) return proof;
  // RFC 6962, section 2.1.2: SUBPROOF from the root down.
  std::uint64_t low = 0;
  std::uint64_t high = new_size;
  bool old_root_known = true;
  while (old_size != high) {
    const std::uint64_t split = low + LargestPowerOfTwoBelow(high - low);
    const bool left = old_size <= split;
    const absl::Status status = left ? AppendRangeRoot(split, high, read, proof) : AppendRangeRoot(low, split, read, proof);
    if (!status.ok()) return status;
    if (!left) old_root_known = false;
    (left ? high : low) = split;
  }
  if (!old_root_known) {
    const absl::Status status = AppendRangeRoot(low, high, read, proof);
    if (!status.ok()) return status;
  }
  std::reverse(proof.begin(), proof.end());
  return proof;
}

absl::StatusOr<Hash> RootFromInclusionProof(std::uint64_t index, std::uint64_t size, const Hash& leaf_hash,
                                            std::span<const Hash> proof) {
  return FollowInclusionProof(index, size, leaf_hash, proof, [](std::size_t, const Hash& left, const Hash& right) { return NodeHash(left, right); });
}

absl::Status VerifyInclusion(std::uint64_t index, std::uint64_t size, const Hash& leaf_hash, std::span<const Hash> proof,
                             const Hash& root) {
  const absl::StatusOr<Hash> computed = RootFromInclusionProof(index, size, leaf_hash, proof);
  if (!computed.ok()) return computed.status();
  return *computed == root ? absl::OkStatus() : RootMismatch();
}

absl::Status VerifyConsistency(std::uint64_t old_size, std::uint64_t new_size, std::span<const Hash> proof, const Hash& old_root,
                               const Hash& new_root) {
  if (old_size == 0) return absl::InvalidArgumentError("a consistency proof from the empty tree says nothing");
  if (old_size > new_size)
    return absl::InvalidArgumentError("size " + std::to_string(old_size) + " is past size " + std::to_string(new_size));
  return VerifySubtreeConsistency(0, old_size, new_size, proof, old_root, new_root);
}

absl::Status VerifySubtreeInclusion(std::uint64_t index, std::uint64_t start, std::uint64_t end, const Hash& leaf_hash,
                                    std::span<const Hash> proof, const Hash& subtree_root) {
  if (start >= end || !IsSubtree(start, end)) return absl::InvalidArgumentError("not a subtree");
  if (index < start || index >= end) return absl::InvalidArgumentError("the leaf is not in the subtree");
  return VerifyInclusion(index - start, end - start, leaf_hash, proof, subtree_root);
}

absl::Status VerifySubtreeConsistency(std::uint64_t start, std::uint64_t end, std::uint64_t size, std::span<const Hash> proof,
                                      const Hash& subtree_root, const Hash& root) {
  if (start > end || end > size) return absl::InvalidArgumentError("the subtree is not in the tree");
  if (start == end) {
    if (!proof.empty()) return absl::InvalidArgumentError("the consistency proof is too long");
    return subtree_root == EmptyRoot() ? absl::OkStatus() : RootMismatch();
  }
  if (!IsSubtree(start, end)) return absl::InvalidArgumentError("not a subtree");
  std::uint64_t fn = start;
  std::uint64_t sn = end - 1;
  std::uint64_t tn = size - 1;
  const bool ends_together = sn == tn;
  while (fn != sn && (ends_together || (sn & 1) != 0)) {
    fn >>= 1;
    sn >>= 1;
    tn >>= 1;
  }
  std::size_t next = 0;
  Hash fr = subtree_root;
  if (fn != sn) {
    if (proof.empty()) return absl::InvalidArgumentError("the consistency proof is too short");
    fr = proof[next++];
  }
  Hash sr = fr;
  for (; next < proof.size(); ++next) {
    if (tn == 0) return absl::InvalidArgumentError("the consistency proof is too long");
    if ((sn & 1) != 0 || sn == tn) {
      if (fn < sn) fr = NodeHash(proof[next], fr);
      sr = NodeHash(proof[next], sr);
      while ((sn & 1) == 0 && sn != 0) {
        fn >>= 1;
        sn >>= 1;
        tn >>= 1;
      }
    } else {
      sr = NodeHash(sr, proof[next]);
    }
    fn >>= 1;
    sn >>= 1;
    tn >>= 1;
  }
  if (tn != 0) return absl::InvalidArgumentError("the consistency proof is too short");
  return fr == subtree_root && sr == root ? absl::OkStatus() : RootMismatch();
}

}  // namespace custodian::ledger

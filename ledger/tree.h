// The RFC 6962 Merkle tree: hashing, the compact range a writer keeps, proofs and their verification. Pure functions and
// values, safe from any thread; never touches storage or clocks. Source: RFC 6962 section 2.1, RFC 9162 section 2.1.3-2.1.5.
#ifndef CUSTODIAN_LEDGER_TREE_H_
#define CUSTODIAN_LEDGER_TREE_H_

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace custodian::ledger {

using Hash = std::array<std::uint8_t, 32>;

// SHA-256 of `bytes`, no domain prefix.
[[nodiscard]] Hash Sha256(std::string_view bytes);
// SHA-256(0x00 || leaf).
[[nodiscard]] Hash LeafHash(std::string_view leaf);
// SHA-256(0x01 || left || right).
[[nodiscard]] Hash NodeHash(const Hash& left, const Hash& right);
// Root of the tree without leaves: SHA-256 of nothing.
[[nodiscard]] Hash EmptyRoot();
// Root over leaf hashes, in order.
[[nodiscard]] Hash RootOf(std::span<const Hash> leaf_hashes);

// The 32 bytes of a hash as a string view / from a 32-byte string (InvalidArgument at another length).
[[nodiscard]] std::string_view AsBytes(const Hash& hash);
[[nodiscard]] absl::StatusOr<Hash> HashFromBytes(std::string_view bytes);

// Roots of the complete subtrees that a tree of `size` leaves consists of, largest first: all a writer must keep.
class CompactRange {
 public:
  CompactRange() = default;
  // InvalidArgument unless there is one node per one-bit of `size`.
  [[nodiscard]] static absl::StatusOr<CompactRange> Create(std::uint64_t size, std::vector<Hash> nodes);

  void Append(const Hash& leaf_hash);
  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] const std::vector<Hash>& nodes() const { return nodes_; }
  [[nodiscard]] Hash Root() const;

 private:
  std::uint64_t size_ = 0;
  std::vector<Hash> nodes_;
};

// Reads the root of the complete subtree of 2^level leaves that begins at leaf index * 2^level.
using NodeReader = std::function<absl::StatusOr<Hash>(unsigned level, std::uint64_t index)>;

// Reads what these leaf hashes make: every complete subtree is hashed once, now, so that many proofs cost no more than reading.
[[nodiscard]] NodeReader CompleteSubtrees(std::vector<Hash> leaf_hashes);

// Proofs, leaf to root as in RFC 6962. InvalidArgument when index >= size, or old_size > new_size.
[[nodiscard]] absl::StatusOr<std::vector<Hash>> InclusionProof(std::uint64_t index, std::uint64_t size, const NodeReader& read);
[[nodiscard]] absl::StatusOr<std::vector<Hash>> ConsistencyProof(std::uint64_t old_size, std::uint64_t new_size,
                                                                 const NodeReader& read);

// OK, or InvalidArgument that says what does not fit.
[[nodiscard]] absl::Status VerifyInclusion(std::uint64_t index, std::uint64_t size, const Hash& leaf_hash,
                                           std::span<const Hash> proof, const Hash& root);
// A proof from the empty tree says nothing and is refused: a caller that has old_size 0 has nothing to check.
[[nodiscard]] absl::Status VerifyConsistency(std::uint64_t old_size, std::uint64_t new_size, std::span<const Hash> proof,
                                             const Hash& old_root, const Hash& new_root);

// The root that an inclusion proof leads to, for callers that hold a signature over the root and not the root itself.
[[nodiscard]] absl::StatusOr<Hash> RootFromInclusionProof(std::uint64_t index, std::uint64_t size, const Hash& leaf_hash,
                                                          std::span<const Hash> proof);

// Proofs about the subtree over leaves [start, end), which must be one as draft-ietf-plants-merkle-tree-certs-03 section 4.1
// defines it: start is a multiple of the smallest power of two that is not below end - start.
[[nodiscard]] absl::Status VerifySubtreeInclusion(std::uint64_t index, std::uint64_t start, std::uint64_t end,
                                                  const Hash& leaf_hash, std::span<const Hash> proof, const Hash& subtree_root);
// Section 4.4.3. The empty subtree (start = end) has the empty root, no proof, and lies in every tree that reaches it.
[[nodiscard]] absl::Status VerifySubtreeConsistency(std::uint64_t start, std::uint64_t end, std::uint64_t size,
                                                    std::span<const Hash> proof, const Hash& subtree_root, const Hash& root);

}  // namespace custodian::ledger

#endif  // CUSTODIAN_LEDGER_TREE_H_

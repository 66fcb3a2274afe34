// The walk from a leaf to the root by an inclusion proof (RFC 9162, section 2.1.3.2), whoever computes the nodes on the way. Pure.
#ifndef CUSTODIAN_LEDGER_INCLUSION_PATH_H_
#define CUSTODIAN_LEDGER_INCLUSION_PATH_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ledger/tree.h"

namespace custodian::ledger {

// As RootFromInclusionProof(); `node(step, left, right)` is the NodeHash of the two, at the step'th hash of the proof.
template <typename Node>
[[nodiscard]] absl::StatusOr<Hash> FollowInclusionProof(std::uint64_t index, std::uint64_t size, const Hash& leaf_hash, std::span<const Hash> proof,
                                                        const Node& node) {
  if (index >= size)
    return absl::InvalidArgumentError("leaf " + std::to_string(index) + " is not in a tree of size " + std::to_string(size));
  std::uint64_t fn = index;
  std::uint64_t sn = size - 1;
  Hash root = leaf_hash;
  for (std::size_t step = 0; step < proof.size(); ++step) {
    if (sn == 0) return absl::InvalidArgumentError("the inclusion proof is too long");
    if ((fn & 1) != 0 || fn == sn) {
      root = node(step, proof[step], root);
      while ((fn & 1) == 0 && fn != 0) {
        fn >>= 1;
        sn >>= 1;
      }
    } else {
      root = node(step, root, proof[step]);
    }
    fn >>= 1;
    sn >>= 1;
  }
  if (sn != 0) return absl::InvalidArgumentError("the inclusion proof is too short");
  return root;
}

}  // namespace custodian::ledger

#endif  // CUSTODIAN_LEDGER_INCLUSION_PATH_H_

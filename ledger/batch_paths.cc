#include "ledger/batch_paths.h"

#include <string>

#include "ledger/inclusion_path.h"

namespace custodian::ledger {

const Hash& BatchPaths::HashOf(std::size_t step, const Hash& left, const Hash& right) {
  // The steps come in order, so one more at most is missing.
  if (step == last_.size()) return last_.emplace_back(Node{left, right, NodeHash(left, right)}).hash;
  Node& last = last_[step];
  if (last.left != left || last.right != right) last = {left, right, NodeHash(left, right)};
  return last.hash;
}

absl::StatusOr<Hash> BatchPaths::RootOf(const v1::SignedEntry& leaf) {
  if (leaf.batch_size() == 0 || leaf.batch_size() > kBatchEntriesMax) return absl::InvalidArgumentError("batch_size must be 1 to 65,536");
  std::vector<Hash> path;
  path.reserve(static_cast<std::size_t>(leaf.batch_path_size()));
  for (const std::string& bytes : leaf.batch_path()) {
    const absl::StatusOr<Hash> hash = HashFromBytes(bytes);
    if (!hash.ok()) return absl::InvalidArgumentError("batch_path must have 32 bytes a hash");
    path.push_back(*hash);
  }
  const auto root = FollowInclusionProof(leaf.batch_index(), leaf.batch_size(), LeafHash(leaf.entry_bytes()), path,
                                         [this](std::size_t step, const Hash& left, const Hash& right) { return HashOf(step, left, right); });
  if (!root.ok()) return absl::InvalidArgumentError("batch_path: " + std::string(root.status().message()));
  return root;
}

}  // namespace custodian::ledger

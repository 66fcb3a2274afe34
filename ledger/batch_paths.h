// Follows the batch paths of leaves, one after the other. Neighbours of one author batch share most nodes of their paths: each is hashed once, which
// is some one a leaf instead of one a level. For one thread.
#ifndef CUSTODIAN_LEDGER_BATCH_PATHS_H_
#define CUSTODIAN_LEDGER_BATCH_PATHS_H_

#include <cstddef>
#include <vector>

#include "absl/status/statusor.h"
#include "ledger/entry.h"
#include "ledger/tree.h"

namespace custodian::ledger {

class BatchPaths {
 public:
  // Says what BatchRootOf(leaf) says.
  [[nodiscard]] absl::StatusOr<Hash> RootOf(const v1::SignedEntry& leaf);

 private:
  struct Node {
    Hash left;
    Hash right;
    Hash hash;
  };
  [[nodiscard]] const Hash& HashOf(std::size_t step, const Hash& left, const Hash& right);

  // Computed last at each step of a path.
  std::vector<Node> last_;
};

}  // namespace custodian::ledger

#endif  // CUSTODIAN_LEDGER_BATCH_PATHS_H_

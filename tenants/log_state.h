// What a partition's writer keeps of its log between commits: the head row, the compact range, and the hashes of the tiles at the
// edge. A value: a commit works on a copy, which replaces the original once the commit is certain.
#ifndef CUSTODIAN_TENANTS_LOG_STATE_H_
#define CUSTODIAN_TENANTS_LOG_STATE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "ledger/tree.h"
#include "tenants/transaction.h"

namespace custodian::tenants {

// A tile of hashes that became full.
struct FullTile {
  unsigned level = 0;
  std::uint64_t index = 0;
  std::string bytes;
};

class LogState {
 public:
  // Reads the committed state. DataLoss when head, batches and tiles do not agree: such a log is not written on.
  [[nodiscard]] static absl::StatusOr<LogState> Load(ReadTransaction& transaction);
  // The same, after whichever transaction still holds the head row has ended.
  [[nodiscard]] static absl::StatusOr<LogState> LoadLocked(WriteTransaction& transaction);

  void Append(const ledger::Hash& leaf_hash, std::vector<FullTile>& full);

  [[nodiscard]] std::uint64_t size() const { return range_.size(); }
  [[nodiscard]] ledger::Hash Root() const { return range_.Root(); }
  // The nodes of the compact range, as the head row stores them.
  [[nodiscard]] std::string Nodes() const;

  std::int64_t epoch = 0;
  std::int64_t author_counter = 0;
  std::int64_t time_ms = 0;
  std::uint64_t anchor_size = 0;
  ledger::Hash anchor_root{};

 private:
  absl::Status LoadEdge(ReadTransaction& transaction);

  ledger::CompactRange range_;
  // edge_[n]: the hashes of tree level 8 * n that no full tile holds yet.
  std::vector<std::vector<ledger::Hash>> edge_;
};

}  // namespace custodian::tenants

#endif  // CUSTODIAN_TENANTS_LOG_STATE_H_

// Reads a partition's log from its database: nodes, tiles, entry bundles, leaves and checkpoints. Thread-safe.
#ifndef CUSTODIAN_TENANTS_LOG_READER_H_
#define CUSTODIAN_TENANTS_LOG_READER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ledger/tree.h"
#include "tenants/database.h"

namespace custodian::tenants {

class LogReader {
 public:
  LogReader(std::string origin, const Database& database);
  ~LogReader();

  struct PendingCheckpoint {
    std::uint64_t size = 0;
    ledger::Hash root{};
  };
  // Committed head (size and root), whether or not it is published.
  [[nodiscard]] absl::StatusOr<PendingCheckpoint> Head() const;
  // The newest published checkpoint (a note with its quorum); NotFound before the first.
  [[nodiscard]] absl::StatusOr<std::string> PublishedCheckpoint() const;
  // The smallest published checkpoint that covers `size`; NotFound when none does yet.
  [[nodiscard]] absl::StatusOr<std::string> CheckpointCovering(std::uint64_t size) const;
  // The note that was signed of the checkpoint of exactly that size; NotFound when none was.
  [[nodiscard]] absl::StatusOr<std::string> SignedCheckpoint(std::uint64_t size) const;
  // Sizes below `below` whose checkpoints were signed, the largest first, at most `limit`.
  [[nodiscard]] absl::StatusOr<std::vector<std::uint64_t>> SignedSizes(std::uint64_t below, int limit) const;
  // Stores the signed note (log signature only, or with cosignatures) of a pending checkpoint. Signed before published; both may
  // be stored again, with more cosignatures. InvalidArgument when the note's text is not this log's checkpoint of that size;
  // NotFound when no commit ended at that size.
  [[nodiscard]] absl::Status StoreSigned(std::uint64_t size, const std::string& note) const;
  [[nodiscard]] absl::Status Publish(std::uint64_t size, const std::string& note) const;

  // Leaves [first, first + count) as stored; OutOfRange past the committed head.
  [[nodiscard]] absl::StatusOr<std::vector<std::string>> Leaves(std::uint64_t first, std::uint64_t count) const;
  // A tlog-tiles resource below the log's prefix ("tile/0/x001/067", "tile/entries/000.p/5"), as of the published size;
  // NotFound past it, InvalidArgument for a malformed path.
  [[nodiscard]] absl::StatusOr<std::string> Tile(const std::string& path) const;
  // Proofs in the committed tree: InvalidArgument past its head. A few reads of the database a proof, whatever the size.
  [[nodiscard]] absl::StatusOr<std::vector<ledger::Hash>> InclusionProof(std::uint64_t index, std::uint64_t size) const;
  [[nodiscard]] absl::StatusOr<std::vector<ledger::Hash>> ConsistencyProof(std::uint64_t old_size, std::uint64_t new_size) const;

 private:
  class Nodes;
  class Cache;

  std::string origin_;
  const Database& database_;
  // Full tiles never change.
  std::unique_ptr<Cache> cache_;
};

}  // namespace custodian::tenants

#endif  // CUSTODIAN_TENANTS_LOG_READER_H_

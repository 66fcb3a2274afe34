#include "ledger/promise_audit.h"

#include <algorithm>
#include <vector>

#include "ledger/tiles.h"

namespace custodian::ledger {
namespace {

absl::Status NoTile(const TilePath& path) { return absl::UnauthenticatedError(path.ToString() + " is missing or no tile of the signed log"); }

// Leaf hashes [first, end) of a log of `size` leaves, first being a multiple of 256.
absl::StatusOr<std::vector<Hash>> ReadLeafHashes(std::uint64_t first, std::uint64_t end, std::uint64_t size, const ByteSource& read) {
  std::vector<Hash> hashes;
  for (std::uint64_t at = first; at < end; at += kTileWidth) {
    const TilePath path{false, 0, at / kTileWidth, static_cast<unsigned>(std::min(kTileWidth, size - at))};
    const absl::StatusOr<std::string> tile = read(path.ToString());
    if (absl::IsNotFound(tile.status())) return NoTile(path);
    if (!tile.ok()) return tile.status();
    if (tile->size() != path.width * sizeof(Hash)) return NoTile(path);
    for (std::size_t i = 0; i < path.width && at + i < end; ++i) {
      const absl::StatusOr<Hash> hash = HashFromBytes(std::string_view(*tile).substr(i * sizeof(Hash), sizeof(Hash)));
      if (!hash.ok()) return hash.status();
      hashes.push_back(*hash);
    }
  }
  return hashes;
}

// The promised positions' leaf hashes, which are shown to be the signed log's: with the edge before them they make the root of the log at
// the promise's end, and that one leads to the signed root.
absl::StatusOr<std::vector<Hash>> ReadPromised(const Promise& promise, const Checkpoint& checkpoint, const ByteSource& read) {
  const std::uint64_t start = promise.first / kTileWidth * kTileWidth;
  const std::uint64_t end = promise.first + promise.count;
  absl::StatusOr<std::vector<Hash>> hashes = ReadLeafHashes(start, end, checkpoint.size, read);
  if (!hashes.ok()) return hashes;
  const absl::StatusOr<TreeEdge> edge = ReadEdge(start, checkpoint.size, read);
  absl::StatusOr<CompactRange> range = edge.ok() ? edge->Range() : edge.status();
  if (!range.ok()) return range.status();
  for (const Hash& hash : *hashes) range->Append(hash);
  if (const absl::Status status = CheckConsistency({promise.origin, end, range->Root()}, checkpoint, read); !status.ok()) {
    if (!absl::IsFailedPrecondition(status) && !absl::IsNotFound(status)) return status;
    return absl::UnauthenticatedError("the tiles that are served do not make the signed root: " + std::string(status.message()));
  }
  hashes->erase(hashes->begin(), hashes->begin() + static_cast<std::ptrdiff_t>(promise.first - start));
  return hashes;
}

}  // namespace

std::string_view VerdictName(PromiseVerdict verdict) {
  switch (verdict) {
    case PromiseVerdict::kKept: return "kept";
    case PromiseVerdict::kNotDue: return "not_due";
    case PromiseVerdict::kBrokenOtherLeaves: return "other_leaves";
    case PromiseVerdict::kBrokenNotCovered: return "not_covered";
    case PromiseVerdict::kBrokenNothingNewer: return "nothing_newer";
  }
  return "";
}

bool IsBroken(PromiseVerdict verdict) { return verdict != PromiseVerdict::kKept && verdict != PromiseVerdict::kNotDue; }

absl::StatusOr<PromiseVerdict> JudgePromise(const Promise& promise, const BelievedCheckpoint& believed, absl::Time now, const ByteSource& read) {
  if (believed.checkpoint.size >= promise.first + promise.count) {
    const absl::StatusOr<std::vector<Hash>> hashes = ReadPromised(promise, believed.checkpoint, read);
    if (!hashes.ok()) return hashes.status();
    return RootOf(*hashes) == promise.leaves ? PromiseVerdict::kKept : PromiseVerdict::kBrokenOtherLeaves;
  }
  if (believed.witnessed_at > promise.witnessed_by) return PromiseVerdict::kBrokenNotCovered;
  return now > promise.witnessed_by ? PromiseVerdict::kBrokenNothingNewer : PromiseVerdict::kNotDue;
}

}  // namespace custodian::ledger

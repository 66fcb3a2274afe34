// The layout of a log as tiles (C2SP tlog-tiles): resource paths, entry bundles, and the tiles that leaves make. Pure values,
// safe from any thread.
#ifndef CUSTODIAN_LEDGER_TILES_H_
#define CUSTODIAN_LEDGER_TILES_H_

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ledger/tree.h"

namespace custodian::ledger {

inline constexpr std::uint64_t kTileWidth = 256;

// One resource below a log's prefix: "tile/<L>/<N>[.p/<W>]" or "tile/entries/<N>[.p/<W>]".
struct TilePath {
  bool entries = false;
  // 0 to 63; 0 for entries.
  unsigned level = 0;
  std::uint64_t index = 0;
  // Hashes or entries in it: 1 to 255 for a partial tile, 256 for a full one.
  unsigned width = kTileWidth;

  // InvalidArgument for anything that ToString() would not have written.
  [[nodiscard]] static absl::StatusOr<TilePath> Parse(std::string_view path);
  [[nodiscard]] std::string ToString() const;
  // First leaf (of entries) or first node of tree level 8 * level (of hashes).
  [[nodiscard]] std::uint64_t first() const { return index * kTileWidth; }
  bool operator==(const TilePath&) const = default;
};

// Every tile of hashes of a tree, lower levels first, then the bundles of entries: full ones and the partial ones at the edge.
[[nodiscard]] std::vector<TilePath> TilesOf(std::uint64_t size);

// Leaves behind their lengths (2 bytes, big-endian). InvalidArgument when a leaf is past 65,535 bytes.
[[nodiscard]] absl::StatusOr<std::string> EncodeBundle(std::span<const std::string> leaves);
// The whole leaves at the front of a bundle's bytes, of which they are removed: what is left begins one that is not there to its end.
[[nodiscard]] std::vector<std::string> TakeLeaves(std::string_view& bytes);
// InvalidArgument when the bytes do not end with a leaf.
[[nodiscard]] absl::StatusOr<std::vector<std::string>> DecodeBundle(std::string_view bytes);

// The right edge of a tree as tiles: the hashes of each level that do not fill a tile yet, lowest level first. Level l has
// (size >> 8l) mod 256 of them. They are all that building the tree further needs.
struct TreeEdge {
  std::uint64_t size = 0;
  std::vector<std::vector<Hash>> levels;

  // InvalidArgument when the levels are not those of the size.
  [[nodiscard]] absl::StatusOr<CompactRange> Range() const;
};

// Takes leaf hashes in order and hands out each tile of hashes once it is full.
class TileBuilder {
 public:
  // `bytes` are the concatenated hashes.
  using Emit = std::function<void(const TilePath& path, const std::string& bytes)>;

  explicit TileBuilder(Emit emit) : emit_(std::move(emit)) {}
  // Goes on behind the leaves of an edge whose Range() is OK.
  TileBuilder(Emit emit, const TreeEdge& edge);
  void Append(const Hash& leaf_hash) { Append(0, leaf_hash); }
  // The tiles at the edge that are not full, lower levels first.
  void EmitPartial() const;
  [[nodiscard]] TreeEdge Edge() const;

 private:
  struct Level {
    std::uint64_t index = 0;
    std::vector<Hash> hashes;
  };
  void Append(unsigned level, const Hash& hash);

  Emit emit_;
  std::vector<Level> levels_;
};

}  // namespace custodian::ledger

#endif  // CUSTODIAN_LEDGER_TILES_H_

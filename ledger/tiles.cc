#include "ledger/tiles.h"

#include <array>
#include <cstdio>
#include <utility>

#include "ledger/checkpoint.h"
#include "ledger/entry.h"

namespace custodian::ledger {
namespace {

absl::Status NotATile(std::string_view path) {
  return absl::InvalidArgumentError("not a tile: " + std::string(path.substr(0, 100)));
}

std::string IndexPath(std::uint64_t index) {
  std::array<char, 5> part{};
  std::snprintf(part.data(), part.size(), "%03u", static_cast<unsigned>(index % 1000));
  std::string path = part.data();
  while ((index /= 1000) > 0) {
    std::snprintf(part.data(), part.size(), "x%03u", static_cast<unsigned>(index % 1000));
    path = std::string(part.data()) + "/" + path;
  }
  return path;
}

std::string Concatenate(const std::vector<Hash>& hashes) {
  std::string bytes;
  bytes.reserve(hashes.size() * 32);
  for (const Hash& hash : hashes) bytes += AsBytes(hash);
  return bytes;
}

}  // namespace

absl::StatusOr<TilePath> TilePath::Parse(std::string_view path) {
  TilePath tile;
  std::string_view rest = path;
  if (rest.substr(0, 5) != "tile/" || rest.size() > 100) return NotATile(path);
  rest.remove_prefix(5);
  const std::size_t slash = rest.find('/');
  if (slash == std::string_view::npos) return NotATile(path);
  if (rest.substr(0, slash) == "entries") {
    tile.entries = true;
  } else {
    const absl::StatusOr<std::uint64_t> level = ParseDecimal(rest.substr(0, slash));
    if (!level.ok() || *level > 63) return NotATile(path);
    tile.level = static_cast<unsigned>(*level);
  }
  rest.remove_prefix(slash + 1);
  if (const std::size_t partial = rest.find(".p/"); partial != std::string_view::npos) {
    const absl::StatusOr<std::uint64_t> width = ParseDecimal(rest.substr(partial + 3));
    if (!width.ok() || *width == 0 || *width >= kTileWidth) return NotATile(path);
    tile.width = static_cast<unsigned>(*width);
    rest = rest.substr(0, partial);
  }
  for (const char c : rest) {
    if (c < '0' || c > '9') continue;
    if (tile.index > (UINT64_MAX / kTileWidth - 9) / 10) return NotATile(path);
    tile.index = tile.index * 10 + static_cast<std::uint64_t>(c - '0');
  }
  // One index has one path: whatever else was written between the digits shows here.
  if (tile.ToString() != path) return NotATile(path);
  return tile;
}

std::string TilePath::ToString() const {
  std::string path = "tile/" + (entries ? "entries" : std::to_string(level)) + "/" + IndexPath(index);
  if (width < kTileWidth) path += ".p/" + std::to_string(width);
  return path;
}

std::vector<TilePath> TilesOf(std::uint64_t size) {
  std::vector<TilePath> tiles;
  const auto add_level = [&tiles](bool entries, unsigned level, std::uint64_t hashes) {
    for (std::uint64_t index = 0; index < hashes / kTileWidth; ++index) tiles.push_back({entries, level, index, kTileWidth});
    if (hashes % kTileWidth != 0)
      tiles.push_back({entries, level, hashes / kTileWidth, static_cast<unsigned>(hashes % kTileWidth)});
  };
  unsigned level = 0;
  for (std::uint64_t hashes = size; hashes > 0; hashes /= kTileWidth) add_level(false, level++, hashes);
  add_level(true, 0, size);
  return tiles;
}

absl::StatusOr<std::string> EncodeBundle(std::span<const std::string> leaves) {
  std::string bytes;
  for (const std::string& leaf : leaves) {
    if (leaf.size() > kLeafBytesMax) return absl::InvalidArgumentError("a leaf is past 65,535 bytes");
    bytes.push_back(static_cast<char>(leaf.size() >> 8));
    bytes.push_back(static_cast<char>(leaf.size() & 0xff));
    bytes += leaf;
  }
  return bytes;
}

std::vector<std::string> TakeLeaves(std::string_view& bytes) {
  std::vector<std::string> leaves;
  while (bytes.size() >= 2) {
    const std::size_t length =
        static_cast<std::size_t>(static_cast<unsigned char>(bytes[0])) << 8 | static_cast<unsigned char>(bytes[1]);
    if (bytes.size() - 2 < length) break;
    leaves.emplace_back(bytes.substr(2, length));
    bytes.remove_prefix(2 + length);
  }
  return leaves;
}

absl::StatusOr<std::vector<std::string>> DecodeBundle(std::string_view bytes) {
  std::vector<std::string> leaves = TakeLeaves(bytes);
  if (!bytes.empty()) return absl::InvalidArgumentError("a bundle ends within an entry");
  return leaves;
}

absl::StatusOr<CompactRange> TreeEdge::Range() const {
  std::vector<Hash> nodes;
  std::size_t level = 0;
  for (std::uint64_t count = size; count > 0; count /= kTileWidth, ++level)
    if (level >= levels.size() || levels[level].size() != count % kTileWidth)
      return absl::InvalidArgumentError("a level of the edge has not the hashes of a tree of size " + std::to_string(size));
  if (level != levels.size()) return absl::InvalidArgumentError("the edge has a level too many");
  // The largest subtrees first.
  for (auto hashes = levels.rbegin(); hashes != levels.rend(); ++hashes) {
    CompactRange range;
    for (const Hash& hash : *hashes) range.Append(hash);
    nodes.insert(nodes.end(), range.nodes().begin(), range.nodes().end());
  }
  return CompactRange::Create(size, std::move(nodes));
}

TileBuilder::TileBuilder(Emit emit, const TreeEdge& edge) : emit_(std::move(emit)) {
  std::uint64_t count = edge.size;
  for (const std::vector<Hash>& hashes : edge.levels) {
    count /= kTileWidth;
    levels_.push_back({count, hashes});
  }
}

TreeEdge TileBuilder::Edge() const {
  TreeEdge edge;
  if (!levels_.empty()) edge.size = levels_[0].index * kTileWidth + levels_[0].hashes.size();
  for (const Level& level : levels_) edge.levels.push_back(level.hashes);
  return edge;
}

void TileBuilder::Append(unsigned level, const Hash& hash) {
  if (levels_.size() <= level) levels_.resize(level + 1);
  levels_[level].hashes.push_back(hash);
  if (levels_[level].hashes.size() < kTileWidth) return;
  Level& full = levels_[level];
  emit_({false, level, full.index, kTileWidth}, Concatenate(full.hashes));
  const Hash root = RootOf(full.hashes);
  full.hashes.clear();
  ++full.index;
  Append(level + 1, root);
}

void TileBuilder::EmitPartial() const {
  for (unsigned level = 0; level < levels_.size(); ++level) {
    const Level& edge = levels_[level];
    if (!edge.hashes.empty())
      emit_({false, level, edge.index, static_cast<unsigned>(edge.hashes.size())}, Concatenate(edge.hashes));
  }
}

}  // namespace custodian::ledger

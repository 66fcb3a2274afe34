#include "tenants/log_state.h"

#include <pqxx/pqxx>
#include <utility>

#include "ledger/tiles.h"
#include "tenants/log_rows.h"

namespace custodian::tenants {
namespace {

constexpr unsigned kTileHeight = 8;

absl::StatusOr<std::vector<ledger::Hash>> NodesFromBytes(const std::string& bytes) {
  std::vector<ledger::Hash> nodes;
  for (std::size_t i = 0; i + sizeof(ledger::Hash) <= bytes.size(); i += sizeof(ledger::Hash)) {
    auto hash = ledger::HashFromBytes(std::string_view(bytes).substr(i, sizeof(ledger::Hash)));
    if (!hash.ok()) return hash.status();
    nodes.push_back(*hash);
  }
  return nodes;
}

}  // namespace

absl::StatusOr<LogState> LogState::Load(ReadTransaction& transaction) {
  const pqxx::result rows = transaction.sql().exec(
      "SELECT size, root, nodes, epoch, author_counter, time_ms, anchor_size, anchor_root FROM ledger.head");
  if (rows.empty()) return absl::DataLossError("the log has no head");
  const pqxx::row& head = rows.front();
  const auto hash = [&head](const char* column) { return ledger::HashFromBytes(pqxx::binarystring(head[column]).str()); };
  LogState state;
  const auto root = hash("root");
  const auto anchor_root = hash("anchor_root");
  const auto nodes = NodesFromBytes(pqxx::binarystring(head["nodes"]).str());
  if (!root.ok() || !anchor_root.ok() || !nodes.ok()) return absl::DataLossError("the head of the log is malformed");
  auto range = ledger::CompactRange::Create(static_cast<std::uint64_t>(head["size"].as<std::int64_t>()), *nodes);
  if (!range.ok() || range->Root() != *root) return absl::DataLossError("the head of the log does not fit its root");
  state.range_ = *std::move(range);
  state.epoch = head["epoch"].as<std::int64_t>();
  state.author_counter = head["author_counter"].as<std::int64_t>();
  state.time_ms = head["time_ms"].as<std::int64_t>();
  state.anchor_size = static_cast<std::uint64_t>(head["anchor_size"].as<std::int64_t>());
  state.anchor_root = *anchor_root;
  if (absl::Status status = state.LoadEdge(transaction); !status.ok()) return status;
  return state;
}

absl::StatusOr<LogState> LogState::LoadLocked(WriteTransaction& transaction) {
  transaction.sql().exec("SELECT size FROM ledger.head FOR UPDATE");
  return Load(transaction);
}

absl::Status LogState::LoadEdge(ReadTransaction& transaction) {
  const std::uint64_t leaves = size() % ledger::kTileWidth;
  auto hashes = ReadLeafHashes(transaction, size() - leaves, leaves);
  if (!hashes.ok()) return hashes.status();
  edge_.push_back(*std::move(hashes));
  for (unsigned level = 1; size() >> (level * kTileHeight) != 0; ++level) {
    const std::uint64_t nodes = size() >> (level * kTileHeight);
    const std::uint64_t count = nodes % ledger::kTileWidth;
    auto tiles = ReadFullTiles(transaction, level - 1, nodes - count, count);
    if (!tiles.ok()) return tiles.status();
    auto& edge = edge_.emplace_back();
    for (const std::string& tile : *tiles) edge.push_back(ledger::RootOf(HashesOfTile(tile)));
  }
  // Between them the edges make the whole compact range, largest subtrees first.
  std::vector<ledger::Hash> nodes;
  for (auto level = edge_.rbegin(); level != edge_.rend(); ++level) {
    ledger::CompactRange range;
    for (const ledger::Hash& hash : *level) range.Append(hash);
    nodes.insert(nodes.end(), range.nodes().begin(), range.nodes().end());
  }
  if (nodes != range_.nodes()) return absl::DataLossError("the head of the log does not fit its batches and tiles");
  return absl::OkStatus();
}

void LogState::Append(const ledger::Hash& leaf_hash, std::vector<FullTile>& full) {
  range_.Append(leaf_hash);
  ledger::Hash hash = leaf_hash;
  for (unsigned level = 0;; ++level) {
    if (level == edge_.size()) edge_.emplace_back();
    std::vector<ledger::Hash>& edge = edge_[level];
    edge.push_back(hash);
    if (edge.size() < ledger::kTileWidth) return;
    FullTile tile{level, ((range_.size() >> (level * kTileHeight)) - 1) / ledger::kTileWidth, ""};
    for (const ledger::Hash& each : edge) tile.bytes.append(ledger::AsBytes(each));
    full.push_back(std::move(tile));
    hash = ledger::RootOf(edge);
    edge.clear();
  }
}

std::string LogState::Nodes() const {
  std::string bytes;
  for (const ledger::Hash& node : range_.nodes()) bytes.append(ledger::AsBytes(node));
  return bytes;
}

}  // namespace custodian::tenants

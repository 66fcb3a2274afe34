#include "tenants/log_reader.h"

#include <algorithm>
#include <optional>
#include <pqxx/pqxx>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "fmt/format.h"
#include "ledger/checkpoint.h"
#include "ledger/tiles.h"
#include "tenants/execute.h"
#include "tenants/log_rows.h"

namespace custodian::tenants {
namespace {

constexpr unsigned kTileHeight = 8;
// A few hundred kB a log, of which a process may have hundreds: the tiles that the proofs of the newest entries share, and the roots of the full
// tiles below each level's last.
constexpr std::size_t kCachedTilesMax = 32;
constexpr std::size_t kCachedRootsMax = 2'048;
// Of one call of Leaves().
constexpr std::uint64_t kLeavesMax = 65'536;

absl::StatusOr<LogReader::PendingCheckpoint> ReadHead(ReadTransaction& transaction) {
  const pqxx::result rows = Execute(transaction, "SELECT size, root FROM ledger.head");
  if (rows.empty()) return absl::DataLossError("the log has no head");
  auto root = ledger::HashFromBytes(pqxx::binarystring(rows[0][1]).str());
  if (!root.ok()) return absl::DataLossError("the head of the log is malformed");
  return LogReader::PendingCheckpoint{static_cast<std::uint64_t>(rows[0][0].as<std::int64_t>()), *root};
}

std::uint64_t ReadPublishedSize(ReadTransaction& transaction) {
  const pqxx::result rows = Execute(transaction, "SELECT coalesce(max(size), 0) FROM ledger.checkpoint WHERE published_note IS NOT NULL");
  return static_cast<std::uint64_t>(rows.at(0)[0].as<std::int64_t>());
}

// Nodes of tree level 8 * level in a tree of `size` leaves.
std::uint64_t NodesAt(unsigned level, std::uint64_t size) { return level * kTileHeight >= 64 ? 0 : size >> (level * kTileHeight); }

}  // namespace

class LogReader::Cache {
 public:
  std::optional<std::string> FindTile(unsigned level, std::uint64_t index) const { return Find(tiles_, {level, index}); }
  void KeepTile(unsigned level, std::uint64_t index, const std::string& bytes) { Keep(tiles_, {level, index}, bytes, kCachedTilesMax); }
  std::optional<ledger::Hash> FindRoot(unsigned level, std::uint64_t index) const { return Find(roots_, {level, index}); }
  void KeepRoot(unsigned level, std::uint64_t index, const ledger::Hash& root) { Keep(roots_, {level, index}, root, kCachedRootsMax); }

 private:
  using Key = std::pair<unsigned, std::uint64_t>;

  template <typename V>
  std::optional<V> Find(const absl::flat_hash_map<Key, V>& map, const Key& key) const {
    absl::MutexLock lock(&mutex_);
    const auto found = map.find(key);
    return found == map.end() ? std::nullopt : std::optional<V>(found->second);
  }
  // Past the limit it starts anew: what is asked for often is back at once.
  template <typename V>
  void Keep(absl::flat_hash_map<Key, V>& map, const Key& key, const V& value, std::size_t limit) {
    absl::MutexLock lock(&mutex_);
    if (map.size() >= limit) map.clear();
    map.emplace(key, value);
  }

  mutable absl::Mutex mutex_;
  absl::flat_hash_map<Key, std::string> tiles_;
  absl::flat_hash_map<Key, ledger::Hash> roots_;
};

// Hashes of the tree as one transaction sees it.
class LogReader::Nodes {
 public:
  Nodes(ReadTransaction& transaction, Cache& cache, std::uint64_t size) : transaction_(transaction), cache_(cache), size_(size) {}

  // Hashes [first, first + count) of tree level 8 * level, all within one tile and below the head.
  absl::StatusOr<std::vector<ledger::Hash>> Hashes(unsigned level, std::uint64_t first, std::uint64_t count) {
    const std::uint64_t tile = first / ledger::kTileWidth;
    if (tile < NodesAt(level, size_) / ledger::kTileWidth) {
      const auto bytes = FullTileBytes(level, tile);
      if (!bytes.ok()) return bytes.status();
      const std::vector<ledger::Hash> all = HashesOfTile(*bytes);
      const auto begin = all.begin() + static_cast<std::ptrdiff_t>(first % ledger::kTileWidth);
      return std::vector<ledger::Hash>(begin, begin + static_cast<std::ptrdiff_t>(count));
    }
    if (level == 0) return TailHashes(first, count);
    return RootsOfTiles(level - 1, first, count);
  }

  absl::StatusOr<ledger::Hash> Node(unsigned tree_level, std::uint64_t index) {
    const unsigned within = tree_level % kTileHeight;
    const auto hashes = Hashes(tree_level / kTileHeight, index << within, std::uint64_t{1} << within);
    if (!hashes.ok()) return hashes.status();
    return ledger::RootOf(*hashes);
  }

  absl::StatusOr<std::string> FullTileBytes(unsigned level, std::uint64_t index) {
    if (auto cached = cache_.FindTile(level, index)) return *std::move(cached);
    auto tiles = ReadFullTiles(transaction_, level, index, 1);
    if (!tiles.ok()) return tiles.status();
    cache_.KeepTile(level, index, tiles->front());
    return std::move(tiles->front());
  }

 private:
  // Of the last tile, which is not full: read once, since a proof asks for several nodes of it.
  absl::StatusOr<std::vector<ledger::Hash>> TailHashes(std::uint64_t first, std::uint64_t count) {
    const std::uint64_t tail_first = size_ - size_ % ledger::kTileWidth;
    if (first < tail_first || count > size_ - first) return absl::OutOfRangeError("no such hashes in the last tile");
    if (tail_.empty()) {
      auto tail = ReadLeafHashes(transaction_, tail_first, size_ - tail_first);
      if (!tail.ok()) return tail.status();
      tail_ = *std::move(tail);
    }
    const auto begin = tail_.begin() + static_cast<std::ptrdiff_t>(first - tail_first);
    return std::vector<ledger::Hash>(begin, begin + static_cast<std::ptrdiff_t>(count));
  }

  absl::StatusOr<std::vector<ledger::Hash>> RootsOfTiles(unsigned level, std::uint64_t first, std::uint64_t count) {
    std::vector<ledger::Hash> roots;
    while (roots.size() < count) {
      const auto cached = cache_.FindRoot(level, first + roots.size());
      if (!cached) break;
      roots.push_back(*cached);
    }
    const auto tiles = ReadFullTiles(transaction_, level, first + roots.size(), count - roots.size());
    if (!tiles.ok()) return tiles.status();
    for (const std::string& tile : *tiles) {
      const ledger::Hash root = ledger::RootOf(HashesOfTile(tile));
      cache_.KeepRoot(level, first + roots.size(), root);
      roots.push_back(root);
    }
    return roots;
  }

  ReadTransaction& transaction_;
  Cache& cache_;
  const std::uint64_t size_;
  std::vector<ledger::Hash> tail_;
};

LogReader::LogReader(std::string origin, const Database& database)
    : origin_(std::move(origin)), database_(database), cache_(std::make_unique<Cache>()) {}
LogReader::~LogReader() = default;

absl::StatusOr<LogReader::PendingCheckpoint> LogReader::Head() const {
  absl::StatusOr<PendingCheckpoint> head;
  const absl::Status status = database_.ReadOne([&head](ReadTransaction& transaction) -> absl::Status {
    head = ReadHead(transaction);
    return head.status();
  });
  if (!status.ok()) return status;
  return head;
}

absl::StatusOr<std::string> LogReader::PublishedCheckpoint() const {
  std::string note;
  const absl::Status status = database_.ReadOne([&](ReadTransaction& transaction) -> absl::Status {
    const pqxx::result rows = Execute(transaction,
        "SELECT published_note FROM ledger.checkpoint WHERE published_note IS NOT NULL ORDER BY size DESC LIMIT 1");
    if (rows.empty()) return absl::NotFoundError(fmt::format("log {} has no published checkpoint yet", origin_));
    note = rows[0][0].as<std::string>();
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return note;
}

absl::StatusOr<std::string> LogReader::CheckpointCovering(std::uint64_t size) const {
  std::string note;
  const absl::Status status = database_.ReadOne([&](ReadTransaction& transaction) -> absl::Status {
    const pqxx::result rows = Execute(transaction,
        "SELECT published_note FROM ledger.checkpoint WHERE published_note IS NOT NULL AND size >= $1 ORDER BY size LIMIT 1",
        static_cast<std::int64_t>(size));
    if (rows.empty()) return absl::NotFoundError(fmt::format("log {} has no published checkpoint of size {} or more yet", origin_, size));
    note = rows[0][0].as<std::string>();
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return note;
}

absl::StatusOr<std::string> LogReader::SignedCheckpoint(std::uint64_t size) const {
  std::string note;
  const absl::Status status = database_.ReadOne([&](ReadTransaction& transaction) -> absl::Status {
    const pqxx::result rows = Execute(transaction,
        "SELECT signed_note FROM ledger.checkpoint WHERE signed_note IS NOT NULL AND size = $1", static_cast<std::int64_t>(size));
    if (rows.empty()) return absl::NotFoundError(fmt::format("log {} signed no checkpoint of size {}", origin_, size));
    note = rows[0][0].as<std::string>();
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return note;
}

absl::StatusOr<std::vector<std::uint64_t>> LogReader::SignedSizes(std::uint64_t below, int limit) const {
  std::vector<std::uint64_t> sizes;
  const absl::Status status = database_.ReadOne([&](ReadTransaction& transaction) -> absl::Status {
    const pqxx::result rows = Execute(transaction,
        "SELECT size FROM ledger.checkpoint WHERE signed_note IS NOT NULL AND size < $1 ORDER BY size DESC LIMIT $2",
        static_cast<std::int64_t>(below), limit);
    for (const auto& row : rows) sizes.push_back(static_cast<std::uint64_t>(row[0].as<std::int64_t>()));
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return sizes;
}

namespace {

// InvalidArgument unless the note's text is the checkpoint that the row stands for.
absl::Status CheckNote(ReadTransaction& transaction, const std::string& origin, std::uint64_t size, const std::string& note) {
  const pqxx::result rows =
      Execute(transaction, "SELECT root FROM ledger.checkpoint WHERE size = $1", static_cast<std::int64_t>(size));
  if (rows.empty()) return absl::NotFoundError(fmt::format("log {}: no commit ended at size {}", origin, size));
  auto root = ledger::HashFromBytes(pqxx::binarystring(rows[0][0]).str());
  if (!root.ok()) return absl::DataLossError(fmt::format("log {}: checkpoint {} is malformed", origin, size));
  const auto parsed = ledger::Note::Parse(note);
  if (!parsed.ok()) return parsed.status();
  if (parsed->text != ledger::Checkpoint{.origin = origin, .size = size, .root = *root}.Serialize()) {
    return absl::InvalidArgumentError(fmt::format("the note is not the checkpoint of log {} at size {}", origin, size));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status LogReader::StoreSigned(std::uint64_t size, const std::string& note) const {
  return database_.Write([&](WriteTransaction& transaction) -> absl::Status {
    if (absl::Status status = CheckNote(transaction, origin_, size, note); !status.ok()) return status;
    Execute(transaction, "UPDATE ledger.checkpoint SET signed_note = $2 WHERE size = $1", static_cast<std::int64_t>(size), note);
    return absl::OkStatus();
  });
}

absl::Status LogReader::Publish(std::uint64_t size, const std::string& note) const {
  return database_.Write([&](WriteTransaction& transaction) -> absl::Status {
    if (absl::Status status = CheckNote(transaction, origin_, size, note); !status.ok()) return status;
    const pqxx::result updated = Execute(transaction,
        "UPDATE ledger.checkpoint SET published_note = $2 WHERE size = $1 AND signed_note IS NOT NULL", static_cast<std::int64_t>(size), note);
    if (updated.affected_rows() != 1) {
      return absl::FailedPreconditionError(fmt::format("log {}: checkpoint {} is published before it is signed", origin_, size));
    }
    return absl::OkStatus();
  });
}

absl::StatusOr<std::vector<std::string>> LogReader::Leaves(std::uint64_t first, std::uint64_t count) const {
  absl::StatusOr<std::vector<std::string>> leaves;
  const absl::Status status = database_.Read([&](ReadTransaction& transaction) -> absl::Status {
    const auto head = ReadHead(transaction);
    if (!head.ok()) return head.status();
    if (count > kLeavesMax) return absl::InvalidArgumentError(fmt::format("at most {} leaves at once", kLeavesMax));
    if (first > head->size || count > head->size - first) {
      return absl::OutOfRangeError(fmt::format("log {} has {} entries", origin_, head->size));
    }
    leaves = ReadLeaves(transaction, first, count);
    return leaves.status();
  });
  if (!status.ok()) return status;
  return leaves;
}

absl::StatusOr<std::string> LogReader::Tile(const std::string& path) const {
  const auto wanted = ledger::TilePath::Parse(path);
  if (!wanted.ok()) return wanted.status();
  std::string bytes;
  const absl::Status status = database_.Read([&](ReadTransaction& transaction) -> absl::Status {
    const std::uint64_t published = ReadPublishedSize(transaction);
    const std::uint64_t nodes = NodesAt(wanted->level, published);
    if (wanted->index > nodes / ledger::kTileWidth || nodes - wanted->first() < wanted->width) {
      return absl::NotFoundError(fmt::format("log {} is published up to {} entries", origin_, published));
    }
    if (wanted->entries) {
      const auto leaves = ReadLeaves(transaction, wanted->first(), wanted->width);
      if (!leaves.ok()) return leaves.status();
      auto bundle = ledger::EncodeBundle(*leaves);
      if (bundle.ok()) bytes = *std::move(bundle);
      return bundle.status();
    }
    // A tile that is partial at the published size may be full at the head: either way its first hashes are the same.
    Nodes tree(transaction, *cache_, published);
    const auto hashes = tree.Hashes(wanted->level, wanted->first(), wanted->width);
    if (!hashes.ok()) return hashes.status();
    for (const ledger::Hash& hash : *hashes) bytes.append(ledger::AsBytes(hash));
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return bytes;
}

absl::StatusOr<std::vector<ledger::Hash>> LogReader::InclusionProof(std::uint64_t index, std::uint64_t size) const {
  absl::StatusOr<std::vector<ledger::Hash>> proof;
  const absl::Status status = database_.Read([&](ReadTransaction& transaction) -> absl::Status {
    const auto head = ReadHead(transaction);
    if (!head.ok()) return head.status();
    if (size > head->size) return absl::InvalidArgumentError(fmt::format("log {} has {} entries", origin_, head->size));
    Nodes tree(transaction, *cache_, head->size);
    proof = ledger::InclusionProof(index, size, [&tree](unsigned level, std::uint64_t node) { return tree.Node(level, node); });
    return proof.status();
  });
  if (!status.ok()) return status;
  return proof;
}

absl::StatusOr<std::vector<ledger::Hash>> LogReader::ConsistencyProof(std::uint64_t old_size, std::uint64_t new_size) const {
  absl::StatusOr<std::vector<ledger::Hash>> proof;
  const absl::Status status = database_.Read([&](ReadTransaction& transaction) -> absl::Status {
    const auto head = ReadHead(transaction);
    if (!head.ok()) return head.status();
    if (new_size > head->size) return absl::InvalidArgumentError(fmt::format("log {} has {} entries", origin_, head->size));
    Nodes tree(transaction, *cache_, head->size);
    proof = ledger::ConsistencyProof(old_size, new_size, [&tree](unsigned level, std::uint64_t node) { return tree.Node(level, node); });
    return proof.status();
  });
  if (!status.ok()) return status;
  return proof;
}

}  // namespace custodian::tenants

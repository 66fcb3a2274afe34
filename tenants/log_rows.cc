#include "tenants/log_rows.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <utility>

#include "fmt/format.h"
#include "ledger/tiles.h"
#include "tenants/execute.h"

namespace custodian::tenants {
namespace {

constexpr std::size_t kHashBytes = sizeof(ledger::Hash);
// A batch's leaves may be many MB, of which a few are wanted: they are read piece by piece.
constexpr std::size_t kPieceBytes = 256 << 10;

ledger::Hash HashAt(const std::string& bytes, std::size_t position) {
  ledger::Hash hash;
  std::memcpy(hash.data(), bytes.data() + position * kHashBytes, kHashBytes);
  return hash;
}

// Of the leaves of the batch at `first`; empty past their end.
std::string ReadPiece(ReadTransaction& transaction, std::uint64_t first, std::size_t offset) {
  const pqxx::result rows = Execute(transaction, "SELECT substring(leaves FROM $2::integer FOR $3::integer) FROM ledger.batch WHERE first_index = $1",
                                    static_cast<std::int64_t>(first), static_cast<std::int64_t>(offset) + 1, static_cast<std::int64_t>(kPieceBytes));
  return rows.empty() ? "" : pqxx::binarystring(rows[0][0]).str();
}

// Calls `take` with the column's bytes of each batch that overlaps [first, first + count), in order: bytes, first index and count
// of the batch. The batches must follow each other without a gap.
absl::Status ForEachBatch(ReadTransaction& transaction, const std::string& column, std::uint64_t first, std::uint64_t count,
                          const std::function<absl::Status(std::string, std::uint64_t, std::uint64_t)>& take) {
  const pqxx::result rows = Execute(transaction,
      "SELECT first_index, count, " + column + " FROM ledger.batch WHERE first_index < $2 AND first_index >= "
      "coalesce((SELECT max(b.first_index) FROM ledger.batch AS b WHERE b.first_index <= $1), 0) ORDER BY first_index",
      static_cast<std::int64_t>(first), static_cast<std::int64_t>(first + count));
  std::uint64_t next = first;
  for (const pqxx::row& row : rows) {
    const auto batch_first = static_cast<std::uint64_t>(row[0].as<std::int64_t>());
    const auto batch_count = static_cast<std::uint64_t>(row[1].as<std::int64_t>());
    if (batch_first > next || batch_first + batch_count <= next) break;
    if (absl::Status status = take(pqxx::binarystring(row[2]).str(), batch_first, batch_count); !status.ok()) return status;
    next = batch_first + batch_count;
  }
  if (next < first + count) return absl::DataLossError(fmt::format("the log lacks the batch that holds entry {}", next));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<ledger::Hash>> ReadLeafHashes(ReadTransaction& transaction, std::uint64_t first, std::uint64_t count) {
  std::vector<ledger::Hash> hashes;
  if (count == 0) return hashes;
  hashes.reserve(count);
  absl::Status status = ForEachBatch(
      transaction, "leaf_hashes", first, count, [&](std::string bytes, std::uint64_t batch_first, std::uint64_t batch_count) -> absl::Status {
        if (bytes.size() != batch_count * kHashBytes) {
          return absl::DataLossError(fmt::format("the leaf hashes of the batch at {} do not fit its count", batch_first));
        }
        const std::uint64_t end = std::min(batch_first + batch_count, first + count);
        for (std::uint64_t i = std::max(first, batch_first); i < end; ++i) hashes.push_back(HashAt(bytes, i - batch_first));
        return absl::OkStatus();
      });
  if (!status.ok()) return status;
  return hashes;
}

absl::StatusOr<std::vector<std::string>> ReadLeaves(ReadTransaction& transaction, std::uint64_t first, std::uint64_t count) {
  std::vector<std::string> leaves;
  if (count == 0) return leaves;
  absl::Status status = ForEachBatch(
      transaction, fmt::format("substring(leaves FOR {})", kPieceBytes), first, count,
      [&](std::string bytes, std::uint64_t batch_first, std::uint64_t batch_count) -> absl::Status {
        const std::uint64_t batch_end = batch_first + batch_count;
        const std::uint64_t end = std::min(batch_end, first + count);
        std::uint64_t next = batch_first;
        // Of the piece that was read last.
        std::size_t piece_bytes = bytes.size();
        for (std::size_t read = piece_bytes;; read += piece_bytes) {
          std::string_view rest = bytes;
          for (std::string& leaf : ledger::TakeLeaves(rest)) {
            if (next >= first && next < end) leaves.push_back(std::move(leaf));
            ++next;
          }
          const bool is_last = piece_bytes < kPieceBytes;
          if (next > batch_end || (is_last && (next != batch_end || !rest.empty()))) {
            return absl::DataLossError(fmt::format("the leaves of the batch at {} do not fit its count", batch_first));
          }
          if (is_last || next >= end) return absl::OkStatus();
          const std::string piece = ReadPiece(transaction, batch_first, read);
          piece_bytes = piece.size();
          bytes = std::string(rest) + piece;
        }
      });
  if (!status.ok()) return status;
  return leaves;
}

absl::StatusOr<std::vector<std::string>> ReadFullTiles(ReadTransaction& transaction, unsigned level, std::uint64_t first,
                                                       std::uint64_t count) {
  std::vector<std::string> tiles;
  if (count == 0) return tiles;
  const pqxx::result rows = Execute(transaction,
      "SELECT index, bytes FROM ledger.tile WHERE level = $1 AND index >= $2 AND index < $3 ORDER BY index", static_cast<int>(level),
      static_cast<std::int64_t>(first), static_cast<std::int64_t>(first + count));
  for (const pqxx::row& row : rows) {
    if (static_cast<std::uint64_t>(row[0].as<std::int64_t>()) != first + tiles.size()) break;
    tiles.push_back(pqxx::binarystring(row[1]).str());
    if (tiles.back().size() != ledger::kTileWidth * kHashBytes) {
      return absl::DataLossError(fmt::format("tile {} of level {} is malformed", first + tiles.size() - 1, level));
    }
  }
  if (tiles.size() != count) return absl::DataLossError(fmt::format("tile {} of level {} is missing", first + tiles.size(), level));
  return tiles;
}

std::vector<ledger::Hash> HashesOfTile(const std::string& tile) {
  std::vector<ledger::Hash> hashes;
  hashes.reserve(tile.size() / kHashBytes);
  for (std::size_t i = 0; i < tile.size() / kHashBytes; ++i) hashes.push_back(HashAt(tile, i));
  return hashes;
}

}  // namespace custodian::tenants

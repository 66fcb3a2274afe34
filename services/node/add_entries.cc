#include "services/node/add_entries.h"

#include <bit>
#include <limits>
#include <utility>

#include "ledger/base64.h"
#include "ledger/big_endian.h"
#include "ledger/checkpoint.h"
#include "ledger/lines.h"
#include "ledger/tiles.h"

namespace custodian::node {
namespace {

using ledger::kTileWidth;

constexpr std::size_t kLengthBytes = 2;
constexpr std::size_t kIndexBytes = 8;

bool TakeBytes(std::string_view& from, std::size_t count, std::string_view& bytes) {
  if (from.size() < count) return false;
  bytes = from.substr(0, count);
  from.remove_prefix(count);
  return true;
}

// Bytes behind their length.
bool TakeString(std::string_view& from, std::string_view& bytes) {
  return TakeBytes(from, kLengthBytes, bytes) && TakeBytes(from, ledger::FromBigEndian(bytes), bytes);
}

absl::StatusOr<std::string> WithLength(std::string_view bytes) {
  if (bytes.size() > std::numeric_limits<std::uint16_t>::max()) return absl::InvalidArgumentError("longer than 65,535 bytes");
  return ledger::BigEndian(bytes.size(), kLengthBytes) + std::string(bytes);
}

}  // namespace

PackageRange PackageAt(std::uint64_t start, std::uint64_t upload_end) {
  const std::uint64_t first = start - start % kTileWidth;
  // Not first + kTileWidth, which may be past 64 bits.
  return {first, start, upload_end - first > kTileWidth ? first + kTileWidth : upload_end};
}

// A package ends with its bundle or with the tree, so its subtree is a node on the path of its last entry. Of m leaves the last one's path
// has as many hashes as m - 1 has one-bits.
absl::StatusOr<std::vector<ledger::Hash>> PackageProof(const PackageRange& range, const PathOf& path_of) {
  absl::StatusOr<std::vector<ledger::Hash>> path = path_of(range.end - 1);
  if (!path.ok()) return path;
  const auto within = std::popcount(range.end - range.first - 1);
  if (path->size() < static_cast<std::size_t>(within)) return absl::InvalidArgumentError("the path is too short");
  path->erase(path->begin(), path->begin() + within);
  return path;
}

absl::StatusOr<AddEntriesReader> AddEntriesReader::Open(std::string_view body) {
  std::string_view origin;
  std::string_view start;
  std::string_view end;
  std::string_view ticket;
  if (!TakeString(body, origin) || !TakeBytes(body, kIndexBytes, start) || !TakeBytes(body, kIndexBytes, end) || !TakeString(body, ticket))
    return absl::InvalidArgumentError("the request ends before its packages");
  AddEntriesHead head{std::string(origin), ledger::FromBigEndian(start), ledger::FromBigEndian(end), std::string(ticket)};
  if (head.upload_start > head.upload_end) return absl::InvalidArgumentError("the upload ends before it starts");
  return AddEntriesReader(std::move(head), body);
}

std::optional<EntryPackage> AddEntriesReader::Next() {
  if (next_ == head_.upload_end) return std::nullopt;
  EntryPackage package;
  package.range = PackageAt(next_, head_.upload_end);
  std::string_view rest = rest_;
  std::string_view bytes;
  for (std::uint64_t i = package.range.start; i < package.range.end; ++i) {
    if (!TakeString(rest, bytes)) return std::nullopt;
    package.entries.emplace_back(bytes);
  }
  if (!TakeBytes(rest, 1, bytes)) return std::nullopt;
  const std::uint64_t hashes = ledger::FromBigEndian(bytes);
  if (hashes > kProofHashesMax) return std::nullopt;
  for (std::uint64_t i = 0; i < hashes; ++i) {
    if (!TakeBytes(rest, sizeof(ledger::Hash), bytes)) return std::nullopt;
    package.proof.push_back(*ledger::HashFromBytes(bytes));
  }
  rest_ = rest;
  next_ = package.range.end;
  return package;
}

absl::StatusOr<std::string> SerializeAddEntries(const AddEntriesHead& head, const std::vector<EntryPackage>& packages) {
  const absl::StatusOr<std::string> origin = WithLength(head.origin);
  const absl::StatusOr<std::string> ticket = WithLength(head.ticket);
  if (!origin.ok() || !ticket.ok()) return absl::InvalidArgumentError("the origin or the ticket is too long");
  std::string body = *origin + ledger::BigEndian(head.upload_start, kIndexBytes) + ledger::BigEndian(head.upload_end, kIndexBytes) + *ticket;
  for (const EntryPackage& package : packages) {
    if (package.proof.size() > AddEntriesReader::kProofHashesMax) return absl::InvalidArgumentError("a proof has more than 63 hashes");
    for (const std::string& entry : package.entries) {
      const absl::StatusOr<std::string> bytes = WithLength(entry);
      if (!bytes.ok()) return bytes.status();
      body += *bytes;
    }
    body += ledger::BigEndian(package.proof.size(), 1);
    for (const ledger::Hash& hash : package.proof) body += ledger::AsBytes(hash);
  }
  return body;
}

absl::StatusOr<MirrorInfo> MirrorInfo::Parse(std::string_view text) {
  std::string_view size_line;
  std::string_view next_line;
  std::string_view ticket_line;
  if (!ledger::TakeLine(text, size_line) || !ledger::TakeLine(text, next_line) || !ledger::TakeLine(text, ticket_line) || !text.empty())
    return absl::InvalidArgumentError("what the mirror says of itself is not three lines");
  const absl::StatusOr<std::uint64_t> size = ledger::ParseDecimal(size_line);
  const absl::StatusOr<std::uint64_t> next_entry = ledger::ParseDecimal(next_line);
  absl::StatusOr<std::string> ticket = ledger::Base64Decode(ticket_line);
  if (!size.ok() || !next_entry.ok() || !ticket.ok()) return absl::InvalidArgumentError("what the mirror says of itself cannot be read");
  return MirrorInfo{*size, *next_entry, *std::move(ticket)};
}

std::string MirrorInfo::Serialize() const {
  return std::to_string(size) + "\n" + std::to_string(next_entry) + "\n" + ledger::Base64Encode(ticket) + "\n";
}

}  // namespace custodian::node

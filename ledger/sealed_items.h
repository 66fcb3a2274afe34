// Which sealed records and wrapped keys an entry names, and whether bytes that somebody hands over are what it names. The custodian serves by it, a mirror
// judges by it, a refill puts back by it. Pure; safe from any thread.
#ifndef CUSTODIAN_LEDGER_SEALED_ITEMS_H_
#define CUSTODIAN_LEDGER_SEALED_ITEMS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ledger/entry.pb.h"
#include "ledger/sealed.pb.h"
#include "ledger/signature.h"

namespace custodian::ledger {

// A page of items ends before this many bytes, or with its first item.
inline constexpr std::size_t kSealedPageBytesMax = 4 << 20;

// What an entry names. Its index and the position in this list are the item's address.
struct SealedName {
  std::uint64_t index = 0;
  std::uint32_t ordinal = 0;
  // "record", or of a wrapped key "shard" or "patient".
  std::string what;
  // Of the record or key, 16 bytes.
  std::string id;
  // SHA-256 of the bytes as stored.
  std::string sha256;
  // Of a record: the entry's subject, empty where it has none.
  std::string patient_id;
  // Of a record.
  std::uint64_t version = 0;
  bool deleted = false;
  bool account = false;
  // Of a key: the shard that it lies in (its own id for a shard) and the shard's epoch.
  std::string shard_id;
  std::uint64_t epoch = 0;

  [[nodiscard]] bool is_record() const { return what == "record"; }
};

// Of the RECORD_STORED or KEY_STORED entry at `index` whose author is `custodian`: what others sign says nothing of what the custodian keeps. Empty for
// every other entry.
[[nodiscard]] std::vector<SealedName> SealedNamesOf(const v1::Entry& entry, std::uint64_t index, std::string_view custodian);
// Of consecutive leaves from `first` on. InvalidArgument for a leaf that is none.
[[nodiscard]] absl::StatusOr<std::vector<SealedName>> SealedNamesOf(std::span<const std::string> leaves, std::uint64_t first, std::string_view custodian);

// OK when the item is what the entry names; DataLoss that says what is wrong.
[[nodiscard]] absl::Status CheckSealed(const SealedName& name, const v1::SealedItem& item);

// "leaf 17, record 3 of it", "leaf 18, the wrapped key": for people.
[[nodiscard]] std::string PositionOf(const SealedName& name);

// A resource below a log's prefix: "sealed/<index>/<ordinal>".
struct SealedPath {
  std::uint64_t index = 0;
  std::uint32_t ordinal = 0;

  // InvalidArgument for anything that ToString() would not have written.
  [[nodiscard]] static absl::StatusOr<SealedPath> Parse(std::string_view path);
  [[nodiscard]] std::string ToString() const;
};
inline constexpr std::string_view kSealedPrefix = "sealed/";

}  // namespace custodian::ledger

#endif  // CUSTODIAN_LEDGER_SEALED_ITEMS_H_

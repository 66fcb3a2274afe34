// Author batches: what a sender signs and a receiver checks (DESIGN, section 4, "Leaf"). Pure; safe from any thread.
#ifndef CUSTODIAN_LEDGER_ENTRY_H_
#define CUSTODIAN_LEDGER_ENTRY_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ledger/entry.pb.h"
#include "ledger/signature.h"

namespace custodian::ledger {

inline constexpr std::size_t kLeafBytesMax = 65'535;
inline constexpr std::size_t kEntryBytesMax = 60'000;
inline constexpr std::size_t kBatchEntriesMax = 65'536;

// The message an author signs for a batch.
[[nodiscard]] std::string AuthorBatchMessage(std::string_view origin, std::uint64_t batch_size, const Hash& batch_root);

// Signs `entries` (serialized ledger.v1.Entry, all of `origin`) once and returns the serialized SignedEntry leaves in order.
// InvalidArgument when empty or past a limit.
[[nodiscard]] absl::StatusOr<std::vector<std::string>> SignBatch(std::string_view origin, std::span<const std::string> entries,
                                                                 const Signer& signer);

// A parsed leaf.
struct Leaf {
  v1::SignedEntry signed_entry;
  v1::Entry entry;
};
// InvalidArgument that names the fault: limits, unspecified enums, a missing required field.
[[nodiscard]] absl::StatusOr<Leaf> ParseLeaf(std::string_view leaf_bytes);

// What Entry.row_sha256 holds for a row of a qualified table: its values in the order of the table's columns, numbers in decimal. What
// lies in the entry anyway (its index, its time) is left out.
[[nodiscard]] Hash RowSha256(std::string_view table, std::span<const std::string> values);

// Root of the author's batch that a leaf's batch path leads to. InvalidArgument when the path does not fit its index and size.
[[nodiscard]] absl::StatusOr<Hash> BatchRootOf(const v1::SignedEntry& leaf);

// InvalidArgument or Unauthenticated unless the leaves are one whole author batch in order: one author, key and signature, and every batch path
// that of the tree over their entries. What the signature covers is then the root that any of the paths leads to.
[[nodiscard]] absl::Status CheckWholeBatch(std::span<const Leaf> leaves);

// Checks the batch signature of a leaf under `key` for `origin`. Unauthenticated on any mismatch.
[[nodiscard]] absl::Status VerifyLeafSignature(std::string_view origin, const v1::SignedEntry& leaf, const PublicKey& key);

}  // namespace custodian::ledger

#endif  // CUSTODIAN_LEDGER_ENTRY_H_

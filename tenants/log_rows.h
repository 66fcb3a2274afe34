// Reads of the ledger's tables that both the writer (at start) and the reader need. Pure reads on a transaction lent by the caller.
#ifndef CUSTODIAN_TENANTS_LOG_ROWS_H_
#define CUSTODIAN_TENANTS_LOG_ROWS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "ledger/tree.h"
#include "tenants/transaction.h"

namespace custodian::tenants {

// Of leaves [first, first + count), which must lie below the head; DataLoss when a batch is missing or malformed.
[[nodiscard]] absl::StatusOr<std::vector<ledger::Hash>> ReadLeafHashes(ReadTransaction& transaction, std::uint64_t first,
                                                                       std::uint64_t count);
[[nodiscard]] absl::StatusOr<std::vector<std::string>> ReadLeaves(ReadTransaction& transaction, std::uint64_t first, std::uint64_t count);

// The full tiles [first, first + count) of a level, 8,192 bytes each; DataLoss when one is missing or malformed.
[[nodiscard]] absl::StatusOr<std::vector<std::string>> ReadFullTiles(ReadTransaction& transaction, unsigned level, std::uint64_t first,
                                                                     std::uint64_t count);

// The 256 hashes of a full tile.
[[nodiscard]] std::vector<ledger::Hash> HashesOfTile(const std::string& tile);

}  // namespace custodian::tenants

#endif  // CUSTODIAN_TENANTS_LOG_ROWS_H_

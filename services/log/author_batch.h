// Checks what an author other than the custodian sends before it may enter a log (DESIGN, section 4, "Who wrote it"): the leaves
// are one whole author batch in order, for this log, by one author whom the current roster lets write these kinds, under one
// valid signature. Pure but for the roster; the partition writer checks again at its own moment.
#ifndef CUSTODIAN_SERVICES_LOG_AUTHOR_BATCH_H_
#define CUSTODIAN_SERVICES_LOG_AUTHOR_BATCH_H_

#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "ledger/tree.h"
#include "tenants/partition_writer.h"

namespace custodian::log {

struct AuthorBatch {
  // SPIFFE URI in the roster.
  std::string author;
  // Of the first entry, 32 bytes.
  std::string idempotency_key;
  // SHA-256 of what was signed: equal for a batch that was signed anew, other for other entries.
  ledger::Hash digest{};
};

// InvalidArgument that names the leaf by position, Unauthenticated for a bad signature, PermissionDenied by the roster.
[[nodiscard]] absl::StatusOr<AuthorBatch> VerifyAuthorBatch(std::string_view origin, std::span<const std::string> leaves,
                                                            const tenants::Roster& roster);

}  // namespace custodian::log

#endif  // CUSTODIAN_SERVICES_LOG_AUTHOR_BATCH_H_

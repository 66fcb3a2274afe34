// Gives a log back the end that its database has lost: the leaves that a mirror kept, with the same origin, entries and root, and of the
// `ledger` schema whatever follows from them (batches, tiles, checkpoints, answers to idempotency keys, consent versions). For
// operators' commands while no writer runs; one that runs nevertheless commits no more, for the refill takes a new epoch. Blocking.
//
// What does not follow from leaves: the request digest of the custodian's own writes, so that one that is sent again is refused instead of
// answered; answers to writes without an entry; which batches of authors were one commit (each becomes one); the outbox; and all that
// entries only name (sealed records, wrapped keys, rows).
#ifndef CUSTODIAN_TENANTS_LOG_REFILL_H_
#define CUSTODIAN_TENANTS_LOG_REFILL_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "ledger/checkpoint.h"
#include "ledger/entry.h"
#include "tenants/database.h"

namespace custodian::tenants {

struct RefillLeaf {
  std::string bytes;
  ledger::Leaf leaf;
};

// The log's leaves from the first on, in order; nothing at the end. The caller judges authors and signatures; an error ends the refill.
using NextLeaf = std::function<absl::StatusOr<std::optional<RefillLeaf>>()>;

struct Refill {
  // Of the whole log, whose last checkpoint it is.
  ledger::Checkpoint checkpoint;
  // The checkpoint with the log's signature, and the cosignatures that are known of it.
  std::string note;
  // Roster name of the custodian's own author.
  std::string custodian;
  // The machine's.
  absl::Time now;
  // Whether these cosignatures make the quorum: only then it is published. Else the publisher collects them.
  bool is_witnessed = true;
};

struct Refilled {
  std::uint64_t size_before = 0;
  std::uint64_t size = 0;
  // Named by the entries that were appended, and not in them.
  std::uint64_t sealed = 0;
  std::uint64_t wrapped_keys = 0;
  std::uint64_t rows = 0;
};

// All in one transaction: it is refilled whole or left as it was. FailedPrecondition when what the database holds does not begin the
// given log, or is longer; DataLoss when the leaves do not make the checkpoint's root. A log that is whole already is left as it is.
[[nodiscard]] absl::StatusOr<Refilled> RefillLog(const Database& database, const Refill& refill, const NextLeaf& next);

}  // namespace custodian::tenants

#endif  // CUSTODIAN_TENANTS_LOG_REFILL_H_

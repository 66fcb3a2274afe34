// What a tenant's node says of reported entries, before it is admitted to the log: a range that was countersigned must end at a checkpoint that this log
// signed, with that root; a disputed leaf must be there. So no verifier finds fault with the log for what a node said wrong. Thread-safe.
#ifndef CUSTODIAN_SERVICES_LOG_TENANTS_WORD_H_
#define CUSTODIAN_SERVICES_LOG_TENANTS_WORD_H_

#include <span>

#include "absl/status/status.h"
#include "ledger/entry.h"
#include "tenants/log_reader.h"

namespace custodian::log {

// Of an author's batch. InvalidArgument that says what is wrong; FailedPrecondition for a range whose end is too far back by now: a new one is to be
// signed. OK for every other kind.
[[nodiscard]] absl::Status CheckTenantsWord(const tenants::LogReader& log, std::span<const ledger::v1::Entry> entries);
// Kinds that verifiers of before did not know.
[[nodiscard]] bool IsTenantsWord(ledger::v1::Kind kind);

}  // namespace custodian::log

#endif  // CUSTODIAN_SERVICES_LOG_TENANTS_WORD_H_

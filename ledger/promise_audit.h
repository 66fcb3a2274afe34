// Whether a promise (promise.h) was kept, by the log as it is served: its newest witnessed checkpoint, and the hashes of the leaves that were
// promised, which must make the checkpoint's root. Pure: bytes are read by a function, the time is a parameter.
#ifndef CUSTODIAN_LEDGER_PROMISE_AUDIT_H_
#define CUSTODIAN_LEDGER_PROMISE_AUDIT_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "ledger/audit_tiles.h"
#include "ledger/promise.h"

namespace custodian::ledger {

enum class PromiseVerdict {
  // The leaves that were promised are there, under a witnessed checkpoint.
  kKept,
  // They are not, and the time is not over.
  kNotDue,
  // Other leaves are there: under a witnessed checkpoint, so that no later one can mend it. Proof for anybody, with the checkpoint and its tiles.
  kBrokenOtherLeaves,
  // A quorum cosigned, after the time, a checkpoint that does not reach so far. Proof for anybody, with the checkpoint.
  kBrokenNotCovered,
  // The time is over by the clock of whoever asks, and what is served was last cosigned before it: the log is frozen, or is shown as it was. A
  // witness or a mirror may know a newer checkpoint; to others this proves nothing.
  kBrokenNothingNewer,
};
// "kept", "not_due", "other_leaves", "not_covered", "nothing_newer"; stable.
[[nodiscard]] std::string_view VerdictName(PromiseVerdict verdict);
[[nodiscard]] bool IsBroken(PromiseVerdict verdict);

// Unauthenticated when the tiles do not make the checkpoint's root, so that nothing is known of the leaves; else whatever `read` fails with.
[[nodiscard]] absl::StatusOr<PromiseVerdict> JudgePromise(const Promise& promise, const BelievedCheckpoint& believed, absl::Time now,
                                                          const ByteSource& read);

}  // namespace custodian::ledger

#endif  // CUSTODIAN_LEDGER_PROMISE_AUDIT_H_

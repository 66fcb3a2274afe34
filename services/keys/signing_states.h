// What each log's key last signed, durably: the promise never to sign a smaller size, or another root for a size, outlives any
// crash. One small file a log. Thread-safe.
#ifndef CUSTODIAN_SERVICES_KEYS_SIGNING_STATES_H_
#define CUSTODIAN_SERVICES_KEYS_SIGNING_STATES_H_

#include <set>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "ledger/checkpoint.h"

namespace custodian::keys {

class SigningStates {
 public:
  explicit SigningStates(std::string directory) : directory_(std::move(directory)) {}

  // What was signed last (or the empty tree); NotFound when the log was never begun, DataLoss when its file cannot be read as
  // one.
  [[nodiscard]] absl::StatusOr<ledger::Checkpoint> Last(std::string_view origin) const;
  // Remembers a new log with the empty tree. Before its key is made: a key without a state has lost it, and must not sign.
  [[nodiscard]] absl::Status Begin(std::string_view origin);
  // Remembers `next`, durable before this returns OK; only then may it be signed. FailedPrecondition for a smaller size, or
  // another root for the same size; the same size and root again is allowed.
  [[nodiscard]] absl::Status Advance(const ledger::Checkpoint& next);

 private:
  [[nodiscard]] std::string FileOf(std::string_view origin) const;

  const std::string directory_;
  absl::Mutex mutex_;
  // Logs whose file is being replaced, so that one log's disk does not hold up another's.
  std::set<std::string> busy_ ABSL_GUARDED_BY(mutex_);
  // Logs whose file is known to be on disk as it is read, because this process wrote it.
  std::set<std::string> durable_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace custodian::keys

#endif  // CUSTODIAN_SERVICES_KEYS_SIGNING_STATES_H_

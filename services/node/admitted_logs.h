// The logs that a governance log admits: each TENANT_ADMITTED names a partition's log and its key, so that a witness started once
// accepts a new tenant's log by itself. The governance log is read whole and verified (ledger::AuditTiles) under the key that the
// witness's own file of logs names; whoever holds that key may admit any log, so no quorum is asked for. It is read at the start and
// when somebody shows a checkpoint of an unknown log, never because time passes. Run() is for one thread, all else for any.
#ifndef CUSTODIAN_SERVICES_NODE_ADMITTED_LOGS_H_
#define CUSTODIAN_SERVICES_NODE_ADMITTED_LOGS_H_

#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "ledger/audit.h"
#include "services/node/known_logs.h"

namespace custodian::node {

class AdmittedLogs {
 public:
  // `read` reads below the governance log's prefix and may block. Readings are at least `spacing` apart, however many ask.
  AdmittedLogs(KnownLogs& known, ledger::ByteSource read, absl::Duration spacing = absl::Seconds(1))
      : known_(known), read_(std::move(read)), spacing_(spacing) {}

  // Reads when asked, once at the start, until Stop().
  void Run();
  // The governance log may name more by now; returns at once.
  void Ask();
  void Stop();

  // One reading: tells `known` of what is admitted. NotFound when the file names no key for the log, DataLoss when it was
  // rewritten since the last reading or is not what a governance log must be, and what the source says.
  [[nodiscard]] absl::Status Refresh();

 private:
  KnownLogs& known_;
  const ledger::ByteSource read_;
  const absl::Duration spacing_;
  // As read last; Refresh() is one thread's.
  std::uint64_t size_ = 0;
  ledger::Hash root_ = ledger::EmptyRoot();

  absl::Mutex mutex_;
  bool asked_ ABSL_GUARDED_BY(mutex_) = true;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace custodian::node

#endif  // CUSTODIAN_SERVICES_NODE_ADMITTED_LOGS_H_

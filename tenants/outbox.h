// What must follow a committed write, in order, at least once: rows of `ledger.outbox` written in the same transaction. Drained
// by whoever wrote them before answering, and by a background thread after a crash. Thread-safe; one drain at a time a partition.
#ifndef CUSTODIAN_TENANTS_OUTBOX_H_
#define CUSTODIAN_TENANTS_OUTBOX_H_

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "tenants/database.h"
#include "tenants/ids.h"
#include "tenants/partition_writer.h"

namespace custodian::tenants {

// Columns: kind text, patient_id bytea (empty when none). A serial column orders them.
extern const Table kOutboxTable;
[[nodiscard]] Row OutboxRow(std::string kind, const PatientId& patient);

class Outbox {
 public:
  // Must be idempotent. Non-OK keeps the row for the next drain, and with it the patient's later rows; a status that tells of a
  // process that is away (Unavailable and its like) keeps all rows behind it.
  using Handler = std::function<absl::Status(const PatientId&)>;

  Outbox(const Database& database);
  ~Outbox();
  // Before the first Drain(). Several of one kind run in the order they came, until one fails.
  void Handle(std::string kind, Handler handler);
  // Runs the handlers of all waiting rows, oldest first, and deletes each after its handler's OK. Returns the first failure.
  [[nodiscard]] absl::Status Drain();
  // The same for no more than a few hundred of the oldest rows, so that who drains several partitions in turn keeps none waiting for another's
  // backlog. `more`: there may be others.
  [[nodiscard]] absl::Status DrainSome(bool& more);

 private:
  class Core;
  std::unique_ptr<Core> core_;
};

}  // namespace custodian::tenants

#endif  // CUSTODIAN_TENANTS_OUTBOX_H_

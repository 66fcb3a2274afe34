// Rows of refusals that wait for their batch (exchange.refusal). SQL only; sealed bytes go in and come out. Thread-safe, but batches are taken
// and finished by one thread.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_REFUSAL_STORE_H_
#define CUSTODIAN_SERVICES_EXCHANGE_REFUSAL_STORE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tenants/database.h"
#include "tenants/ids.h"

namespace custodian::exchange {

// An AuditEvent, sealed as version 1 of `record`.
struct WaitingRefusal {
  RecordId record;
  PatientId patient;
  std::string sealed;
  absl::Time noted;
};

class RefusalStore {
 public:
  explicit RefusalStore(const tenants::Database& database) : database_(database) {}

  // All of them or none. One that is kept already, or on the log, stays as it is: whether an earlier try came through need not be known.
  [[nodiscard]] absl::Status Keep(const std::vector<WaitingRefusal>& refusals) const;
  [[nodiscard]] absl::StatusOr<std::size_t> Waiting() const;

  struct Batch {
    // 32 bytes: the idempotency key under which it is to be written.
    std::string key;
    std::vector<WaitingRefusal> refusals;
  };
  // The batch that was taken and not finished, else a new one of the oldest refusals, at most `refusals_max`; empty when none waits.
  [[nodiscard]] absl::StatusOr<Batch> Take(std::size_t refusals_max) const;
  // Once it is on the log.
  [[nodiscard]] absl::Status Finish(const Batch& batch) const;

 private:
  const tenants::Database& database_;
};

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_REFUSAL_STORE_H_

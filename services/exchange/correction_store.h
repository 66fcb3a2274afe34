// Rows of `exchange.correction` and `exchange.correction_acknowledged`: the alerts that a tenant got, by the record of the Communication
// that tells of each. SQL only. Thread-safe.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_CORRECTION_STORE_H_
#define CUSTODIAN_SERVICES_EXCHANGE_CORRECTION_STORE_H_

#include <cstddef>
#include <vector>

#include "absl/status/statusor.h"
#include "tenants/database.h"
#include "tenants/ids.h"
#include "tenants/partition_writer.h"

namespace custodian::exchange {

// `entry`: position in the Write of CORRECTION_ALERTED, and of CORRECTION_ACKNOWLEDGED.
[[nodiscard]] tenants::Row CorrectionRow(const RecordId& record, const PatientId& patient, std::size_t entry);
[[nodiscard]] tenants::Row CorrectionAcknowledgedRow(const RecordId& record, const PatientId& patient, std::size_t entry);

class CorrectionStore {
 public:
  explicit CorrectionStore(const tenants::Database& database) : database_(database) {}
  // Alerts that nobody has acknowledged, oldest first, at most `limit`.
  [[nodiscard]] absl::StatusOr<std::vector<RecordId>> Open(int limit) const;

 private:
  const tenants::Database& database_;
};

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_CORRECTION_STORE_H_

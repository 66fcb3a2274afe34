// Whose record it is, and whose Patient resource a FHIR id names: asked of the database once, since that never changes. Thread-safe.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_KNOWN_PATIENTS_H_
#define CUSTODIAN_SERVICES_EXCHANGE_KNOWN_PATIENTS_H_

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "services/keys/sealer.h"
#include "tenants/partitions.h"

namespace custodian::exchange {

class KnownPatients {
 public:
  explicit KnownPatients(keys::Sealer& sealer) : sealer_(sealer) {}

  // Nothing when no such Patient was ever stored.
  [[nodiscard]] absl::StatusOr<std::optional<PatientId>> Find(const tenants::Partition& partition, std::string_view fhir_patient_id);
  // Of a record of any type; nothing when no version of it was ever stored.
  [[nodiscard]] absl::StatusOr<std::optional<PatientId>> OfRecord(const tenants::Partition& partition, const RecordId& record) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  keys::Sealer& sealer_;
  absl::Mutex mutex_;
  // By tenant and record.
  std::map<std::pair<std::string, std::string>, PatientId> patients_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_KNOWN_PATIENTS_H_

#include "services/exchange/known_patients.h"

#include <cstddef>

#include "services/exchange/record_store.h"

namespace custodian::exchange {
namespace {

constexpr std::size_t kPatientsMax = 10'000;

}  // namespace

absl::StatusOr<std::optional<PatientId>> KnownPatients::Find(const tenants::Partition& partition, std::string_view fhir_patient_id) {
  const auto record = sealer_.RecordIdOf(partition.tenant.id, "Patient", fhir_patient_id);
  if (!record.ok()) return record.status();
  const std::pair name(partition.tenant.id.text(), record->bytes());
  {
    const absl::MutexLock lock(&mutex_);
    if (const auto known = patients_.find(name); known != patients_.end()) return std::optional<PatientId>(known->second);
  }
  auto patient = RecordStore(*partition.database).PatientOf(*record);
  if (!patient.ok() || !patient->has_value()) return patient;
  const absl::MutexLock lock(&mutex_);
  if (patients_.size() >= kPatientsMax) patients_.clear();
  patients_.emplace(name, **patient);
  return patient;
}

}  // namespace custodian::exchange

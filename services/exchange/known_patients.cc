#include "services/exchange/known_patients.h"

#include <cstddef>

#include "services/exchange/record_store.h"

namespace custodian::exchange {
namespace {

constexpr std::size_t kRecordsMax = 50'000;

}  // namespace

absl::StatusOr<std::optional<PatientId>> KnownPatients::Find(const tenants::Partition& partition, std::string_view fhir_patient_id) {
  const auto record = sealer_.RecordIdOf(partition.tenant.id, "Patient", fhir_patient_id);
  if (!record.ok()) return record.status();
  return OfRecord(partition, *record);
}

absl::StatusOr<std::optional<PatientId>> KnownPatients::OfRecord(const tenants::Partition& partition, const RecordId& record) {
  const std::pair name(partition.tenant.id.text(), record.bytes());
  {
    const absl::MutexLock lock(&mutex_);
    if (const auto known = patients_.find(name); known != patients_.end()) return std::optional<PatientId>(known->second);
  }
  const auto heads = RecordStore(*partition.database).Heads({record});
  if (!heads.ok()) return heads.status();
  const auto head = heads->find(record);
  if (head == heads->end()) return std::optional<PatientId>();
  const absl::MutexLock lock(&mutex_);
  if (patients_.size() >= kRecordsMax) patients_.clear();
  patients_.emplace(name, head->second.patient);
  return std::optional(head->second.patient);
}

}  // namespace custodian::exchange

// The stored records of a patient and of a person: opened, newest versions, patient-scoped. The one way services read health
// data. A chart that was opened is kept for a while (kept_charts.h), so that the next who asks opens only what came since. Thread-safe.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_PATIENT_RECORDS_H_
#define CUSTODIAN_SERVICES_EXCHANGE_PATIENT_RECORDS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "services/exchange/exam.h"
#include "services/exchange/kept_charts.h"
#include "services/exchange/known_patients.h"
#include "services/exchange/patient_link.h"
#include "services/keys/sealer.h"
#include "tenants/clock.h"
#include "tenants/partitions.h"

namespace custodian::exchange {

// What a Patient resource says of other charts of its tenant (Patient.link): that they are the same person's.
struct ChartLinks {
  // The resource's own record.
  RecordId record = {};
  std::set<PatientId> others = {};
  // Those that are not stored.
  std::set<RecordId> awaited = {};
  bool operator==(const ChartLinks&) const = default;
};

struct SealedRecord;

// Opens one stored version. DataLoss, naming record and version, when the row was altered.
[[nodiscard]] absl::StatusOr<OpenedRecord> OpenRecord(const tenants::Tenant& tenant, const SealedRecord& record, keys::Sealer& sealer,
                                                      std::string_view purpose);

// The tenant's own pseudo patient, under whose key lie the records of no patient (Organization, Practitioner, Location, ...).
[[nodiscard]] absl::StatusOr<PatientId> TenantResources(const TenantId& tenant, keys::Sealer& sealer);

class PatientRecords {
 public:
  PatientRecords(const tenants::Partitions& partitions, keys::Sealer& sealer, const Clock& machine_clock, KeptChartLimits limits = {});

  // What a FHIR Patient id of this tenant is stored as, whether there is such a patient or not.
  [[nodiscard]] absl::StatusOr<RecordId> PatientRecordId(const TenantId& tenant, std::string_view fhir_patient_id) const;
  // Patient behind a FHIR Patient id of this tenant; NotFound.
  [[nodiscard]] absl::StatusOr<PatientId> FindPatient(const TenantId& tenant, std::string_view fhir_patient_id) const;
  // Whose record it is; nothing when no version of it was ever stored.
  [[nodiscard]] absl::StatusOr<std::optional<PatientId>> PatientOfRecord(const tenants::Partition& partition, const RecordId& record) const {
    return patients_.OfRecord(partition, record);
  }
  // Newest versions of the patient's chart (deleted ones left out, and the accounts of disclosures), opened. DataLoss when a row was
  // altered.
  using Records = std::vector<OpenedRecord>;
  [[nodiscard]] absl::StatusOr<std::shared_ptr<const Records>> Open(const PatientLink& link, std::string_view purpose) const;
  // The same with the patient's consent version at that moment (0 before the first Consent).
  struct Chart {
    std::shared_ptr<const Records> records;
    std::int64_t consent_version = 0;
    // It is what all entries below this position of the partition's log made of it.
    std::uint64_t through = 0;
  };
  [[nodiscard]] absl::StatusOr<Chart> OpenChart(const PatientLink& link, std::string_view purpose) const;
  // The same where it takes nothing but memory: the chart is kept, nothing changed it, and its key is held; else nothing.
  [[nodiscard]] std::optional<Chart> ChartAtHand(const PatientLink& link) const;
  // With every version, oldest first, for what was known when.
  [[nodiscard]] absl::StatusOr<Records> OpenHistory(const PatientLink& link, std::string_view purpose) const;
  // The newest version of the patient's Patient resource; nothing when there is none, or it was deleted.
  [[nodiscard]] absl::StatusOr<std::optional<OpenedRecord>> OpenPatient(const PatientLink& link, std::string_view purpose) const;

  // Lets go of charts that were kept long enough (kept_charts.h).
  void DropExpired() const { kept_.DropExpired(); }

 private:
  using Kept = KeptCharts<Chart>::Kept;
  [[nodiscard]] absl::StatusOr<Records> Opened(const tenants::Partition& partition, const std::vector<SealedRecord>& rows, std::string_view purpose) const;
  [[nodiscard]] absl::StatusOr<Chart> OpenAnew(const tenants::Partition& partition, const PatientLink& link, std::string_view purpose) const;
  // `former` with `rows` in the place of what they change.
  [[nodiscard]] absl::StatusOr<Records> Merged(const tenants::Partition& partition, const Records& former, std::vector<SealedRecord> rows,
                                               std::string_view purpose) const;
  // `kept`, brought up to the present.
  [[nodiscard]] absl::StatusOr<Chart> Advance(const tenants::Partition& partition, const PatientLink& link, std::string_view purpose, Kept kept) const;

  const tenants::Partitions& partitions_;
  keys::Sealer& sealer_;
  mutable KnownPatients patients_;
  mutable KeptCharts<Chart> kept_;
};

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_PATIENT_RECORDS_H_

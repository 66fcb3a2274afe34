#include "services/exchange/patient_records.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "services/exchange/fhir_json.h"
#include "services/exchange/record_store.h"

namespace custodian::exchange {
namespace {

absl::Status NoPartition(const TenantId& tenant) {
  return absl::NotFoundError(absl::StrCat("no partition of tenant ", tenant.text(), " runs here"));
}

}  // namespace

absl::StatusOr<OpenedRecord> OpenRecord(const tenants::Tenant& tenant, const SealedRecord& record, keys::Sealer& sealer,
                                        std::string_view purpose) {
  absl::StatusOr<std::string> json =
      sealer.Open({tenant.id, record.patient, record.record.bytes(), record.version}, record.sealed, purpose);
  if (!json.ok()) {
    return absl::Status(json.status().code(), absl::StrCat("record ", record.record.hex(), " version ", record.version, " of tenant ",
                                                           tenant.id.text(), " cannot be opened: ",
                                                           std::string(json.status().message())));
  }
  OpenedRecord opened{.tenant_name = tenant.name, .resource_type = "", .id = "", .version = record.version, .json = *std::move(json),
                      .arrived = record.arrived};
  opened.parsed = ResourceOf(opened);
  if (opened.parsed == nullptr) return absl::DataLossError(absl::StrCat("record ", record.record.hex(), " holds no JSON"));
  opened.resource_type = opened.parsed->TextOf("resourceType");
  opened.id = opened.parsed->TextOf("id");
  return opened;
}

absl::StatusOr<PatientId> TenantResources(const TenantId& tenant, keys::Sealer& sealer) {
  const absl::StatusOr<std::string> token = sealer.IndexToken(tenant, "tenant-resources");
  if (!token.ok()) return token.status();
  return PatientId::FromBytes(std::string_view(*token).substr(0, 16));
}

PatientRecords::PatientRecords(const tenants::Partitions& partitions, keys::Sealer& sealer) : partitions_(partitions), sealer_(sealer) {}

absl::StatusOr<RecordId> PatientRecords::PatientRecordId(const TenantId& tenant, std::string_view fhir_patient_id) const {
  return sealer_.RecordIdOf(tenant, "Patient", fhir_patient_id);
}

absl::StatusOr<PatientId> PatientRecords::FindPatient(const TenantId& tenant, std::string_view fhir_patient_id) const {
  const tenants::Partition* partition = partitions_.FindById(tenant);
  if (partition == nullptr) return NoPartition(tenant);
  const absl::StatusOr<RecordId> record = PatientRecordId(tenant, fhir_patient_id);
  if (!record.ok()) return record.status();
  const absl::StatusOr<std::optional<PatientId>> patient = RecordStore(*partition->database).PatientOf(*record);
  if (!patient.ok()) return patient.status();
  if (!patient->has_value()) return absl::NotFoundError(absl::StrCat("tenant ", tenant.text(), " has no such patient"));
  return **patient;
}

absl::StatusOr<std::vector<OpenedRecord>> PatientRecords::Opened(const tenants::Partition& partition, const std::vector<SealedRecord>& rows,
                                                                 std::string_view purpose) const {
  std::vector<OpenedRecord> opened;
  opened.reserve(rows.size());
  for (const SealedRecord& row : rows) {
    absl::StatusOr<OpenedRecord> record = OpenRecord(partition.tenant, row, sealer_, purpose);
    if (!record.ok()) return record.status();
    opened.push_back(*std::move(record));
  }
  return opened;
}

absl::StatusOr<PatientRecords::Chart> PatientRecords::OpenChart(const PatientLink& link, std::string_view purpose) const {
  const tenants::Partition* partition = partitions_.FindById(link.tenant);
  if (partition == nullptr) return NoPartition(link.tenant);
  const absl::StatusOr<RecordStore::Chart> sealed = RecordStore(*partition->database).ChartOfPatient(link.patient);
  if (!sealed.ok()) return sealed.status();
  absl::StatusOr<std::vector<OpenedRecord>> records = Opened(*partition, sealed->records, purpose);
  if (!records.ok()) return records.status();
  return Chart{*std::move(records), sealed->consent_version};
}

absl::StatusOr<std::vector<OpenedRecord>> PatientRecords::Open(const PatientLink& link, std::string_view purpose) const {
  absl::StatusOr<Chart> chart = OpenChart(link, purpose);
  if (!chart.ok()) return chart.status();
  return std::move(chart->records);
}

absl::StatusOr<std::optional<OpenedRecord>> PatientRecords::OpenPatient(const PatientLink& link, std::string_view purpose) const {
  const tenants::Partition* partition = partitions_.FindById(link.tenant);
  if (partition == nullptr) return NoPartition(link.tenant);
  const RecordStore store(*partition->database);
  const absl::StatusOr<std::vector<RecordId>> ids = store.PatientRecordsOf({link.patient});
  if (!ids.ok()) return ids.status();
  const absl::StatusOr<std::vector<SealedRecord>> rows = store.NewestOf(*ids);
  if (!rows.ok()) return rows.status();
  if (rows->empty() || rows->front().deleted) return std::optional<OpenedRecord>();
  absl::StatusOr<OpenedRecord> opened = OpenRecord(partition->tenant, rows->front(), sealer_, purpose);
  if (!opened.ok()) return opened.status();
  return std::optional<OpenedRecord>(*std::move(opened));
}

absl::StatusOr<std::vector<OpenedRecord>> PatientRecords::OpenHistory(const PatientLink& link, std::string_view purpose) const {
  const tenants::Partition* partition = partitions_.FindById(link.tenant);
  if (partition == nullptr) return NoPartition(link.tenant);
  const absl::StatusOr<std::vector<SealedRecord>> rows = RecordStore(*partition->database).HistoryOfPatient(link.patient);
  if (!rows.ok()) return rows.status();
  return Opened(*partition, *rows, purpose);
}

}  // namespace custodian::exchange

#include "services/exchange/patient_records.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "services/exchange/fhir_json.h"
#include "services/exchange/record_store.h"

namespace custodian::exchange {
namespace {

absl::Status NoPartition(const TenantId& tenant) {
  return absl::NotFoundError(absl::StrCat("no partition of tenant ", tenant.text(), " runs here"));
}

std::size_t BytesOf(const PatientRecords::Records& records) {
  std::size_t bytes = 0;
  for (const OpenedRecord& record : records) bytes += kKeptBytesPerByte * record.json.size();
  return bytes;
}

bool IsDeleted(const SealedRecord& row) { return row.deleted; }

// The position of the log below which everything of the chart was read: what was committed before the question, and what was found.
std::uint64_t Behind(std::uint64_t size_before, const std::vector<SealedRecord>& rows) {
  std::uint64_t position = size_before;
  for (const SealedRecord& row : rows) position = std::max(position, row.entry_index + 1);
  return position;
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
                      .arrived = record.arrived, .record = record.record, .sealed_sha256 = ledger::Sha256(record.sealed)};
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

PatientRecords::PatientRecords(const tenants::Partitions& partitions, keys::Sealer& sealer, const Clock& machine_clock, KeptChartLimits limits)
    : partitions_(partitions), sealer_(sealer), patients_(sealer), kept_(machine_clock, limits) {}

absl::StatusOr<RecordId> PatientRecords::PatientRecordId(const TenantId& tenant, std::string_view fhir_patient_id) const {
  return sealer_.RecordIdOf(tenant, "Patient", fhir_patient_id);
}

absl::StatusOr<PatientId> PatientRecords::FindPatient(const TenantId& tenant, std::string_view fhir_patient_id) const {
  const tenants::Partition* partition = partitions_.FindById(tenant);
  if (partition == nullptr) return NoPartition(tenant);
  const absl::StatusOr<std::optional<PatientId>> patient = patients_.Find(*partition, fhir_patient_id);
  if (!patient.ok()) return patient.status();
  if (!patient->has_value()) return absl::NotFoundError(absl::StrCat("tenant ", tenant.text(), " has no such patient"));
  return **patient;
}

absl::StatusOr<PatientRecords::Records> PatientRecords::Opened(const tenants::Partition& partition, const std::vector<SealedRecord>& rows,
                                                               std::string_view purpose) const {
  Records opened;
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
  if (!kept_.keeps()) return OpenAnew(*partition, link, purpose);
  bool is_first = false;
  std::optional<Kept> kept = kept_.UseOrBegin(link, is_first);
  if (!kept) {
    const absl::Cleanup end = [&] {
      if (is_first) kept_.End(link);
    };
    return OpenAnew(*partition, link, purpose);
  }
  // Whoever holds the key no longer, or may not have it any more, is shown nothing of what it opened before.
  if (absl::Status held = sealer_.Prefetch(link.tenant, {&link.patient, 1}, purpose); !held.ok()) return held;
  return Advance(*partition, link, purpose, *std::move(kept));
}

std::optional<PatientRecords::Chart> PatientRecords::ChartAtHand(const PatientLink& link) const {
  const tenants::Partition* partition = partitions_.FindById(link.tenant);
  if (partition == nullptr || !kept_.keeps()) return std::nullopt;
  const std::optional<Kept> kept = kept_.UseIfKept(link);
  if (!kept || !sealer_.Holds(link.tenant, link.patient) || !partition->writer->IsUnchangedSince(link.patient, kept->through)) return std::nullopt;
  return *kept->chart;
}

absl::StatusOr<PatientRecords::Chart> PatientRecords::OpenAnew(const tenants::Partition& partition, const PatientLink& link,
                                                               std::string_view purpose) const {
  const std::uint64_t size_before = partition.writer->size();
  absl::StatusOr<RecordStore::Chart> sealed = RecordStore(*partition.database).ChartOfPatient(link.patient);
  if (!sealed.ok()) return sealed.status();
  const std::uint64_t through = Behind(size_before, sealed->records);
  std::erase_if(sealed->records, IsDeleted);
  absl::StatusOr<Records> opened = Opened(partition, sealed->records, purpose);
  if (!opened.ok()) return opened.status();
  auto chart = std::make_shared<const Chart>(std::make_shared<const Records>(*std::move(opened)), sealed->consent_version, through);
  kept_.Keep(link, nullptr, {chart, 0, through, BytesOf(*chart->records)});
  return *chart;
}

absl::StatusOr<PatientRecords::Chart> PatientRecords::Advance(const tenants::Partition& partition, const PatientLink& link, std::string_view purpose,
                                                              Kept kept) const {
  if (partition.writer->IsUnchangedSince(link.patient, kept.through)) return *kept.chart;
  const std::uint64_t size_before = partition.writer->size();
  absl::StatusOr<RecordStore::Chart> since = RecordStore(*partition.database).ChartOfPatient(link.patient, kept.through);
  if (!since.ok()) return since.status();
  const std::shared_ptr<const Chart> former = std::move(kept.chart);
  kept.through = Behind(std::max(size_before, kept.through), since->records);
  std::shared_ptr<const Records> records = former->records;
  if (!since->records.empty()) {
    auto merged = Merged(partition, *former->records, std::move(since->records), purpose);
    if (!merged.ok()) return merged.status();
    records = std::make_shared<const Records>(*std::move(merged));
    kept.bytes = BytesOf(*records);
  }
  kept.chart = std::make_shared<const Chart>(std::move(records), since->consent_version, kept.through);
  kept_.Keep(link, former.get(), kept);
  return *kept.chart;
}

absl::StatusOr<PatientRecords::Records> PatientRecords::Merged(const tenants::Partition& partition, const Records& former,
                                                               std::vector<SealedRecord> rows, std::string_view purpose) const {
  std::set<RecordId> replaced;
  for (const SealedRecord& row : rows) replaced.insert(row.record);
  std::erase_if(rows, IsDeleted);
  const absl::StatusOr<Records> changed = Opened(partition, rows, purpose);
  if (!changed.ok()) return changed.status();
  Records merged;
  merged.reserve(former.size() + changed->size());
  std::copy_if(former.begin(), former.end(), std::back_inserter(merged),
               [&replaced](const OpenedRecord& record) { return !replaced.contains(record.record); });
  const auto middle = static_cast<std::ptrdiff_t>(merged.size());
  merged.insert(merged.end(), changed->begin(), changed->end());
  std::inplace_merge(merged.begin(), merged.begin() + middle, merged.end(),
                     [](const OpenedRecord& a, const OpenedRecord& b) { return a.record < b.record; });
  return merged;
}

absl::StatusOr<std::shared_ptr<const PatientRecords::Records>> PatientRecords::Open(const PatientLink& link, std::string_view purpose) const {
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

absl::StatusOr<PatientRecords::Records> PatientRecords::OpenHistory(const PatientLink& link, std::string_view purpose) const {
  const tenants::Partition* partition = partitions_.FindById(link.tenant);
  if (partition == nullptr) return NoPartition(link.tenant);
  const absl::StatusOr<std::vector<SealedRecord>> rows = RecordStore(*partition->database).HistoryOfPatient(link.patient);
  if (!rows.ok()) return rows.status();
  return Opened(*partition, *rows, purpose);
}

}  // namespace custodian::exchange

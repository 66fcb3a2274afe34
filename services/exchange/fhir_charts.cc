#include "services/exchange/fhir_charts.h"

#include <algorithm>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "services/exchange/record_store.h"

namespace custodian::exchange {
namespace {

constexpr std::string_view kPurpose = "fhir-search";

// Both ordered by record; `changed` takes the place of what it changes.
ChartRecords Merge(const ChartRecords& before, const std::vector<SealedRecord>& changed, const ChartRecords& opened) {
  ChartRecords merged;
  merged.reserve(before.size() + opened.size());
  auto change = changed.begin();
  for (const auto& record : before) {
    while (change != changed.end() && change->record < record->row().record) ++change;
    if (change == changed.end() || change->record != record->row().record) merged.push_back(record);
  }
  const auto middle = static_cast<std::ptrdiff_t>(merged.size());
  merged.insert(merged.end(), opened.begin(), opened.end());
  std::inplace_merge(merged.begin(), merged.begin() + middle, merged.end(), [](const auto& a, const auto& b) { return a->row().record < b->row().record; });
  return merged;
}

std::size_t BytesOf(const FhirChart& chart) {
  std::size_t bytes = 0;
  for (const auto& record : chart.records()) bytes += kKeptBytesPerByte * record->bytes();
  return bytes;
}

}  // namespace

FhirCharts::FhirCharts(keys::Sealer& sealer, const Clock& machine_clock, KeptChartLimits limits) : sealer_(sealer), patients_(sealer), kept_(machine_clock, limits) {}

absl::StatusOr<std::shared_ptr<const FhirChart>> FhirCharts::Open(const tenants::Partition& partition, const PatientId& patient,
                                                                  std::uint64_t snapshot) const {
  if (!kept_.keeps()) return OpenAnew(partition, patient, snapshot);
  const PatientLink link{partition.tenant.id, patient};
  bool is_first = false;
  auto kept = kept_.UseOrBegin(link, is_first);
  if (!kept.has_value()) {
    const absl::Cleanup end = [&] {
      if (is_first) kept_.End(link);
    };
    auto chart = OpenAnew(partition, patient, snapshot);
    if (chart.ok()) kept_.Keep(link, nullptr, {*chart, snapshot, snapshot, BytesOf(**chart)});
    return chart;
  }
  // A page of a search that began before the chart changed.
  if (snapshot < kept->from) return OpenAnew(partition, patient, snapshot);
  // Whoever holds the key no longer, or may not have it any more, is shown nothing of what it opened before. A chart without records may have no key yet.
  if (!kept->chart->records().empty())
    if (absl::Status held = sealer_.Prefetch(partition.tenant.id, {&patient, 1}, kPurpose); !held.ok()) return held;
  if (snapshot <= kept->through) return std::move(kept->chart);
  return Advance(partition, link, *std::move(kept), snapshot);
}

absl::StatusOr<std::shared_ptr<const FhirChart>> FhirCharts::OpenAnew(const tenants::Partition& partition, const PatientId& patient,
                                                                      std::uint64_t snapshot) const {
  auto rows = RecordStore(*partition.database).NewestOfPatient(patient, snapshot);
  if (!rows.ok()) return rows.status();
  auto records = OpenRows(partition, *std::move(rows));
  if (!records.ok()) return records.status();
  return std::make_shared<const FhirChart>(*std::move(records));
}

absl::StatusOr<std::shared_ptr<const FhirChart>> FhirCharts::Advance(const tenants::Partition& partition, const PatientLink& link, Kept kept,
                                                                     std::uint64_t snapshot) const {
  auto changed = RecordStore(*partition.database).ChangesOfPatient(link.patient, kept.through, snapshot);
  if (!changed.ok()) return changed.status();
  const std::shared_ptr<const FhirChart> former = kept.chart;
  kept.through = snapshot;
  if (!changed->empty()) {
    const auto opened = OpenRows(partition, *changed);
    if (!opened.ok()) return opened.status();
    kept.chart = std::make_shared<const FhirChart>(Merge(former->records(), *changed, *opened));
    kept.from = snapshot;
    kept.bytes = BytesOf(*kept.chart);
  }
  kept_.Keep(link, former.get(), kept);
  return kept.chart;
}

absl::StatusOr<ChartRecords> FhirCharts::OpenRecords(const tenants::Partition& partition, const std::vector<RecordId>& records,
                                                     std::uint64_t snapshot) const {
  auto rows = RecordStore(*partition.database).NewestOf(records, snapshot);
  if (!rows.ok()) return rows.status();
  return OpenRows(partition, *std::move(rows));
}

absl::StatusOr<ChartRecords> FhirCharts::OpenRows(const tenants::Partition& partition, std::vector<SealedRecord> rows) const {
  ChartRecords records;
  records.reserve(rows.size());
  for (SealedRecord& row : rows) {
    if (row.deleted) continue;
    auto text = OpenText(partition.tenant, row, sealer_, kPurpose);
    if (!text.ok()) return text.status();
    records.push_back(std::make_shared<const ChartRecord>(std::move(row), *std::move(text)));
  }
  return records;
}

}  // namespace custodian::exchange

#include "services/exchange/fhir_charts.h"

#include <algorithm>
#include <utility>

#include "services/exchange/record_store.h"

namespace custodian::exchange {
namespace {

constexpr std::string_view kPurpose = "fhir-search";
// Opened, parsed, answered and with what searches found in it, a record takes about this many times the bytes of its text.
constexpr std::size_t kBytesPerByte = 8;
constexpr std::size_t kPatientsMax = 10'000;

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
  for (const auto& record : chart.records()) bytes += kBytesPerByte * record->bytes();
  return bytes;
}

}  // namespace

FhirCharts::FhirCharts(keys::Sealer& sealer, const Clock& machine_clock, Limits limits) : sealer_(sealer), clock_(machine_clock), limits_(limits) {}

absl::StatusOr<std::optional<PatientId>> FhirCharts::PatientOf(const tenants::Partition& partition, std::string_view fhir_id) const {
  const auto record = sealer_.RecordIdOf(partition.tenant.id, "Patient", fhir_id);
  if (!record.ok()) return record.status();
  const Name name(partition.tenant.id.text(), record->bytes());
  {
    absl::MutexLock lock(&mutex_);
    if (const auto known = patients_.find(name); known != patients_.end()) return std::optional<PatientId>(known->second);
  }
  auto patient = RecordStore(*partition.database).PatientOf(*record);
  if (!patient.ok() || !patient->has_value()) return patient;
  absl::MutexLock lock(&mutex_);
  if (patients_.size() >= kPatientsMax) patients_.clear();
  patients_.emplace(name, **patient);
  return patient;
}

absl::StatusOr<std::shared_ptr<const FhirChart>> FhirCharts::Open(const tenants::Partition& partition, const PatientId& patient,
                                                                  std::uint64_t snapshot) const {
  if (limits_.kept <= absl::ZeroDuration() || limits_.uses_max <= 1) return OpenAnew(partition, patient, snapshot);
  const Name name(partition.tenant.id.text(), patient.bytes());
  bool is_first = false;
  auto kept = UseOrBegin(name, is_first);
  if (!kept.has_value()) {
    auto chart = OpenAnew(partition, patient, snapshot);
    if (chart.ok()) Keep(name, nullptr, {*chart, snapshot, snapshot, clock_.Now(), limits_.uses_max - 1, BytesOf(**chart)});
    if (is_first) End(name);
    return chart;
  }
  // A page of a search that began before the chart changed.
  if (snapshot < kept->from) return OpenAnew(partition, patient, snapshot);
  // Whoever holds the key no longer, or may not have it any more, is shown nothing of what it opened before.
  if (absl::Status held = sealer_.Prefetch(partition.tenant.id, {&patient, 1}, kPurpose); !held.ok()) return held;
  if (snapshot <= kept->through) return std::move(kept->chart);
  return Advance(partition, patient, name, *std::move(kept), snapshot);
}

absl::StatusOr<std::shared_ptr<const FhirChart>> FhirCharts::OpenAnew(const tenants::Partition& partition, const PatientId& patient,
                                                                      std::uint64_t snapshot) const {
  auto rows = RecordStore(*partition.database).NewestOfPatient(patient, snapshot);
  if (!rows.ok()) return rows.status();
  auto records = OpenRows(partition, *std::move(rows));
  if (!records.ok()) return records.status();
  return std::make_shared<const FhirChart>(*std::move(records));
}

absl::StatusOr<std::shared_ptr<const FhirChart>> FhirCharts::Advance(const tenants::Partition& partition, const PatientId& patient, const Name& name,
                                                                     Kept kept, std::uint64_t snapshot) const {
  auto changed = RecordStore(*partition.database).ChangesOfPatient(patient, kept.through, snapshot);
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
  Keep(name, former.get(), kept);
  return kept.chart;
}

std::optional<FhirCharts::Kept> FhirCharts::UseOrBegin(const Name& name, bool& is_first) const {
  absl::MutexLock lock(&mutex_);
  is_first = !opening_.contains(name);
  const auto is_open = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !opening_.contains(name); };
  mutex_.Await(absl::Condition(&is_open));
  const auto found = kept_.find(name);
  if (found == kept_.end() || !Lasts(found->second)) {
    // Whoever waited for nothing (the chart was too large to be kept, or failed to open) opens it beside others.
    if (is_first) opening_.insert(name);
    return std::nullopt;
  }
  Kept kept = found->second;
  if (--found->second.uses_left <= 0) {
    bytes_ -= kept.bytes;
    kept_.erase(found);
  }
  return kept;
}

void FhirCharts::End(const Name& name) const {
  absl::MutexLock lock(&mutex_);
  opening_.erase(name);
}

void FhirCharts::Keep(const Name& name, const FhirChart* former, Kept chart) const {
  if (chart.bytes > limits_.bytes_max) return;
  absl::MutexLock lock(&mutex_);
  DropExpiredLocked();
  const auto found = kept_.find(name);
  // Of two that were opened at once the first stays; what was let go of meanwhile stays gone.
  if ((found == kept_.end() ? nullptr : found->second.chart.get()) != former) return;
  if (found != kept_.end()) {
    if (chart.through < found->second.through) return;
    chart.opened = found->second.opened;
    chart.uses_left = found->second.uses_left;
    bytes_ -= found->second.bytes;
  }
  bytes_ += chart.bytes;
  kept_[name] = std::move(chart);
  while (bytes_ > limits_.bytes_max) {
    const auto oldest = std::min_element(kept_.begin(), kept_.end(), [](const auto& a, const auto& b) { return a.second.opened < b.second.opened; });
    bytes_ -= oldest->second.bytes;
    kept_.erase(oldest);
  }
}

bool FhirCharts::Lasts(const Kept& kept) const {
  const absl::Time now = clock_.Now();
  // A clock set back ends it too.
  return now >= kept.opened && now < kept.opened + limits_.kept;
}

void FhirCharts::DropExpiredLocked() const {
  for (auto each = kept_.begin(); each != kept_.end();) {
    if (Lasts(each->second)) {
      ++each;
      continue;
    }
    bytes_ -= each->second.bytes;
    each = kept_.erase(each);
  }
}

void FhirCharts::DropExpired() const {
  absl::MutexLock lock(&mutex_);
  DropExpiredLocked();
}

std::size_t FhirCharts::kept() const {
  absl::MutexLock lock(&mutex_);
  return kept_.size();
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

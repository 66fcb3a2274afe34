#include "services/exchange/person_chart.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "services/exchange/fhir_time.h"
#include "spdlog/spdlog.h"

namespace custodian::exchange {

bool IsOfTheChart(const absl::Status& status) {
  return absl::IsDataLoss(status) || absl::IsFailedPrecondition(status) || absl::IsNotFound(status) || absl::IsPermissionDenied(status);
}

const OpenedRecord* PersonChart::Find(std::string_view type, std::string_view id) const {
  for (const OpenedRecord& record : *records)
    if (record.resource_type == type && record.id == id) return &record;
  return nullptr;
}

const OpenedRecord* PersonChart::Find(const RecordId& record) const {
  const auto found = std::find_if(records->begin(), records->end(), [&record](const OpenedRecord& each) { return each.record == record; });
  return found == records->end() ? nullptr : &*found;
}

namespace {

// Outlives who waits for it.
struct Openings {
  explicit Openings(std::size_t charts) : opened(charts) {}
  [[nodiscard]] bool Done() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) { return left == 0; }

  absl::Mutex mutex;
  // By link; nothing of one that was not opened (yet).
  std::vector<std::optional<absl::StatusOr<PatientRecords::Chart>>> opened ABSL_GUARDED_BY(mutex);
  std::size_t left ABSL_GUARDED_BY(mutex) = 0;
};

// Each link's chart; nothing of those that were not open in time.
std::vector<std::optional<absl::StatusOr<PatientRecords::Chart>>> OpenEach(const PersonCharts::Sources& sources, const std::vector<PatientLink>& links,
                                                                           const PersonCharts::Reader& reader, std::string_view purpose) {
  const auto openings = std::make_shared<Openings>(links.size());
  std::vector<std::size_t> here;
  for (std::size_t i = 0; i < links.size(); ++i) {
    const PatientLink& link = links[i];
    if (link.tenant == reader.tenant.id || !reader.open_apart) {
      here.push_back(i);
      continue;
    }
    auto at_hand = sources.records.ChartAtHand(link);
    const absl::MutexLock lock(&openings->mutex);
    if (at_hand) {
      openings->opened[i] = *std::move(at_hand);
      continue;
    }
    const auto open = [openings, i, link, &records = sources.records, purpose = std::string(purpose)] {
      auto chart = records.OpenChart(link, purpose);
      const absl::MutexLock done(&openings->mutex);
      openings->opened[i] = std::move(chart);
      --openings->left;
    };
    if (reader.open_apart(link.tenant, open)) ++openings->left;
  }
  for (const std::size_t i : here) {
    auto chart = sources.records.OpenChart(links[i], purpose);
    const absl::MutexLock lock(&openings->mutex);
    openings->opened[i] = std::move(chart);
  }
  const absl::MutexLock lock(&openings->mutex);
  openings->mutex.AwaitWithDeadline(absl::Condition(openings.get(), &Openings::Done), reader.open_until);
  return openings->opened;
}

}  // namespace

absl::StatusOr<PersonCharts> PersonCharts::Open(const Sources& sources, const std::vector<PatientLink>& links, const Reader& reader,
                                                std::string_view purpose) {
  PersonCharts person;
  std::set<TenantId> unreadable;
  for (const PatientLink& link : links)
    if (sources.partitions.FindById(link.tenant) == nullptr) return absl::UnavailableError("a tenant's partition does not run here");
  auto each_opened = OpenEach(sources, links, reader, purpose);
  for (std::size_t i = 0; i < links.size(); ++i) {
    const PatientLink& link = links[i];
    PersonChart chart;
    chart.link = link;
    chart.partition = sources.partitions.FindById(link.tenant);
    const bool own = link.tenant == reader.tenant.id;
    if (!each_opened[i]) {
      spdlog::error("event=chart_late alarm=true tenant={}", link.tenant.text());
      unreadable.insert(link.tenant);
      continue;
    }
    auto& opened = *each_opened[i];
    if (!own && IsOfTheChart(opened.status())) {
      // A fault would tell the reader that the patient is known there.
      spdlog::error("event=chart_unreadable alarm=true tenant={} code={}", link.tenant.text(), absl::StatusCodeToString(opened.status().code()));
      unreadable.insert(link.tenant);
      continue;
    }
    if (!opened.ok()) return opened.status();
    chart.records = std::move(opened->records);
    chart.through = opened->through;
    if (!own) chart.consent_version = opened->consent_version;
    // By the present and not by the question's beginning: what was refused since then counts, for the version above covers it.
    chart.asked = std::max(reader.not_before, sources.network_clock.Now());
    person.charts_.push_back(std::move(chart));
  }
  std::erase_if(person.charts_, [&unreadable](const PersonChart& chart) { return unreadable.contains(chart.link.tenant); });
  person.MakeGates(sources, reader);
  return person;
}

// One for each tenant, over its charts together. They stay where they are from here on: a gate points into them.
void PersonCharts::MakeGates(const Sources& sources, const Reader& reader) {
  for (const PersonChart& first : charts_) {
    if (first.link.tenant == reader.tenant.id || first.gate != nullptr) continue;
    std::vector<PersonChart*> together;
    std::vector<const OpenedRecord*> records;
    absl::Time asked = absl::InfinitePast();
    for (PersonChart& chart : charts_) {
      if (chart.link.tenant != first.link.tenant) continue;
      together.push_back(&chart);
      for (const OpenedRecord& record : *chart.records) records.push_back(&record);
      asked = std::max(asked, chart.asked);
    }
    const auto gate = std::make_shared<const ConsentGate>(records, sources.rules(first.link.tenant), ZoneOf(first.partition->tenant.time_zone),
                                                          consent::Party{reader.tenant.organization_system, reader.tenant.organization_value},
                                                          reader.purpose, asked);
    for (PersonChart* chart : together) {
      chart->gate = gate;
      chart->asked = asked;
    }
  }
}

const PersonChart* PersonCharts::ChartOf(std::string_view tenant_name, std::string_view type, std::string_view id) const {
  for (const PersonChart& chart : charts_)
    if (chart.partition->tenant.name == tenant_name && chart.Find(type, id) != nullptr) return &chart;
  return nullptr;
}

const PersonChart* PersonCharts::ChartWith(const OpenedRecord& record) const {
  const auto found = std::find_if(charts_.begin(), charts_.end(), [&record](const PersonChart& chart) {
    return std::any_of(chart.records->begin(), chart.records->end(), [&record](const OpenedRecord& each) { return &each == &record; });
  });
  return found == charts_.end() ? nullptr : &*found;
}

std::vector<tenants::ExpectConsentVersion> PersonCharts::JudgedWith(const PersonChart& chart) const {
  std::vector<tenants::ExpectConsentVersion> others;
  for (const PersonChart& other : charts_)
    if (other.link.tenant == chart.link.tenant && other.link != chart.link) others.push_back({other.link.patient, other.consent_version});
  return others;
}

std::vector<PatientLink> LinksAt(const TenantId& tenant, const std::vector<PatientLink>& person) {
  std::vector<PatientLink> links;
  std::copy_if(person.begin(), person.end(), std::back_inserter(links), [&tenant](const PatientLink& link) { return link.tenant == tenant; });
  return links;
}

}  // namespace custodian::exchange

#include "services/exchange/person_chart.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "absl/status/status.h"
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

absl::StatusOr<PersonCharts> PersonCharts::Open(const Sources& sources, const std::vector<PatientLink>& links, const Reader& reader,
                                                std::string_view purpose) {
  PersonCharts person;
  std::set<TenantId> unreadable;
  for (const PatientLink& link : links) {
    PersonChart chart;
    chart.link = link;
    chart.partition = sources.partitions.FindById(link.tenant);
    if (chart.partition == nullptr) return absl::UnavailableError("a tenant's partition does not run here");
    const bool own = link.tenant == reader.tenant.id;
    auto opened = sources.records.OpenChart(link, purpose);
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

#include "services/exchange/person_exams.h"

#include <algorithm>
#include <utility>

namespace custodian::exchange {
namespace {

// What an exam refers to as its order is part of what it says.
constexpr std::string_view kOrder = "ServiceRequest";

bool IsResult(const OpenedRecord& record) {
  return record.resource_type == "DiagnosticReport" || record.resource_type == "Observation" || record.resource_type == "ImagingStudy";
}

bool Anybody(const ExamHolding&) { return true; }

}  // namespace

PersonExams::PersonExams(const PersonCharts& charts, const tenants::Tenant& reader, const ExamTable& table, const tenants::Registry& registry)
    : charts_(charts), reader_(reader.id), table_(table), registry_(registry) {
  std::map<TenantId, std::vector<const OpenedRecord*>> records;
  for (const PersonChart& chart : charts.charts())
    for (const OpenedRecord& record : *chart.records) records[chart.link.tenant].push_back(&record);
  for (const auto& [tenant, held] : records) exams_[tenant] = ExamsOf(held, table, registry);
}

bool PersonExams::HoldsPrior(const PriorQuestion& question) const {
  const auto own = exams_.find(reader_);
  return own != exams_.end() && FindPrior(own->second, question, Anybody).outcome == Prior::Outcome::kOwn;
}

bool PersonExams::Answers(const std::vector<Exam>& exams, const PriorQuestion& question) const {
  return FindPrior(exams, question, Anybody).outcome == Prior::Outcome::kFound;
}

bool PersonExams::MaySee(const PersonChart& chart, const OpenedRecord& record) const {
  return chart.link.tenant == reader_ || chart.gate->Judge(record).decision.permit;
}

std::vector<Exam> PersonExams::Permitted(const PriorQuestion& question) const {
  std::vector<Exam> permitted;
  for (const auto& [tenant, exams] : exams_) {
    if (tenant == reader_ || !Answers(exams, question)) continue;
    std::vector<const OpenedRecord*> seen;
    for (const PersonChart& chart : charts_.charts())
      if (chart.link.tenant == tenant)
        for (const OpenedRecord& record : *chart.records)
          if (record.resource_type == kOrder || (IsResult(record) && MaySee(chart, record))) seen.push_back(&record);
    for (Exam& exam : ExamsOf(seen, table_, registry_)) permitted.push_back(std::move(exam));
  }
  return permitted;
}

std::vector<Withheld> PersonExams::WithheldOf(const PriorQuestion& question) const {
  std::vector<Withheld> withheld;
  for (const auto& [tenant, exams] : exams_) {
    if (tenant == reader_) continue;
    for (const Exam& exam : exams) {
      if (!Answers({exam}, question)) continue;
      // The one that would have been shown, where it may not be seen; or else whatever it takes to make the exam.
      std::vector<Withheld> parts;
      for (const OpenedRecord* result : exam.results) {
        const PersonChart* chart = charts_.ChartOf(result->tenant_name, result->resource_type, result->id);
        if (chart == nullptr || MaySee(*chart, *result)) continue;
        const bool is_shown = std::any_of(exam.holdings.begin(), exam.holdings.end(), [result](const ExamHolding& holding) {
          return holding.resource_type == result->resource_type && holding.id == result->id;
        });
        if (is_shown) parts.clear();
        parts.push_back({chart, result});
        if (is_shown) break;
      }
      withheld.insert(withheld.end(), parts.begin(), parts.end());
    }
  }
  return withheld;
}

const PersonChart* PersonExams::ChartOf(const ExamHolding& holding) const {
  return charts_.ChartOf(holding.tenant_name, holding.resource_type, holding.id);
}

std::vector<const OpenedRecord*> PersonExams::Seen(const std::function<bool(const OpenedRecord&)>& is_wanted) const {
  std::vector<const OpenedRecord*> seen;
  for (const bool own : {true, false})
    for (const PersonChart& chart : charts_.charts()) {
      if ((chart.link.tenant == reader_) != own) continue;
      for (const OpenedRecord& record : *chart.records)
        if (is_wanted(record) && MaySee(chart, record)) seen.push_back(&record);
    }
  return seen;
}

}  // namespace custodian::exchange

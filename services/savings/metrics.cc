#include "services/savings/metrics.h"

#include <utility>

#include "prometheus/text_serializer.h"
#include "spdlog/spdlog.h"

namespace custodian::savings {
namespace {

prometheus::MetricFamily Family(std::string name, std::string help) {
  prometheus::MetricFamily family;
  family.name = std::move(name);
  family.help = std::move(help);
  family.type = prometheus::MetricType::Counter;
  return family;
}

void Add(prometheus::MetricFamily& family, const Report::Row& row, double value) {
  prometheus::ClientMetric metric;
  metric.label = {{"modality", row.modality}, {"side", row.side}, {"tenant", row.tenant}};
  metric.counter.value = value;
  family.metric.push_back(std::move(metric));
}

double Dollars(const Count& count) { return static_cast<double>(count.cents) / 100; }

}  // namespace

std::vector<prometheus::MetricFamily> FamiliesOf(const Report& report) {
  auto exams = Family("custodian_exams_avoided_total",
                      "Exams avoided, gross: pending, confirmed, reversed and censored. An exam counts once a side.");
  auto dollars = Family("custodian_savings_usd_total",
                        "Dollars of the exams avoided, gross: the side's share at the ordering tenant's price.");
  auto reversed = Family("custodian_savings_reversed_usd_total", "Dollars of avoided exams that were reversed since.");
  for (const Report::Row& row : report.rows) {
    Add(exams, row, static_cast<double>(row.figures.gross.exams));
    Add(dollars, row, Dollars(row.figures.gross));
    Add(reversed, row, Dollars(row.figures.reversed));
  }
  return {std::move(exams), std::move(dollars), std::move(reversed)};
}

std::vector<prometheus::MetricFamily> Metrics::Collect() const {
  const auto detailed = reporter_.Read(std::nullopt, /*tenants_view=*/true);
  if (!detailed.ok()) {
    spdlog::error("savings metrics cannot be read: {}", std::string(detailed.status().message()));
    return {};
  }
  return FamiliesOf(MakeReport(detailed->rows, detailed->as_of, ""));
}

std::string Metrics::Render() const { return prometheus::TextSerializer().Serialize(Collect()); }

}  // namespace custodian::savings

// Savings as Prometheus metrics, read from the projection at scrape time, so that they are equal on all replicas and after any
// restart. Labels tenant, modality, side (DESIGN, section 8); each tenant's own view (SAVINGS, T7):
//   custodian_exams_avoided_total           gross exams: pending, confirmed, reversed and censored
//   custodian_savings_usd_total             gross dollars of that side's share
//   custodian_savings_reversed_usd_total    reversed dollars of that side's share
// Thread-safe.
#ifndef CUSTODIAN_SERVICES_SAVINGS_METRICS_H_
#define CUSTODIAN_SERVICES_SAVINGS_METRICS_H_

#include <string>
#include <vector>

#include "prometheus/collectable.h"
#include "prometheus/metric_family.h"
#include "services/savings/report.h"

namespace custodian::savings {

class Metrics final : public prometheus::Collectable {
 public:
  explicit Metrics(const Reporter& reporter) : reporter_(reporter) {}

  // Empty while the projection cannot be read: a missing series alarms, a wrong one would not.
  [[nodiscard]] std::vector<prometheus::MetricFamily> Collect() const override;
  // In the text exposition format (Content-Type kMetricsContentType).
  [[nodiscard]] std::string Render() const;

 private:
  const Reporter& reporter_;
};

inline constexpr char kMetricsContentType[] = "text/plain; version=0.0.4; charset=utf-8";

// What Collect() makes of a report of the tenants' view. Pure.
[[nodiscard]] std::vector<prometheus::MetricFamily> FamiliesOf(const Report& report);

}  // namespace custodian::savings

#endif  // CUSTODIAN_SERVICES_SAVINGS_METRICS_H_

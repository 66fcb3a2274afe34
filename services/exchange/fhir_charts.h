// Opens what a search looks at: patients' charts, and records by their ids, as they stood at a position of the log. A chart that was opened
// is kept for a while (kept_charts.h), so that the next search of the same patient opens only what came since. Thread-safe.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_FHIR_CHARTS_H_
#define CUSTODIAN_SERVICES_EXCHANGE_FHIR_CHARTS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "services/exchange/fhir_chart.h"
#include "services/exchange/kept_charts.h"
#include "services/exchange/known_patients.h"
#include "services/keys/sealer.h"
#include "tenants/clock.h"
#include "tenants/partitions.h"

namespace custodian::exchange {

class FhirCharts {
 public:
  FhirCharts(keys::Sealer& sealer, const Clock& machine_clock, KeptChartLimits limits);

  // The patient whose Patient resource has this id; nothing when there is none.
  [[nodiscard]] absl::StatusOr<std::optional<PatientId>> PatientOf(const tenants::Partition& partition, std::string_view fhir_id) const {
    return patients_.Find(partition, fhir_id);
  }
  // What entries below `snapshot` of the log left of the patient's records; deleted ones left out.
  [[nodiscard]] absl::StatusOr<std::shared_ptr<const FhirChart>> Open(const tenants::Partition& partition, const PatientId& patient,
                                                                      std::uint64_t snapshot) const;
  // The same of single records, of whatever patients; ordered by record.
  [[nodiscard]] absl::StatusOr<ChartRecords> OpenRecords(const tenants::Partition& partition, const std::vector<RecordId>& records,
                                                         std::uint64_t snapshot) const;

  // Lets go of what was kept long enough.
  void DropExpired() const { kept_.DropExpired(); }
  // Charts kept now.
  [[nodiscard]] std::size_t kept() const { return kept_.kept(); }

 private:
  using Kept = KeptCharts<FhirChart>::Kept;

  [[nodiscard]] absl::StatusOr<ChartRecords> OpenRows(const tenants::Partition& partition, std::vector<SealedRecord> rows) const;
  [[nodiscard]] absl::StatusOr<std::shared_ptr<const FhirChart>> OpenAnew(const tenants::Partition& partition, const PatientId& patient,
                                                                          std::uint64_t snapshot) const;
  // `kept`, brought from its position to `snapshot`.
  [[nodiscard]] absl::StatusOr<std::shared_ptr<const FhirChart>> Advance(const tenants::Partition& partition, const PatientLink& link, Kept kept,
                                                                         std::uint64_t snapshot) const;

  keys::Sealer& sealer_;
  mutable KnownPatients patients_;
  mutable KeptCharts<FhirChart> kept_;
};

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_FHIR_CHARTS_H_

// Opens what a search looks at: patients' charts, and records by their ids, as they stood at a position of the log. A chart that was opened
// is kept for a while, so that the next search of the same patient opens only what came since. It is shown again only while its patient's
// key is held or given out anew by the key process, and for no longer and no oftener than such a key is (DESIGN, section 6): 60 s, 1,000
// uses. Thread-safe.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_FHIR_CHARTS_H_
#define CUSTODIAN_SERVICES_EXCHANGE_FHIR_CHARTS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/exchange/fhir_chart.h"
#include "services/keys/sealer.h"
#include "tenants/clock.h"
#include "tenants/partitions.h"

namespace custodian::exchange {

class FhirCharts {
 public:
  struct Limits {
    absl::Duration kept = absl::Seconds(60);
    int uses_max = 1'000;
    // Of all charts kept, as they lie in memory; roughly.
    std::size_t bytes_max = 256u << 20;
  };
  FhirCharts(keys::Sealer& sealer, const Clock& machine_clock, Limits limits);

  // The patient whose Patient resource has this id; nothing when there is none.
  [[nodiscard]] absl::StatusOr<std::optional<PatientId>> PatientOf(const tenants::Partition& partition, std::string_view fhir_id) const;
  // What entries below `snapshot` of the log left of the patient's records; deleted ones left out.
  [[nodiscard]] absl::StatusOr<std::shared_ptr<const FhirChart>> Open(const tenants::Partition& partition, const PatientId& patient,
                                                                      std::uint64_t snapshot) const;
  // The same of single records, of whatever patients; ordered by record.
  [[nodiscard]] absl::StatusOr<ChartRecords> OpenRecords(const tenants::Partition& partition, const std::vector<RecordId>& records,
                                                         std::uint64_t snapshot) const;

  // Lets go of what was kept long enough. Called every second by a thread of services/main, so that an idle process holds nothing longer.
  void DropExpired() const;
  // Charts kept now.
  [[nodiscard]] std::size_t kept() const;

 private:
  struct Kept {
    std::shared_ptr<const FhirChart> chart;
    // The chart is this at all these positions of the log.
    std::uint64_t from = 0;
    std::uint64_t through = 0;
    absl::Time opened;
    int uses_left = 0;
    std::size_t bytes = 0;
  };
  // Of a tenant and a patient, or a tenant and a Patient record.
  using Name = std::pair<std::string, std::string>;

  // One use of the chart, once whoever is opening it has done so; nothing when it is not kept. Then `is_first` tells the one whom others wait
  // for until he calls End().
  [[nodiscard]] std::optional<Kept> UseOrBegin(const Name& name, bool& is_first) const ABSL_LOCKS_EXCLUDED(mutex_);
  void End(const Name& name) const ABSL_LOCKS_EXCLUDED(mutex_);
  // Keeps `chart` in place of `former` (null: of none); not when another search was quicker.
  void Keep(const Name& name, const FhirChart* former, Kept chart) const ABSL_LOCKS_EXCLUDED(mutex_);
  [[nodiscard]] bool Lasts(const Kept& kept) const;
  void DropExpiredLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  [[nodiscard]] absl::StatusOr<ChartRecords> OpenRows(const tenants::Partition& partition, std::vector<SealedRecord> rows) const;
  [[nodiscard]] absl::StatusOr<std::shared_ptr<const FhirChart>> OpenAnew(const tenants::Partition& partition, const PatientId& patient,
                                                                          std::uint64_t snapshot) const;
  // `kept`, brought from its position to `snapshot`.
  [[nodiscard]] absl::StatusOr<std::shared_ptr<const FhirChart>> Advance(const tenants::Partition& partition, const PatientId& patient, const Name& name,
                                                                         Kept kept, std::uint64_t snapshot) const;

  keys::Sealer& sealer_;
  const Clock& clock_;
  const Limits limits_;
  mutable absl::Mutex mutex_;
  mutable std::map<Name, Kept> kept_ ABSL_GUARDED_BY(mutex_);
  mutable std::set<Name> opening_ ABSL_GUARDED_BY(mutex_);
  mutable std::size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  // By Patient record; which patient that is never changes.
  mutable std::map<Name, PatientId> patients_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_FHIR_CHARTS_H_

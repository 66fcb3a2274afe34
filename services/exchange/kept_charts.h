// Charts that were opened, kept for a while for the next who asks. A chart is shown no longer and no oftener than the key that it was opened with
// (DESIGN, section 6): 60 s, 1,000 uses; whoever shows a kept one makes sure first that the key is still held or given out anew. Thread-safe.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_KEPT_CHARTS_H_
#define CUSTODIAN_SERVICES_EXCHANGE_KEPT_CHARTS_H_

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/exchange/patient_link.h"
#include "tenants/clock.h"

namespace custodian::exchange {

// Opened and parsed, a record takes about this many times the bytes of its text.
inline constexpr std::size_t kKeptBytesPerByte = 8;

struct KeptChartLimits {
  absl::Duration kept = absl::Seconds(60);
  int uses_max = 1'000;
  // Of all charts kept, as they lie in memory; roughly.
  std::size_t bytes_max = 256u << 20;
};

template <typename Chart>
class KeptCharts {
 public:
  struct Kept {
    std::shared_ptr<const Chart> chart;
    // The chart is this at all these positions of the log.
    std::uint64_t from = 0;
    std::uint64_t through = 0;
    std::size_t bytes = 0;
  };

  KeptCharts(const Clock& machine_clock, KeptChartLimits limits) : clock_(machine_clock), limits_(limits) {}

  // False where every question opens its chart anew.
  [[nodiscard]] bool keeps() const { return limits_.kept > absl::ZeroDuration() && limits_.uses_max > 1; }

  // One use of the patient's chart, once whoever is opening it has done so; nothing when it is not kept. Then `is_first` tells the one whom
  // others wait for until he calls End().
  [[nodiscard]] std::optional<Kept> UseOrBegin(const PatientLink& patient, bool& is_first) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    is_first = !opening_.contains(patient);
    const auto is_open = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !opening_.contains(patient); };
    mutex_.Await(absl::Condition(&is_open));
    std::optional<Kept> kept = Use(patient);
    // Whoever waited for nothing (the chart was too large to be kept, or failed to open) opens it beside others.
    if (!kept && is_first) opening_.insert(patient);
    return kept;
  }
  // One use of the patient's chart; nothing when it is not kept. Waits for nobody.
  [[nodiscard]] std::optional<Kept> UseIfKept(const PatientLink& patient) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return Use(patient);
  }
  void End(const PatientLink& patient) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    opening_.erase(patient);
  }
  // Keeps `chart` in place of `former` (null: of none); not when somebody else was quicker.
  void Keep(const PatientLink& patient, const Chart* former, Kept chart) ABSL_LOCKS_EXCLUDED(mutex_) {
    if (chart.bytes > limits_.bytes_max) return;
    absl::MutexLock lock(&mutex_);
    auto found = kept_.find(patient);
    if (found != kept_.end() && !Lasts(found->second)) {
      Drop(found);
      found = kept_.end();
    }
    // Of two that were opened at once the first stays; what was let go of meanwhile stays gone.
    if ((found == kept_.end() ? nullptr : found->second.kept.chart.get()) != former) return;
    if (found == kept_.end()) {
      bytes_ += chart.bytes;
      kept_.emplace(patient, Entry{std::move(chart), clock_.Now(), limits_.uses_max - 1, oldest_first_.insert(oldest_first_.end(), patient)});
    } else {
      if (chart.through < found->second.kept.through) return;
      bytes_ += chart.bytes - found->second.kept.bytes;
      found->second.kept = std::move(chart);
    }
    while (bytes_ > limits_.bytes_max) Drop(kept_.find(oldest_first_.front()));
  }

  // Lets go of what was kept long enough. Called every second by a thread of services/main, so that an idle process holds nothing longer.
  void DropExpired() ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    for (auto each = oldest_first_.begin(); each != oldest_first_.end();) {
      const auto kept = kept_.find(*each++);
      if (!Lasts(kept->second)) Drop(kept);
    }
  }
  // Charts kept now.
  [[nodiscard]] std::size_t kept() const ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return kept_.size();
  }

 private:
  struct Entry {
    Kept kept;
    absl::Time opened;
    int uses_left = 0;
    std::list<PatientLink>::iterator place;
  };

  [[nodiscard]] std::optional<Kept> Use(const PatientLink& patient) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const auto found = kept_.find(patient);
    if (found == kept_.end() || !Lasts(found->second)) return std::nullopt;
    Kept kept = found->second.kept;
    if (--found->second.uses_left <= 0) Drop(found);
    return kept;
  }
  [[nodiscard]] bool Lasts(const Entry& entry) const {
    const absl::Time now = clock_.Now();
    // A clock set back ends it too.
    return now >= entry.opened && now < entry.opened + limits_.kept;
  }
  void Drop(typename std::map<PatientLink, Entry>::iterator entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    bytes_ -= entry->second.kept.bytes;
    oldest_first_.erase(entry->second.place);
    kept_.erase(entry);
  }

  const Clock& clock_;
  const KeptChartLimits limits_;
  mutable absl::Mutex mutex_;
  std::map<PatientLink, Entry> kept_ ABSL_GUARDED_BY(mutex_);
  std::list<PatientLink> oldest_first_ ABSL_GUARDED_BY(mutex_);
  std::set<PatientLink> opening_ ABSL_GUARDED_BY(mutex_);
  std::size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_KEPT_CHARTS_H_

// Which patients' charts changed lately, as the writer of their partition knows it: so that whoever keeps a chart need not ask the database
// whether it is still so. Bounded: of changes of long ago it cannot tell. Thread-safe.
#ifndef CUSTODIAN_TENANTS_PATIENT_CHANGES_H_
#define CUSTODIAN_TENANTS_PATIENT_CHANGES_H_

#include <cstdint>
#include <limits>
#include <set>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "tenants/ids.h"

namespace custodian::tenants {

class PatientChanges {
 public:
  // `size`: of the log, all of which was written before.
  explicit PatientChanges(std::uint64_t size) : known_from_(size) {}

  // What the writes that brought the log to `size` changed; noted before any of them is answered.
  void Note(const std::set<PatientId>& patients, std::uint64_t size) ABSL_LOCKS_EXCLUDED(mutex_) {
    const absl::MutexLock lock(&mutex_);
    if (known_from_ == kUnknown || changed_.size() + patients.size() > kPatientsMax) {
      changed_.clear();
      known_from_ = size;
      return;
    }
    for (const PatientId& patient : patients) changed_[patient] = size;
  }
  // Something may have been written that nobody answered: nothing is known until the next Note(), which then stands for all before it.
  void Forget() ABSL_LOCKS_EXCLUDED(mutex_) {
    const absl::MutexLock lock(&mutex_);
    known_from_ = kUnknown;
  }
  // False also when it cannot tell.
  [[nodiscard]] bool IsUnchangedSince(const PatientId& patient, std::uint64_t position) const ABSL_LOCKS_EXCLUDED(mutex_) {
    const absl::MutexLock lock(&mutex_);
    if (position < known_from_) return false;
    const auto found = changed_.find(patient);
    return found == changed_.end() || found->second <= position;
  }

 private:
  static constexpr std::uint64_t kUnknown = std::numeric_limits<std::uint64_t>::max();
  // Some 100 bytes each.
  static constexpr std::size_t kPatientsMax = 10'000;

  mutable absl::Mutex mutex_;
  std::uint64_t known_from_ ABSL_GUARDED_BY(mutex_);
  // Size of the log after the last change.
  absl::flat_hash_map<PatientId, std::uint64_t> changed_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace custodian::tenants

#endif  // CUSTODIAN_TENANTS_PATIENT_CHANGES_H_

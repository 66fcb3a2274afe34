#include "tenants/partitions.h"

#include <map>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace custodian::tenants {

class Partitions::State {
 public:
  void Add(std::unique_ptr<Partition> partition) {
    absl::MutexLock lock(&mutex_);
    by_name_[partition->tenant.name] = partition.get();
    owned_.push_back(std::move(partition));
  }

  template <typename Matches>
  Partition* FindIf(const Matches& matches) const {
    absl::ReaderMutexLock lock(&mutex_);
    for (const auto& [name, partition] : by_name_) {
      if (matches(*partition)) return partition;
    }
    return nullptr;
  }

  std::vector<Partition*> All() const {
    absl::ReaderMutexLock lock(&mutex_);
    std::vector<Partition*> all;
    for (const auto& [name, partition] : by_name_) all.push_back(partition);
    return all;
  }

 private:
  mutable absl::Mutex mutex_;
  std::vector<std::unique_ptr<Partition>> owned_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Partition*, std::less<>> by_name_ ABSL_GUARDED_BY(mutex_);
};

Partitions::Partitions() : state_(std::make_unique<State>()) {}
Partitions::~Partitions() = default;

void Partitions::Add(std::unique_ptr<Partition> partition) { state_->Add(std::move(partition)); }

Partition* Partitions::FindById(const TenantId& tenant) const {
  return state_->FindIf([&tenant](const Partition& partition) { return partition.tenant.id == tenant; });
}

Partition* Partitions::FindByName(std::string_view name) const {
  return state_->FindIf([name](const Partition& partition) { return partition.tenant.name == name; });
}

Partition* Partitions::FindByOrigin(std::string_view origin) const {
  return state_->FindIf([origin](const Partition& partition) { return partition.tenant.origin == origin; });
}

std::vector<Partition*> Partitions::All() const { return state_->All(); }

}  // namespace custodian::tenants

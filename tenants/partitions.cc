#include "tenants/partitions.h"

#include <algorithm>
#include <list>
#include <map>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace custodian::tenants {

class Partitions::State {
 public:
  template <typename Key>
  using Map = std::map<Key, Partition*, std::less<>>;

  void Add(std::unique_ptr<Partition> partition) {
    absl::MutexLock lock(&mutex_);
    by_id_[partition->tenant.id] = partition.get();
    by_name_[partition->tenant.name] = partition.get();
    by_origin_[partition->tenant.origin] = partition.get();
    expected_.remove_if([&partition](const Expected& each) { return each.tenant.id == partition->tenant.id; });
    owned_.push_back(std::move(partition));
  }

  Partition* FindById(const TenantId& id, absl::Duration patience) const { return Find(by_id_, &Tenant::id, id, patience); }
  Partition* FindByName(std::string_view name) const { return Find(by_name_, &Tenant::name, name, kPatience); }
  Partition* FindByOrigin(std::string_view origin) const { return Find(by_origin_, &Tenant::origin, origin, kPatience); }

  std::vector<Partition*> All() const {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(this, &State::IsWhole));
    std::vector<Partition*> all;
    for (const auto& [name, partition] : by_name_) all.push_back(partition);
    return all;
  }

  void Expect(const std::vector<Tenant>& tenants) {
    absl::MutexLock lock(&mutex_);
    for (const Tenant& tenant : tenants)
      if (!by_id_.contains(tenant.id)) expected_.push_back({.tenant = tenant});
  }

  std::optional<Tenant> NextExpected() {
    absl::MutexLock lock(&mutex_);
    Expected* next = nullptr;
    for (Expected& each : expected_)
      if (!each.begun && (next == nullptr || (each.awaited && !next->awaited))) next = &each;
    if (next == nullptr) return std::nullopt;
    next->begun = true;
    return next->tenant;
  }

  void ExpectNoMore() {
    absl::MutexLock lock(&mutex_);
    expected_.clear();
  }

  bool Knows(const TenantId& tenant) const {
    absl::ReaderMutexLock lock(&mutex_);
    return by_id_.contains(tenant) || std::any_of(expected_.begin(), expected_.end(), [&tenant](const Expected& each) { return each.tenant.id == tenant; });
  }

 private:
  struct Expected {
    Tenant tenant;
    bool begun = false;
    // Somebody waits for it.
    bool awaited = false;
  };

  template <typename Key, typename Member, typename Wanted>
  Partition* Find(const Map<Key>& map, Member member, const Wanted& wanted, absl::Duration patience) const ABSL_LOCKS_EXCLUDED(mutex_) {
    {
      absl::ReaderMutexLock lock(&mutex_);
      const auto found = map.find(wanted);
      if (found != map.end()) return found->second;
      if (expected_.empty()) return nullptr;
    }
    absl::MutexLock lock(&mutex_);
    const auto is_it = [&](const Expected& each) { return each.tenant.*member == wanted; };
    for (Expected& each : expected_) each.awaited |= is_it(each);
    const auto is_settled = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return std::none_of(expected_.begin(), expected_.end(), is_it); };
    mutex_.AwaitWithTimeout(absl::Condition(&is_settled), patience);
    const auto found = map.find(wanted);
    return found == map.end() ? nullptr : found->second;
  }
  [[nodiscard]] bool IsWhole() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return expected_.empty(); }

  mutable absl::Mutex mutex_;
  std::vector<std::unique_ptr<Partition>> owned_ ABSL_GUARDED_BY(mutex_);
  Map<TenantId> by_id_ ABSL_GUARDED_BY(mutex_);
  Map<std::string> by_name_ ABSL_GUARDED_BY(mutex_);
  Map<std::string> by_origin_ ABSL_GUARDED_BY(mutex_);
  // In the order in which they are opened.
  mutable std::list<Expected> expected_ ABSL_GUARDED_BY(mutex_);
};

Partitions::Partitions() : state_(std::make_unique<State>()) {}
Partitions::~Partitions() = default;

void Partitions::Add(std::unique_ptr<Partition> partition) { state_->Add(std::move(partition)); }
Partition* Partitions::FindById(const TenantId& tenant, absl::Duration patience) const { return state_->FindById(tenant, patience); }
Partition* Partitions::FindByName(std::string_view name) const { return state_->FindByName(name); }
Partition* Partitions::FindByOrigin(std::string_view origin) const { return state_->FindByOrigin(origin); }
std::vector<Partition*> Partitions::All() const { return state_->All(); }
void Partitions::Expect(const std::vector<Tenant>& tenants) { state_->Expect(tenants); }
std::optional<Tenant> Partitions::NextExpected() { return state_->NextExpected(); }
void Partitions::ExpectNoMore() { state_->ExpectNoMore(); }
bool Partitions::Knows(const TenantId& tenant) const { return state_->Knows(tenant); }

}  // namespace custodian::tenants

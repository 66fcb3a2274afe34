#include "services/main/feed_maps.h"

#include <utility>

#include "spdlog/spdlog.h"

namespace custodian::main {

std::shared_ptr<const feeds::FeedMap> FeedMaps::Of(const TenantId& tenant) const {
  {
    const absl::MutexLock lock(&mutex_);
    if (const auto known = maps_.find(tenant.text()); known != maps_.end()) return known->second;
  }
  std::shared_ptr<const feeds::FeedMap> map = feeds::FeedMap::Standard();
  if (const auto csv = governance_.CurrentTable(governance::kFeedMap, tenant.text()); csv.ok()) {
    if (auto own = map->With(*csv); own.ok()) {
      map = std::make_shared<const feeds::FeedMap>(*std::move(own));
    } else {
      spdlog::error("the feed map of tenant {} cannot be read, the standard one is used: {}", tenant.text(), std::string(own.status().message()));
    }
  }
  const absl::MutexLock lock(&mutex_);
  return maps_.emplace(tenant.text(), std::move(map)).first->second;
}

void FeedMaps::Forget() {
  const absl::MutexLock lock(&mutex_);
  maps_.clear();
}

}  // namespace custodian::main

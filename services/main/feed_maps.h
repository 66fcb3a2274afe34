// The feed map in force for each tenant: HL7's standard one under the tenant's own rows, parsed once a version. Thread-safe.
#ifndef CUSTODIAN_SERVICES_MAIN_FEED_MAPS_H_
#define CUSTODIAN_SERVICES_MAIN_FEED_MAPS_H_

#include <map>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "services/feeds/feed_map.h"
#include "services/governance/governance_log.h"
#include "tenants/ids.h"

namespace custodian::main {

class FeedMaps {
 public:
  explicit FeedMaps(const governance::GovernanceLog& governance) : governance_(governance) {}

  // The standard one when none was set, or when what is recorded cannot be read (then said in the log).
  [[nodiscard]] std::shared_ptr<const feeds::FeedMap> Of(const TenantId& tenant) const;
  // A table was set: read it anew.
  void Forget();

 private:
  const governance::GovernanceLog& governance_;
  mutable absl::Mutex mutex_;
  mutable std::map<std::string, std::shared_ptr<const feeds::FeedMap>> maps_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace custodian::main

#endif  // CUSTODIAN_SERVICES_MAIN_FEED_MAPS_H_

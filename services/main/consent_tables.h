// The consent rules in force for each tenant, made once a version of the governed tables; and those of an earlier moment, for
// explanations. Thread-safe.
#ifndef CUSTODIAN_SERVICES_MAIN_CONSENT_TABLES_H_
#define CUSTODIAN_SERVICES_MAIN_CONSENT_TABLES_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "services/consent/tenant_rules.h"
#include "services/governance/governance_log.h"
#include "tenants/ids.h"

namespace custodian::main {

class ConsentTables {
 public:
  explicit ConsentTables(const governance::GovernanceLog& governance) : governance_(governance) {}

  // Null when a recorded table cannot be read (then said in the log, with an alarm): nothing of that tenant is disclosed.
  [[nodiscard]] std::shared_ptr<const consent::TenantRules> Of(const TenantId& tenant) const;
  // The rules that were made of these tables; NotFound when the governance log sets none there.
  [[nodiscard]] absl::StatusOr<std::shared_ptr<const consent::TenantRules>> MadeOf(const std::vector<consent::UsedTable>& tables) const;
  // A table was set: read it anew.
  void Forget();

 private:
  const governance::GovernanceLog& governance_;
  mutable absl::Mutex mutex_;
  mutable std::map<std::string, std::shared_ptr<const consent::TenantRules>> rules_ ABSL_GUARDED_BY(mutex_);
  // Goes up with each Forget(): what was made of older tables is not kept.
  std::uint64_t generation_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace custodian::main

#endif  // CUSTODIAN_SERVICES_MAIN_CONSENT_TABLES_H_

// The exam classes in force for each tenant, parsed once a version: what GovernanceLog::CurrentTable gives, as values that a
// request can hold on to. Thread-safe.
#ifndef CUSTODIAN_SERVICES_MAIN_EXAM_TABLES_H_
#define CUSTODIAN_SERVICES_MAIN_EXAM_TABLES_H_

#include <map>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "services/exchange/equivalence.h"
#include "services/governance/governance_log.h"
#include "tenants/ids.h"

namespace custodian::main {

class ExamTables {
 public:
  explicit ExamTables(const governance::GovernanceLog& governance) : governance_(governance) {}

  // Without classes when none were set, or when what is recorded cannot be read (then said in the log).
  [[nodiscard]] std::shared_ptr<const exchange::ExamTable> Of(const TenantId& tenant) const;
  // A table was set: read it anew.
  void Forget();

 private:
  const governance::GovernanceLog& governance_;
  mutable absl::Mutex mutex_;
  mutable std::map<std::string, std::shared_ptr<const exchange::ExamTable>> tables_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace custodian::main

#endif  // CUSTODIAN_SERVICES_MAIN_EXAM_TABLES_H_

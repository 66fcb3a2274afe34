// The exam classes in force for each tenant, with every tenant's own codes, parsed once a version: what the governance log holds, as
// values that a request can hold on to. Thread-safe.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_EXAM_TABLES_H_
#define CUSTODIAN_SERVICES_EXCHANGE_EXAM_TABLES_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "services/exchange/equivalence.h"
#include "tenants/ids.h"
#include "tenants/registry.h"

namespace custodian::exchange {

// GovernanceLog::CurrentTable: the CSV of "exam-classes", "code-map", "order-reasons" or "prices" for a tenant id, else the network's; NotFound when it
// was never set.
using CurrentTable = std::function<absl::StatusOr<std::string>(std::string_view name, std::string_view tenant_id)>;

class ExamTables {
 public:
  ExamTables(CurrentTable current_table, const tenants::Registry& registry);

  // Of a tenant; of the network when `tenant_id` is empty. NotFound when none were set.
  [[nodiscard]] absl::StatusOr<std::shared_ptr<const ExamTable>> Get(const std::string& tenant_id) const;
  // Without classes where Get() fails, which is then said in the log.
  [[nodiscard]] std::shared_ptr<const ExamTable> Of(const TenantId& tenant) const;
  // A table was set: read it anew.
  void Forget();

  // Whether a table may be set: InvalidArgument naming line, class and column. FailedPrecondition for a tenant's while the network has
  // no classes.
  [[nodiscard]] absl::Status CheckClasses(std::string_view tenant_id, std::string_view csv) const;
  [[nodiscard]] absl::Status CheckCodes(std::string_view tenant_id, std::string_view csv) const;
  [[nodiscard]] static absl::Status CheckReasons(std::string_view csv);

 private:
  [[nodiscard]] absl::StatusOr<std::shared_ptr<const ExamTable>> Read(const std::string& tenant_id) const;
  [[nodiscard]] absl::StatusOr<ExamTable> OfNetwork() const;

  const CurrentTable current_table_;
  const tenants::Registry& registry_;
  mutable absl::Mutex mutex_;
  mutable std::map<std::string, std::shared_ptr<const ExamTable>> tables_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_EXAM_TABLES_H_

// Why a prior was or was not offered for an order: what each check of it recorded, and why the tenant's own results of the class were no
// usable prior. POST /orders/<tenant id>/explain with {"order": "system|value"}, by an auditor's certificate of the tenant that ordered; of
// its own orders only. It reads the tenant's own log and records and nothing else, so that it cannot tell a refusal elsewhere from nothing:
// both were recorded as "no-prior". Thread-safe.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_ORDER_EXPLANATION_H_
#define CUSTODIAN_SERVICES_EXCHANGE_ORDER_EXPLANATION_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "services/exchange/card_store.h"
#include "services/exchange/equivalence.h"
#include "services/exchange/exam.h"
#include "services/exchange/fhir_json.h"
#include "services/exchange/patient_records.h"
#include "services/exchange/prior.h"
#include "services/keys/sealer.h"
#include "services/rpc/http.h"
#include "services/rpc/identity.h"
#include "tenants/partitions.h"
#include "tenants/registry.h"

namespace custodian::exchange {

// Why an exam that the ordering tenant holds was no usable prior of its order (SAVINGS, T3), as one sentence; empty when it was one. Pure.
[[nodiscard]] std::string WhyNotUsable(const Exam& exam, const PriorQuestion& question);

class OrderExplanation {
 public:
  using ExamTables = std::function<std::shared_ptr<const ExamTable>(const TenantId&)>;

  // Borrows all but the function.
  OrderExplanation(const rpc::CallGuard& guard, const tenants::Partitions& partitions, const tenants::Registry& registry, keys::Sealer& sealer,
                   const PatientRecords& records, ExamTables tables)
      : guard_(guard), partitions_(partitions), registry_(registry), sealer_(sealer), records_(records), tables_(std::move(tables)) {}

  // 200 {"order", "state": [..], "checks": [..], "own_results": [..]}; 400 a body that cannot be taken; 403 anybody else; 404 an order that
  // was never checked here.
  [[nodiscard]] rpc::HttpResponse Handle(const rpc::HttpRequest& request) const;

 private:
  [[nodiscard]] absl::StatusOr<Json> Explain(const tenants::Partition& partition, const std::string& order) const;
  // What one ORDER_CHECKED says. DataLoss when it is of another order.
  [[nodiscard]] absl::StatusOr<Json> CheckOf(const tenants::Partition& partition, const StoredCheck& check, const std::string& order) const;
  // As they were known at the check, by the classes in force now.
  [[nodiscard]] absl::StatusOr<Json> OwnResults(const tenants::Partition& partition, const StoredCheck& check, const Json& checked) const;

  const rpc::CallGuard& guard_;
  const tenants::Partitions& partitions_;
  const tenants::Registry& registry_;
  keys::Sealer& sealer_;
  const PatientRecords& records_;
  const ExamTables tables_;
};

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_ORDER_EXPLANATION_H_

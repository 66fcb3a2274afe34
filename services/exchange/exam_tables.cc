#include "services/exchange/exam_tables.h"

#include <utility>

#include "spdlog/spdlog.h"

namespace custodian::exchange {
namespace {

constexpr std::string_view kClasses = "exam-classes";
constexpr std::string_view kCodes = "code-map";

}  // namespace

ExamTables::ExamTables(CurrentTable current_table, const tenants::Registry& registry)
    : current_table_(std::move(current_table)), registry_(registry) {}

absl::StatusOr<std::shared_ptr<const ExamTable>> ExamTables::Get(const std::string& tenant_id) const {
  {
    const absl::MutexLock lock(&mutex_);
    if (const auto known = tables_.find(tenant_id); known != tables_.end()) return known->second;
  }
  auto table = Read(tenant_id);
  if (!table.ok()) return table;
  const absl::MutexLock lock(&mutex_);
  return tables_.emplace(tenant_id, *std::move(table)).first->second;
}

std::shared_ptr<const ExamTable> ExamTables::Of(const TenantId& tenant) const {
  auto table = Get(tenant.text());
  if (table.ok()) return *std::move(table);
  if (!absl::IsNotFound(table.status())) {
    spdlog::error("the exam classes of tenant {} cannot be read, none is offered: {}", tenant.text(), std::string(table.status().message()));
  }
  return std::make_shared<const ExamTable>();
}

void ExamTables::Forget() {
  const absl::MutexLock lock(&mutex_);
  tables_.clear();
}

absl::StatusOr<std::shared_ptr<const ExamTable>> ExamTables::Read(const std::string& tenant_id) const {
  const auto csv = current_table_(kClasses, tenant_id);
  if (!csv.ok()) return csv.status();
  auto table = ExamTable::Parse(*csv);
  if (!table.ok()) return table.status();
  // A tenant's codes were checked against the network's classes; it may have taken up fewer itself.
  const auto network = OfNetwork();
  for (const tenants::Tenant& tenant : registry_.Tenants()) {
    const auto codes = current_table_(kCodes, tenant.id.text());
    if (absl::IsNotFound(codes.status())) continue;
    if (!codes.ok()) return codes.status();
    auto map = CodeMap::Parse(*codes, network.ok() ? *network : *table);
    if (!map.ok()) return map.status();
    table->SetCodes(tenant.name, *std::move(map));
  }
  // The network's, and the tenant's own: CurrentTable answers with the network's where a tenant has none.
  std::string before;
  for (const std::string& whose : {std::string(), tenant_id}) {
    const auto reasons = current_table_(kOrderReasonsTable, whose);
    if (absl::IsNotFound(reasons.status())) continue;
    if (!reasons.ok()) return reasons.status();
    if (*reasons == before) continue;
    const auto more = OrderReasons::Parse(*reasons);
    if (!more.ok()) return more.status();
    table->AddReasons(*more);
    before = *reasons;
  }
  return std::make_shared<const ExamTable>(*std::move(table));
}

absl::StatusOr<ExamTable> ExamTables::OfNetwork() const {
  const auto csv = current_table_(kClasses, "");
  if (!csv.ok()) return csv.status();
  return ExamTable::Parse(*csv);
}

absl::Status ExamTables::CheckClasses(std::string_view tenant_id, std::string_view csv) const {
  const auto table = ExamTable::Parse(csv);
  if (!table.ok()) return table.status();
  if (tenant_id.empty()) return CheckNetworkClasses(*table);
  const auto network = OfNetwork();
  if (absl::IsNotFound(network.status()))
    return absl::FailedPreconditionError("the network has no exam classes yet, which a tenant's narrow: set those first (without a tenant)");
  if (!network.ok()) return network.status();
  return CheckNarrows(*network, *table);
}

absl::Status ExamTables::CheckReasons(std::string_view csv) { return OrderReasons::Parse(csv).status(); }

absl::Status ExamTables::CheckCodes(std::string_view tenant_id, std::string_view csv) const {
  if (tenant_id.empty()) return absl::InvalidArgumentError("code map: codes of its own has a tenant, not the network: name one");
  const auto network = OfNetwork();
  if (absl::IsNotFound(network.status()))
    return absl::FailedPreconditionError("the network has no exam classes yet, which codes could name: set those first (without a tenant)");
  if (!network.ok()) return network.status();
  return CodeMap::Parse(csv, *network).status();
}

}  // namespace custodian::exchange

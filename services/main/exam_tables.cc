#include "services/main/exam_tables.h"

#include <utility>

#include "spdlog/spdlog.h"

namespace custodian::main {

std::shared_ptr<const exchange::ExamTable> ExamTables::Of(const TenantId& tenant) const {
  {
    const absl::MutexLock lock(&mutex_);
    if (const auto known = tables_.find(tenant.text()); known != tables_.end()) return known->second;
  }
  auto table = std::make_shared<exchange::ExamTable>();
  if (const auto csv = governance_.CurrentTable(governance::kExamClasses, tenant.text()); csv.ok()) {
    if (auto parsed = exchange::ExamTable::Parse(*csv); parsed.ok()) {
      *table = *std::move(parsed);
    } else {
      spdlog::error("the exam classes of tenant {} cannot be read, none is offered: {}", tenant.text(), std::string(parsed.status().message()));
    }
  }
  const absl::MutexLock lock(&mutex_);
  return tables_.emplace(tenant.text(), std::move(table)).first->second;
}

void ExamTables::Forget() {
  const absl::MutexLock lock(&mutex_);
  tables_.clear();
}

}  // namespace custodian::main

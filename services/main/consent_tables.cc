#include "services/main/consent_tables.h"

#include <optional>
#include <utility>

#include "spdlog/spdlog.h"

namespace custodian::main {

std::shared_ptr<const consent::TenantRules> ConsentTables::Of(const TenantId& tenant) const {
  std::uint64_t generation = 0;
  {
    const absl::MutexLock lock(&mutex_);
    generation = generation_;
    if (const auto known = rules_.find(tenant.text()); known != rules_.end()) return known->second;
  }
  auto made = consent::TenantRules::Create([&](std::string_view name, bool tenants_own) -> std::optional<consent::TableInForce> {
    auto version = governance_.FindTable(name, tenants_own ? tenant.text() : "");
    if (!version) return std::nullopt;
    return consent::TableInForce{std::move(version->content), version->index};
  });
  std::shared_ptr<const consent::TenantRules> rules;
  if (made.ok()) {
    rules = std::make_shared<const consent::TenantRules>(*std::move(made));
  } else {
    spdlog::error("event=consent_rules_unreadable alarm=true tenant={} reason=\"{}\"", tenant.text(), std::string(made.status().message()));
  }
  const absl::MutexLock lock(&mutex_);
  return generation == generation_ ? rules_.emplace(tenant.text(), std::move(rules)).first->second : rules;
}

absl::StatusOr<std::shared_ptr<const consent::TenantRules>> ConsentTables::MadeOf(const std::vector<consent::UsedTable>& tables) const {
  std::map<std::pair<std::string, bool>, consent::TableInForce> found;
  for (const consent::UsedTable& table : tables) {
    if (!table.governance_index) continue;
    auto set = governance_.TableAt(*table.governance_index);
    if (!set.ok()) return set.status();
    found[{set->name(), !set->tenant_id().empty()}] = {set->content(), *table.governance_index};
  }
  auto made = consent::TenantRules::Create([&](std::string_view name, bool tenants_own) -> std::optional<consent::TableInForce> {
    const auto table = found.find({std::string(name), tenants_own});
    if (table == found.end()) return std::nullopt;
    return table->second;
  });
  if (!made.ok()) return made.status();
  return std::make_shared<const consent::TenantRules>(*std::move(made));
}

void ConsentTables::Forget() {
  const absl::MutexLock lock(&mutex_);
  rules_.clear();
  ++generation_;
}

}  // namespace custodian::main

// AuditSavings of services/log/partition_audit.h: the projection against the entries it must follow from.
#include <set>

#include "services/log/audit_store.h"
#include "services/log/partition_audit.h"
#include "tenants/ids.h"

namespace custodian::log {
namespace {

std::string LeafAt(std::int64_t index) { return "leaf " + std::to_string(index); }

bool Says(const AuditedPartition::MoneyEntry& entry, const StoredPosting& posting) {
  const ledger::v1::Money& money = entry.money;
  return entry.kind == posting.kind && money.side() == posting.side && money.class_id() == posting.class_id &&
         money.modality() == posting.modality && money.month() == posting.month && money.aggregate() == posting.aggregate &&
         money.cents() == posting.cents && money.exams() == posting.exams;
}

class SavingsAuditor {
 public:
  SavingsAuditor(AuditStore& store, const std::map<std::string, AuditedPartition>& partitions)
      : store_(store), partitions_(partitions) {}

  std::vector<ledger::Finding> Run() {
    CheckPostings();
    CheckFeedCopies();
    CheckWordCopies();
    store_.VisitAvoidances([this](const StoredAvoidance& avoidance) {
      const AuditedPartition* partition = Find(avoidance.ordering_tenant, avoidance.acceptance_index);
      if (partition != nullptr && !partition->acceptances.contains(static_cast<std::uint64_t>(avoidance.acceptance_index)))
        Add(*partition, LeafAt(avoidance.acceptance_index),
            "avoidance " + HexEncode(avoidance.avoidance_id) + " of the savings projection was not accepted by this entry");
    });
    return std::move(findings_);
  }

 private:
  void CheckPostings();
  void CheckFeedCopies();
  void CheckWordCopies();
  void Add(const AuditedPartition& partition, std::string position, std::string message) {
    findings_.push_back({partition.origin, std::move(position), std::move(message)});
  }
  // Null for a tenant that was not audited, or an entry that came after.
  [[nodiscard]] const AuditedPartition* Find(const std::string& tenant, std::int64_t index) const {
    const auto found = partitions_.find(tenant);
    if (found == partitions_.end() || index >= static_cast<std::int64_t>(found->second.size)) return nullptr;
    return &found->second;
  }

  AuditStore& store_;
  const std::map<std::string, AuditedPartition>& partitions_;
  std::vector<ledger::Finding> findings_;
};

void SavingsAuditor::CheckPostings() {
  std::map<std::string, std::set<std::uint64_t>> posted;
  store_.VisitPostings([&](const StoredPosting& posting) {
    const AuditedPartition* partition = Find(posting.log_tenant, posting.entry_index);
    if (partition == nullptr) return;
    const std::uint64_t index = static_cast<std::uint64_t>(posting.entry_index);
    const auto entry = partition->money.find(index);
    if (!posted[posting.log_tenant].insert(index).second || entry == partition->money.end() || !Says(entry->second, posting))
      Add(*partition, LeafAt(posting.entry_index), "the postings of the savings projection say something else than this entry");
  });
  // Between an entry and its mark in the projection a crash may lie; the next run mends it.
  const std::vector<std::string> waiting = store_.TenantsWithWaitingPostings();
  const std::set<std::string> unmarked(waiting.begin(), waiting.end());
  for (const auto& [tenant, partition] : partitions_) {
    if (unmarked.contains(tenant)) continue;
    for (const auto& [index, entry] : partition.money)
      if (!posted[tenant].contains(index))
        Add(partition, LeafAt(static_cast<std::int64_t>(index)), "the savings projection has no posting of this entry");
  }
}

void SavingsAuditor::CheckFeedCopies() {
  store_.VisitFeedCopies([this](const std::string& tenant, const StoredFeedRow& row) {
    const AuditedPartition* partition = Find(tenant, row.entry_index);
    if (partition == nullptr) return;
    const auto entry = partition->feed.find(static_cast<std::uint64_t>(row.entry_index));
    const bool equal = entry != partition->feed.end() && entry->second.is_gap == (row.kind == "gap") &&
                       entry->second.through_ms == row.through_ms && entry->second.time_ms == row.arrived_ms &&
                       (!entry->second.is_gap || row.from_ms == entry->second.from_ms);
    if (!equal) Add(*partition, LeafAt(row.entry_index), "the copied row of the result feed says something else than this entry");
  });
}

void SavingsAuditor::CheckWordCopies() {
  store_.VisitWordCopies([this](const std::string& tenant, const StoredWordRow& row) {
    const AuditedPartition* partition = Find(tenant, row.entry_index);
    if (partition == nullptr) return;
    const auto entry = partition->words.find(static_cast<std::uint64_t>(row.entry_index));
    if (entry == partition->words.end() || !entry->second.Is(row.kind, row.first_index, row.past_index))
      Add(*partition, LeafAt(row.entry_index), "the copied row of what the tenant's node says is not what this entry says");
  });
}

}  // namespace

absl::StatusOr<std::vector<ledger::Finding>> AuditSavings(const tenants::Database& network_database,
                                                          const std::map<std::string, AuditedPartition>& partitions) {
  std::vector<ledger::Finding> findings;
  const absl::Status status = network_database.Read([&](tenants::ReadTransaction& transaction) -> absl::Status {
    AuditStore store(transaction);
    findings = SavingsAuditor(store, partitions).Run();
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return findings;
}

}  // namespace custodian::log

// AuditKeyStore of services/log/partition_audit.h: wrapped keys against the KEY_STORED entries that name them.
#include <set>

#include "ledger/tree.h"
#include "services/log/audit_store.h"
#include "services/log/partition_audit.h"
#include "tenants/ids.h"

namespace custodian::log {
namespace {

std::string Sha256(const std::string& bytes) { return std::string(ledger::AsBytes(ledger::Sha256(bytes))); }
std::string LeafAt(std::uint64_t index) { return "leaf " + std::to_string(index); }

}  // namespace

absl::StatusOr<std::uint64_t> AuditKeyStore(const tenants::Database& key_database, const AuditedPartition& partition,
                                            ledger::Findings& findings) {
  std::uint64_t unnamed = 0;
  const absl::Status status = key_database.Read([&](tenants::ReadTransaction& transaction) -> absl::Status {
    AuditStore store(transaction);
    std::set<std::pair<std::string, std::string>> found;
    const auto check = [&](const std::string& what, const StoredWrappedKey& key) {
      const auto entry = partition.keys.find({what, key.key_id});
      if (entry == partition.keys.end()) {
        ++unnamed;
        return;
      }
      found.emplace(what, key.key_id);
      const std::string position = "key " + what + " " + HexEncode(key.key_id);
      const auto& [index, stored] = entry->second;
      if (Sha256(key.wrapped) != stored.wrapped_sha256())
        findings.Add(position, "the wrapped key is not the one that " + LeafAt(index) + " names");
      if (key.shard_id != stored.shard_id() || static_cast<std::uint64_t>(key.epoch) != stored.epoch())
        findings.Add(position, "it lies in another shard or epoch than " + LeafAt(index) + " names");
      if (what == "patient" && !partition.keys.contains({"shard", key.shard_id}))
        findings.Add(position, "it lies in shard " + HexEncode(key.shard_id) + ", which no entry names");
    };
    store.VisitShards([&](const StoredWrappedKey& key) { check("shard", key); });
    store.VisitPatientKeys([&](const StoredWrappedKey& key) { check("patient", key); });
    for (const auto& [key, entry] : partition.keys)
      if (!found.contains(key))
        findings.Add("key " + key.first + " " + HexEncode(key.second),
                     "the wrapped key is missing; " + LeafAt(entry.index) + " names it");
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return unnamed;
}

}  // namespace custodian::log

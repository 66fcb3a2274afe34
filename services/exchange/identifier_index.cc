#include "services/exchange/identifier_index.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "services/exchange/patient_records.h"
#include "services/exchange/record_store.h"

namespace custodian::exchange {

absl::StatusOr<std::string> IdentifierToken(const TenantId& tenant, keys::Sealer& sealer, const IdentifierQuery& identifier) {
  return sealer.IndexToken(tenant, absl::StrCat("identifier\n", identifier.type, "\n", identifier.system, "\n", identifier.value));
}

absl::StatusOr<std::map<IdentifierQuery, std::vector<FoundResource>>> OpenByIdentifiers(const tenants::Partition& partition,
                                                                                        keys::Sealer& sealer,
                                                                                        const std::vector<IdentifierQuery>& queries,
                                                                                        std::string_view purpose) {
  std::map<IdentifierQuery, std::vector<FoundResource>> found;
  if (queries.empty()) return found;
  std::vector<std::string> tokens;
  for (const IdentifierQuery& query : queries) {
    auto token = IdentifierToken(partition.tenant.id, sealer, query);
    if (!token.ok()) return token.status();
    tokens.push_back(*std::move(token));
  }
  const RecordStore store(*partition.database);
  const auto hits = store.WithIdentifiers(tokens);
  if (!hits.ok()) return hits.status();
  std::set<RecordId> records;
  for (const auto& [token, ids] : *hits) records.insert(ids.begin(), ids.end());
  const auto rows = store.NewestOf(std::vector<RecordId>(records.begin(), records.end()));
  if (!rows.ok()) return rows.status();
  const std::set<IdentifierQuery> wanted(queries.begin(), queries.end());
  for (const SealedRecord& row : *rows) {
    if (row.deleted) continue;
    const auto opened = OpenRecord(partition.tenant, row, sealer, purpose);
    if (!opened.ok()) return opened.status();
    const auto resource = Json::Parse(opened->json);
    if (!resource.ok()) return absl::DataLossError("a stored record holds no JSON");
    std::set<IdentifierQuery> carried;
    for (const IdentifierQuery& identifier : IdentifiersOf(*resource)) {
      if (wanted.contains(identifier)) carried.insert(identifier);
    }
    for (const IdentifierQuery& identifier : carried) found[identifier].push_back({opened->id, *resource});
  }
  return found;
}

absl::StatusOr<std::map<IdentifierQuery, std::vector<std::string>>> FindByIdentifiers(const tenants::Partition& partition,
                                                                                      keys::Sealer& sealer,
                                                                                      const std::vector<IdentifierQuery>& queries,
                                                                                      std::string_view purpose) {
  const auto found = OpenByIdentifiers(partition, sealer, queries, purpose);
  if (!found.ok()) return found.status();
  std::map<IdentifierQuery, std::vector<std::string>> ids;
  for (const auto& [query, resources] : *found) {
    for (const FoundResource& resource : resources) ids[query].push_back(resource.id);
  }
  return ids;
}

}  // namespace custodian::exchange

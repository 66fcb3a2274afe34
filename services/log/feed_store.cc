#include "services/log/feed_store.h"

#include <pqxx/pqxx>
#include <string>

namespace custodian::log {
namespace {

const tenants::Table kFeedTable{
    "savings.feed", {{"kind", "text"}, {"from_ms", "bigint"}, {"through_ms", "bigint"}, {"arrived_ms", "bigint"}, {"entry_index", "bigint"}}};

const tenants::Table kTenantsWordTable{
    "savings.tenants_word",
    {{"kind", "text"}, {"first_index", "bigint"}, {"past_index", "bigint"}, {"arrived_ms", "bigint"}, {"entry_index", "bigint"}}};

}  // namespace

tenants::Row WatermarkRow(absl::Time through) {
  return {&kFeedTable,
          {std::string("watermark"), std::monostate(), std::int64_t{absl::ToUnixMillis(through)}, tenants::CommitTime(), tenants::IndexOf{0}}};
}

tenants::Row GapRow(absl::Time from, absl::Time to) {
  return {&kFeedTable,
          {std::string("gap"), std::int64_t{absl::ToUnixMillis(from)}, std::int64_t{absl::ToUnixMillis(to)}, tenants::CommitTime(),
           tenants::IndexOf{0}}};
}

tenants::Row TenantsWordRow(const ledger::v1::Entry& entry, std::size_t position) {
  const bool disputed = entry.has_disputed();
  const auto first = static_cast<std::int64_t>(disputed ? entry.disputed().index() : entry.countersigned().first());
  const auto past = disputed ? first + 1 : static_cast<std::int64_t>(entry.countersigned().end());
  return {&kTenantsWordTable, {std::string(disputed ? "disputed" : "countersigned"), first, past, tenants::CommitTime(), tenants::IndexOf{position}}};
}

absl::StatusOr<std::optional<absl::Time>> FurthestWatermark(const tenants::Database& database) {
  std::optional<absl::Time> furthest;
  const absl::Status status = database.Read([&](tenants::ReadTransaction& transaction) {
    const pqxx::row row = transaction.sql().exec1("SELECT max(through_ms) AS through_ms FROM savings.feed WHERE kind = 'watermark'");
    if (!row["through_ms"].is_null()) furthest = absl::FromUnixMillis(row["through_ms"].as<std::int64_t>());
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return furthest;
}

absl::StatusOr<std::vector<std::uint64_t>> EntriesOfWatermark(const tenants::Database& database, absl::Time through) {
  std::vector<std::uint64_t> entries;
  const absl::Status status = database.Read([&](tenants::ReadTransaction& transaction) {
    const pqxx::result rows = transaction.sql().exec_params(
        "SELECT entry_index FROM savings.feed WHERE kind = 'watermark' AND through_ms = $1 ORDER BY entry_index DESC LIMIT 100",
        absl::ToUnixMillis(through));
    for (const pqxx::row& row : rows) entries.push_back(row["entry_index"].as<std::uint64_t>());
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return entries;
}

}  // namespace custodian::log

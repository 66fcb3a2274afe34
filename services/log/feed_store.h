// SQL of what a tenant says of its figures: the result feed's statements, `savings.feed` (migration tenant/020), and its node's word on reported entries,
// `savings.tenants_word` (tenant/410). Thread-safe functions.
#ifndef CUSTODIAN_SERVICES_LOG_FEED_STORE_H_
#define CUSTODIAN_SERVICES_LOG_FEED_STORE_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "ledger/entry.pb.h"
#include "tenants/database.h"
#include "tenants/partition_writer.h"

namespace custodian::log {

// Rows that go with a WATERMARK or FEED_GAP entry, the first of its Write.
[[nodiscard]] tenants::Row WatermarkRow(absl::Time through);
[[nodiscard]] tenants::Row GapRow(absl::Time from, absl::Time to);

// Of a COUNTERSIGNED or DISPUTED entry, at `position` of its Write.
[[nodiscard]] tenants::Row TenantsWordRow(const ledger::v1::Entry& entry, std::size_t position);

// The furthest watermark; nothing before the first.
[[nodiscard]] absl::StatusOr<std::optional<absl::Time>> FurthestWatermark(const tenants::Database& database);
// Log indexes of the watermarks with exactly this time, the newest first, at most 100.
[[nodiscard]] absl::StatusOr<std::vector<std::uint64_t>> EntriesOfWatermark(const tenants::Database& database, absl::Time through);

}  // namespace custodian::log

#endif  // CUSTODIAN_SERVICES_LOG_FEED_STORE_H_

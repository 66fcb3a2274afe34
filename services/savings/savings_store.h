// SQL of savings, on transactions handed in: facts and feed rows of a tenant's database (read only; the partition writer inserts
// them), and the projection in the network database. One transaction is used by one thread; nothing here decides anything.
#ifndef CUSTODIAN_SERVICES_SAVINGS_SAVINGS_STORE_H_
#define CUSTODIAN_SERVICES_SAVINGS_SAVINGS_STORE_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/savings/postings.h"
#include "tenants/ids.h"
#include "tenants/transaction.h"

namespace custodian::savings {

// --- A tenant's database.

struct FactRow {
  std::string fact_id;
  std::string sealed;
  absl::Time arrived;
  std::int64_t entry_index = 0;
};
// Of one patient, oldest entry first.
[[nodiscard]] std::vector<FactRow> ReadFacts(tenants::ReadTransaction& tenant, const PatientId& patient);
// Patients whose facts those entries prove, without duplicates.
[[nodiscard]] absl::StatusOr<std::vector<PatientId>> ReadPatientsOfEntries(tenants::ReadTransaction& tenant,
                                                                           const std::vector<std::int64_t>& entry_indexes);

struct FeedRow {
  std::int64_t entry_index = 0;
  bool is_gap = false;
  // Of a gap.
  absl::Time from;
  // How far a watermark reaches, or a gap's end.
  absl::Time through;
  absl::Time arrived;
};
// At most `limit` rows after `entry_index`, in order.
[[nodiscard]] std::vector<FeedRow> ReadFeed(tenants::ReadTransaction& tenant, std::int64_t after_entry_index, int limit);

// What a tenant's node says of entries [first, past) of its log.
struct WordRow {
  std::int64_t entry_index = 0;
  bool is_dispute = false;
  std::int64_t first = 0;
  std::int64_t past = 0;
  absl::Time arrived;
};
// At most `limit` rows after `entry_index`, in order.
[[nodiscard]] std::vector<WordRow> ReadTenantsWord(tenants::ReadTransaction& tenant, std::int64_t after_entry_index, int limit);

// --- The projection.

// Index of the newest copied feed row; -1 before the first.
[[nodiscard]] std::int64_t LastFeedIndex(tenants::ReadTransaction& network, const std::string& feed_tenant);
// Rows already there stay as they are.
void InsertFeed(tenants::WriteTransaction& network, const std::string& feed_tenant, const std::vector<FeedRow>& rows);
// The same of copied words.
[[nodiscard]] std::int64_t LastWordIndex(tenants::ReadTransaction& network, const std::string& word_tenant);
void InsertTenantsWord(tenants::WriteTransaction& network, const std::string& word_tenant, const std::vector<WordRow>& rows);
// Furthest watermark of each tenant known by `as_of`; a tenant that never sent one is absent.
[[nodiscard]] std::map<std::string, absl::Time> ReadWatermarks(tenants::ReadTransaction& network, absl::Time as_of);
// Gaps of any tenant that overlap [from, to).
[[nodiscard]] std::vector<Censoring> ReadGaps(tenants::ReadTransaction& network, absl::Time from, absl::Time to);

// An acceptance by its entry in the ordering tenant's log.
struct AcceptanceEntry {
  std::string ordering_tenant;
  std::int64_t entry_index = 0;
};
// Avoidances that are open as far as is known although a gap overlaps their window.
[[nodiscard]] std::vector<AcceptanceEntry> ReadOpenInGaps(tenants::ReadTransaction& network);

// Those of `avoidance_ids` that are known, by id.
[[nodiscard]] std::map<std::string, AvoidanceRow> ReadAvoidances(tenants::ReadTransaction& network,
                                                                 const std::vector<std::string>& avoidance_ids);
// An avoidance as it is kept, with what is derived from it.
struct KeptAvoidance {
  AvoidanceRow row;
  std::string month;
  std::optional<absl::Time> due;
  std::optional<absl::Time> feed_due;
};
// By id, those after `after`.
[[nodiscard]] std::vector<KeptAvoidance> ReadKept(tenants::ReadTransaction& network, const std::string& after, int limit);
// Acceptances that more than one avoidance names.
[[nodiscard]] std::vector<AcceptanceEntry> ReadAmbiguousAcceptances(tenants::ReadTransaction& network);
// Leaves an avoidance that exists as it is: what was once priced stays so (T9).
void InsertAvoidance(tenants::WriteTransaction& network, const AvoidanceRow& avoidance);
// Against other planners of the same avoidances, until the transaction ends.
void LockAvoidances(tenants::WriteTransaction& network, const std::vector<std::string>& avoidance_ids);
[[nodiscard]] std::map<std::string, std::vector<KnownState>> ReadStates(tenants::ReadTransaction& network,
                                                                        const std::vector<std::string>& avoidance_ids);
void ReplaceStates(tenants::WriteTransaction& network, const std::string& avoidance_id, const std::vector<KnownState>& states);

[[nodiscard]] std::map<std::string, std::vector<Posting>> ReadPostings(tenants::ReadTransaction& network,
                                                                       const std::vector<std::string>& avoidance_ids);
// Number of a new aggregate of that log and month: one more than the last planned.
[[nodiscard]] std::int64_t NextAggregateNumber(tenants::ReadTransaction& network, const std::string& log_tenant,
                                               const std::string& month);
void InsertPosting(tenants::WriteTransaction& network, const std::string& avoidance_id, const Posting& posting,
                   std::int64_t aggregate_number);
void SetDue(tenants::WriteTransaction& network, const std::string& avoidance_id, std::optional<absl::Time> due,
            std::optional<absl::Time> feed_due);
// Ids for which entries may be due, oldest first.
[[nodiscard]] std::vector<std::string> ReadDue(tenants::ReadTransaction& network, absl::Time now, absl::Time watermark,
                                               int limit);

// A planned entry of its own without an index yet.
struct WaitingPosting {
  std::string avoidance_id;
  std::string class_id;
  std::string modality;
  Posting posting;
};
// Of those avoidances; of all when `avoidance_ids` is null. What takes back comes before what states anew. At most `limit`.
[[nodiscard]] std::vector<WaitingPosting> ReadWaiting(tenants::ReadTransaction& network,
                                                      const std::vector<std::string>* avoidance_ids, int limit);
void SetEntryIndex(tenants::WriteTransaction& network, const WaitingPosting& posting, std::int64_t entry_index);

// A monthly aggregate with an entry a line.
struct WaitingAggregate {
  std::string log_tenant;
  std::string month;
  std::int64_t number = 0;
  struct Line {
    ledger::v1::Kind kind;
    ledger::v1::Side side;
    std::string class_id;
    std::string modality;
    std::int64_t cents = 0;
    std::int64_t exams = 0;
  };
  // Ordered by (kind, side, class).
  std::vector<Line> lines;
};
[[nodiscard]] std::vector<WaitingAggregate> ReadWaitingAggregates(tenants::ReadTransaction& network);
// Entry of line i has index first_index + i.
void SetEntryIndexes(tenants::WriteTransaction& network, const WaitingAggregate& aggregate, std::int64_t first_index);

// --- Reading figures.

struct FigureRow {
  std::string ordering_tenant;
  std::string source_tenant;
  std::string modality;
  // UTC month of the acceptances.
  std::string month;
  // "pending", "confirmed", "reversed", "censored".
  std::string state;
  std::int64_t exams = 0;
  std::int64_t cents = 0;
  std::int64_t source_cents = 0;
  // What the ordering tenant's node says of the acceptances: "countersigned", "disputed" (whatever else it said of them), or nothing.
  std::string word = {};
};
// As known at `as_of`; `watermark` is the smallest of all tenants' known by then. With `tenants_view`, redos elsewhere count from
// the month after they became known (T7).
[[nodiscard]] std::vector<FigureRow> ReadFigures(tenants::ReadTransaction& network, absl::Time as_of, absl::Time watermark,
                                                 bool tenants_view);

struct AvoidanceFilter {
  // Empty: any. `tenant` is the ordering or source one by `side` ("ordering", "source").
  std::string tenant;
  std::string side;
  std::string modality;
  std::string month;
  std::string state;
};
struct ListedAvoidance {
  AvoidanceRow avoidance;
  std::string state;
  std::string why;
  struct Entry {
    std::string log_tenant;
    ledger::v1::Kind kind;
    ledger::v1::Side side;
    std::int64_t cents = 0;
    bool aggregate = false;
    // Nothing while it waits to be admitted.
    std::optional<std::int64_t> index;
  };
  std::vector<Entry> entries;
};
// The network's view as known at `as_of`, newest acceptance first.
[[nodiscard]] std::vector<ListedAvoidance> ListAvoidances(tenants::ReadTransaction& network, const AvoidanceFilter& filter,
                                                          absl::Time as_of, absl::Time watermark, int limit, int offset);

}  // namespace custodian::savings

#endif  // CUSTODIAN_SERVICES_SAVINGS_SAVINGS_STORE_H_

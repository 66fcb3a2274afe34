// Which ledger entries an avoidance calls for (SAVINGS, T7-T10), by comparing what is known with what was posted. Pure.
//
// In a log the sum of Money over the entries of one kind and side is what stands now; leaving a state takes back what entering
// it said, with the opposite sign:
//   AVOIDANCE_CONFIRMED, ordering log: exams and cents confirmed (ordering side);
//   AVOIDANCE_CENSORED, ordering log: censored; AVOIDANCE_REVERSED, ordering log: reversed, negative;
//   SOURCE_CREDITED, source log: what is credited to the source and not reversed (source side);
//   AVOIDANCE_REVERSED in a third log, or on the source side: a redo performed there, entered at once for both sides.
// The ordering and source logs learn of a redo elsewhere only by one aggregate a month (T7; an entry a class), so their entries
// follow the tenants' view, which this file defines: a redo elsewhere counts from the first millisecond of the month after it
// became known.
#ifndef CUSTODIAN_SERVICES_SAVINGS_POSTINGS_H_
#define CUSTODIAN_SERVICES_SAVINGS_POSTINGS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "ledger/entry.pb.h"
#include "ledger/signature.h"
#include "services/savings/timeline.h"

namespace custodian::savings {

// What never changes about an avoidance.
struct AvoidanceRow {
  // 16 bytes.
  std::string avoidance_id;
  // By name.
  std::string ordering_tenant;
  std::string source_tenant;
  std::string class_id;
  std::string modality;
  std::int64_t cents = 0;
  absl::Time t;
  absl::Time deadline;
  std::int64_t acceptance_index = 0;
};

// T10: floor(cents / 2) to the source, the rest to the ordering tenant. `cents` is not negative.
[[nodiscard]] inline std::int64_t SourceShare(std::int64_t cents) { return cents / 2; }
[[nodiscard]] inline std::int64_t OrderingShare(std::int64_t cents) { return cents - cents / 2; }

// UTC month, "2026-03", and its first millisecond.
[[nodiscard]] std::string MonthOf(absl::Time time);
[[nodiscard]] absl::Time MonthStart(absl::Time time);
// The last moment whose redos elsewhere the tenants' view holds at `now`.
[[nodiscard]] absl::Time TenantViewOf(absl::Time now);

// Null: no avoidance at that moment.
[[nodiscard]] const KnownState* StateAt(const std::vector<KnownState>& states, absl::Time moment);
[[nodiscard]] bool IsReversedElsewhere(const KnownState* state, const std::string& ordering_tenant);

// One Money entry, or one item of a monthly aggregate.
struct Posting {
  std::string log_tenant;
  ledger::v1::Kind kind = ledger::v1::KIND_UNSPECIFIED;
  ledger::v1::Side side = ledger::v1::SIDE_UNSPECIFIED;
  // 0, 1, ... within (log, kind, side): even ones state, odd ones take back.
  std::int64_t sequence = 0;
  std::int64_t cents = 0;
  std::int64_t exams = 0;
  std::string month;
  // Empty for an entry of its own.
  std::string aggregate_month;
};

struct PostingPlan {
  std::vector<Posting> postings;
  // When to plan again: whatever the feeds say, and once all feeds have passed that moment.
  std::optional<absl::Time> due;
  std::optional<absl::Time> feed_due;
};

// `states` as Timeline() gives them, `posted` everything posted of this avoidance so far. `watermark` is the smallest of all
// tenants'. Without `aggregates`, what belongs to a monthly aggregate is left and `due` is `now`.
[[nodiscard]] PostingPlan PlanPostings(const AvoidanceRow& avoidance, const std::vector<KnownState>& states,
                                       const std::vector<Posting>& posted, absl::Time watermark, absl::Time now, bool aggregates);

}  // namespace custodian::savings

#endif  // CUSTODIAN_SERVICES_SAVINGS_POSTINGS_H_

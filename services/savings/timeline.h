// What was known of a person's avoidances when (SAVINGS, T1, T6-T8): replays the arrival of every fact and record version and
// asks Evaluate() after each. Pure: opened evidence in, states in; no SQL, clocks or keys.
#ifndef CUSTODIAN_SERVICES_SAVINGS_TIMELINE_H_
#define CUSTODIAN_SERVICES_SAVINGS_TIMELINE_H_

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "services/exchange/exam.h"
#include "services/savings/avoidance.h"

namespace custodian::savings {

// Whether an open avoidance is pending or confirmed depends on the moment asked about and is not kept.
enum class Standing { kOpen, kReversed, kCensored };

// What was known of one avoidance from `known_from` until `known_to` (exclusive).
struct KnownState {
  absl::Time known_from;
  absl::Time known_to = absl::InfiniteFuture();
  Standing standing = Standing::kOpen;
  // As in Avoidance.
  std::string why;
  std::string reversed_by;
  std::optional<absl::Time> ended_at;

  friend bool operator==(const KnownState&, const KnownState&) = default;
};

// Of one person, at all tenants.
struct Evidence {
  std::vector<Acceptance> acceptances;
  // Every version of every record.
  std::vector<exchange::OpenedRecord> history;
  // Feed gaps of any tenant.
  std::vector<Censoring> gaps;
};

// exchange::ExamsOf with the registry bound and the tables that recognise redos of an ordering tenant's acceptances. An exam that
// several tables recognise may be there several times.
using ExamsFunction =
    std::function<std::vector<exchange::Exam>(const std::vector<const exchange::OpenedRecord*>&, std::string_view ordering_tenant)>;
// Zone in which a tenant writes dates without a time.
using ZoneFunction = std::function<absl::TimeZone(std::string_view tenant_name)>;

// Whether an exam is of a kind that reverses the acceptance's avoidance (T7); not when it was.
[[nodiscard]] bool IsRedoKind(const Acceptance& acceptance, const exchange::Exam& exam);

// For each acceptance, in the order handed in: its states as an avoidance, oldest first, neighbours different; empty for one that
// never opened its key.
[[nodiscard]] std::vector<std::vector<KnownState>> Timeline(const Evidence& evidence, const ExamsFunction& exams_of,
                                                            const ZoneFunction& zone_of);

}  // namespace custodian::savings

#endif  // CUSTODIAN_SERVICES_SAVINGS_TIMELINE_H_

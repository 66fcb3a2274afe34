// The avoidance state machine of SAVINGS T5-T9 and T11: from the facts about one person, class and laterality to the exams
// avoided and their states. Pure: facts in, avoidances out; no SQL, clocks, keys or FHIR.
#ifndef CUSTODIAN_SERVICES_SAVINGS_AVOIDANCE_H_
#define CUSTODIAN_SERVICES_SAVINGS_AVOIDANCE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

namespace custodian::savings {

// A performed exam that may be a redo (T7): already filtered to classes of the reversal set and by SideReverses().
struct Redo {
  std::string performing_tenant;
  // Half-open; one millisecond, or the whole day of a date-only time.
  absl::Time performed_begin;
  absl::Time performed_end;
  // Network time at which the exam was first known as performed. An exam of a day (not a moment) that was known by an
  // acceptance's t was performed before it, whatever the rest of that day holds: it is the prior, or as old as the prior, and no
  // redo.
  absl::Time arrived;
  // Whose acceptances it is a redo of, by its table and reversal set; empty: anybody's.
  std::string ordering_tenant = {};
};

// A card's first acceptance (T5).
struct Acceptance {
  // Ordering tenant's name and order (ServiceRequest identifier "system|value"): the order of evaluation is (t, tenant, order).
  std::string tenant;
  std::string order;
  // Opaque id (32 hex digits) of the avoidance this acceptance may open: the one-time subject of its entries.
  std::string avoidance_id;
  std::string class_id;
  std::string modality;
  std::string laterality;
  // Tenant where the accepted suggestion's prior is.
  std::string source_tenant;
  // "Type/id" of that prior; empty when it is not known. For whoever follows it; Evaluate() does not read it.
  std::string source_resource = {};
  absl::Time t;
  absl::Duration observe;
  // Classes that reverse (T7), for whoever picks the redos; Evaluate() does not read it.
  std::vector<std::string> reversal_set;
  std::int64_t cents = 0;
  // CARD_ACCEPTED in the ordering tenant's log.
  std::int64_t entry_index = 0;
  // Network time at which the acceptance became known.
  absl::Time arrived;
  // A later override of the same card (T5): its outcomeTimestamp, and when it became known.
  std::optional<absl::Time> withdrawn_at;
  absl::Time withdrawal_arrived;
  // The link between the ordering patient and the prior's was unmade (T8), and when that became known.
  std::optional<absl::Time> unlinked_at;
  absl::Time unlink_arrived;
  // Since when the prior is no result any more, as known at the `as_of` of the question: deleted, cancelled, entered in error or registered
  // again, and not restored since.
  std::optional<absl::Time> prior_withdrawn_at = {};
  // Redos of it once known, of tenants whose patients are linked to the person no longer (T8: known stays known). For whoever
  // picks the redos; Evaluate() does not read it.
  std::vector<Redo> known_redos = {};
};

// Death, erasure, departure or a feed gap (T8). A gap censors what it overlaps; the others end what is observed for good, so they
// censor every avoidance whose window ends after them.
struct Censoring {
  absl::Time from;
  // Equal to `from` for a moment; end (exclusive) of a gap otherwise.
  absl::Time to;
  absl::Time arrived;
  // "death", "erasure", "departure", "gap".
  std::string why;
};

enum class State { kPending, kConfirmed, kReversed, kCensored };

struct Avoidance {
  // Index into the acceptances handed in.
  std::size_t acceptance = 0;
  State state = State::kPending;
  // When what made it reversed or censored happened, and who performed the redo (empty for a withdrawal).
  std::optional<absl::Time> ended_at;
  std::string reversed_by_tenant;
  // "withdrawn", "unlink", "prior-withdrawn", "redo", or a Censoring's why; empty otherwise. Of several reasons those that the ordering
  // tenant knows at once come first (withdrawal, unlink, the prior withdrawn, a redo of its own), then the earliest redo elsewhere: what a
  // tenant sees at once never turns into what it may see a month later.
  std::string why;
};

// False for the opposite side, which alone does not reverse (T7); unspecified and bilateral do.
[[nodiscard]] bool SideReverses(std::string_view ordered, std::string_view performed);

// When a fact counts as known: what happened *and* arrived by then (T1).
[[nodiscard]] inline absl::Time KnownAt(absl::Time happened, absl::Time arrived) { return std::max(happened, arrived); }

// All of one (network person, class, laterality): T6's key. `watermark` is the smallest of all tenants' feed watermarks known by
// `as_of`. Facts not known at `as_of` are ignored, so that one call answers for any moment. Result in (t, tenant, order).
[[nodiscard]] std::vector<Avoidance> Evaluate(const std::vector<Acceptance>& acceptances, const std::vector<Redo>& redos,
                                              const std::vector<Censoring>& censorings, absl::Time watermark, absl::Time as_of);

}  // namespace custodian::savings

#endif  // CUSTODIAN_SERVICES_SAVINGS_AVOIDANCE_H_

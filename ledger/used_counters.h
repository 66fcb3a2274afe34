// The counters that an author of a log has used, and the numbers it left out (DESIGN, section 4): counters may come out of order within 1,024, a
// refused number is closed by a VOID entry that carries it, and a number that stays away for 60 s is missing: its author sent what is not in the
// log, or lost count. Time is the log's own, that of the custodian's entries, so that whoever reads the log finds the same. Pure.
#ifndef CUSTODIAN_LEDGER_USED_COUNTERS_H_
#define CUSTODIAN_LEDGER_USED_COUNTERS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace custodian::ledger {

inline constexpr std::int64_t kCounterGapMs = 60'000;

// Numbers of an author, first to last, that were left out for too long.
struct MissingCounters {
  std::string author;
  std::uint64_t first = 0;
  std::uint64_t last = 0;
};
// "counters 7 to 9 of <author>", as findings name it.
[[nodiscard]] std::string CountersPosition(const MissingCounters& missing);
inline constexpr char kCountersMissingMessage[] = "later ones of this author are in the log for more than 60 s: an entry was left out, or its author lost count (a VOID entry closes them)";

class UsedCounters {
 public:
  // A run without a gap.
  struct Run {
    std::uint64_t last = 0;
    // Log time, Unix milliseconds, at which the gap before the run was first seen.
    std::int64_t gap_since_ms = 0;
  };
  // By the first of the run. The first run begins with 0, so that numbers before the first one used are a gap like any other.
  using Runs = std::map<std::uint64_t, Run>;

  // False when it was used before. Of more than 1,024 gaps the lowest is forgotten, and its numbers count as used.
  [[nodiscard]] bool Insert(std::uint64_t counter, std::int64_t log_ms);
  [[nodiscard]] const Runs& runs() const { return runs_; }
  // Gaps that were there for more than 60 s at the log time `log_ms`, lowest first; without the author's name.
  [[nodiscard]] std::vector<MissingCounters> Missing(std::int64_t log_ms) const;
  // InvalidArgument unless the runs lie apart, in order.
  [[nodiscard]] static absl::StatusOr<UsedCounters> Create(Runs runs);

 private:
  Runs runs_;
};

}  // namespace custodian::ledger

#endif  // CUSTODIAN_LEDGER_USED_COUNTERS_H_

#include "ledger/used_counters.h"

#include <iterator>
#include <utility>

namespace custodian::ledger {
namespace {

constexpr std::size_t kGapsMax = 1'024;

}  // namespace

std::string CountersPosition(const MissingCounters& missing) {
  if (missing.first == missing.last) return "counter " + std::to_string(missing.first) + " of " + missing.author;
  return "counters " + std::to_string(missing.first) + " to " + std::to_string(missing.last) + " of " + missing.author;
}

bool UsedCounters::Insert(std::uint64_t counter, std::int64_t log_ms) {
  if (runs_.empty()) runs_.emplace(0, Run{});
  const auto after = runs_.upper_bound(counter);
  const auto before = std::prev(after);
  if (counter <= before->second.last) return false;
  const bool follows = before->second.last + 1 == counter;
  const bool precedes = after != runs_.end() && counter + 1 == after->first;
  // What is left of a gap is as old as the gap.
  const std::int64_t since = after != runs_.end() ? after->second.gap_since_ms : log_ms;
  const std::uint64_t last = precedes ? after->second.last : counter;
  if (precedes) runs_.erase(after);
  if (follows)
    before->second.last = last;
  else
    runs_.emplace(counter, Run{last, since});
  if (runs_.size() > kGapsMax + 1) {
    const auto second = std::next(runs_.begin());
    runs_.begin()->second.last = second->second.last;
    runs_.erase(second);
  }
  return true;
}

std::vector<MissingCounters> UsedCounters::Missing(std::int64_t log_ms) const {
  std::vector<MissingCounters> missing;
  if (runs_.empty()) return missing;
  std::uint64_t next = runs_.begin()->second.last + 1;
  for (auto run = std::next(runs_.begin()); run != runs_.end(); ++run) {
    if (log_ms - run->second.gap_since_ms > kCounterGapMs) missing.push_back({"", next, run->first - 1});
    next = run->second.last + 1;
  }
  return missing;
}

absl::StatusOr<UsedCounters> UsedCounters::Create(Runs runs) {
  if (runs.size() > kGapsMax + 1 || (!runs.empty() && runs.begin()->first != 0))
    return absl::InvalidArgumentError("too many runs of counters, or none from 0");
  for (auto run = runs.begin(); run != runs.end(); ++run) {
    const auto next = std::next(run);
    if (run->second.last < run->first || (next != runs.end() && next->first <= run->second.last + 1))
      return absl::InvalidArgumentError("runs of counters meet");
  }
  UsedCounters used;
  used.runs_ = std::move(runs);
  return used;
}

}  // namespace custodian::ledger

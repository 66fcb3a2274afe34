#include "services/savings/figures_audit.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tenants/ids.h"
#include "tenants/network_clock.h"
#include "tenants/registry.h"

namespace custodian::savings {
namespace {

using tenants::ReadTransaction;

constexpr int kRowsPerRound = 1'000;
// How much further the clock of `serve` may be than ours.
constexpr absl::Duration kClockSkew = absl::Minutes(1);

std::string LeafAt(std::int64_t index) { return absl::StrCat("leaf ", index); }

std::int64_t SignOf(const Posting& posting) {
  const bool states_reversal = posting.kind == ledger::v1::KIND_AVOIDANCE_REVERSED;
  const bool takes_back = posting.sequence % 2 != 0;
  return states_reversal == takes_back ? 1 : -1;
}

bool IsSound(const AvoidanceRow& avoidance, const Posting& posting) {
  const bool ordering = posting.side == ledger::v1::SIDE_ORDERING;
  const std::int64_t share = ordering ? OrderingShare(avoidance.cents) : SourceShare(avoidance.cents);
  return posting.cents == SignOf(posting) * share && posting.exams == SignOf(posting);
}

// Of what states something when it happens, and not in an aggregate; dates of what ended an avoidance may be corrected later.
bool HasItsMonth(const AvoidanceRow& avoidance, const Posting& posting) {
  if (posting.sequence % 2 != 0 || !posting.aggregate_month.empty()) return true;
  if (posting.kind == ledger::v1::KIND_SOURCE_CREDITED) return posting.month == MonthOf(avoidance.t);
  return posting.kind != ledger::v1::KIND_AVOIDANCE_CONFIRMED || posting.month == MonthOf(avoidance.deadline);
}

bool AreInOrder(const std::vector<KnownState>& states) {
  for (std::size_t i = 0; i < states.size(); ++i) {
    const KnownState& state = states[i];
    if (state.known_from >= state.known_to || (state.standing == Standing::kOpen) == state.ended_at.has_value()) return false;
    if (i > 0 && states[i - 1].known_to > state.known_from) return false;
  }
  return true;
}

// Whether the postings are all that was called for when this was last planned.
bool IsPlanned(const KeptAvoidance& avoidance, const std::vector<KnownState>& states, const std::vector<Posting>& posted,
               absl::Time now) {
  // While it waits for the feeds it was not confirmed, whatever they said since; else they had passed, and a tenant that came
  // later takes nothing back.
  const absl::Time watermark = avoidance.feed_due ? absl::InfinitePast() : absl::InfiniteFuture();
  const auto nothing_at = [&](absl::Time moment, bool aggregates) {
    return PlanPostings(avoidance.row, states, posted, watermark, moment, aggregates).postings.empty();
  };
  const absl::Time latest = now + kClockSkew;
  if (avoidance.due && *avoidance.due <= latest) {
    // Either it became due later, or an aggregate was left for the next run.
    if (nothing_at(*avoidance.due - absl::Milliseconds(1), true) || nothing_at(*avoidance.due, false)) return true;
  }
  return nothing_at(now, true) || nothing_at(latest, true);
}

}  // namespace

std::vector<std::string> JudgeAvoidance(const KeptAvoidance& avoidance, const std::vector<KnownState>& states,
                                        const std::vector<Posting>& posted, absl::Time now) {
  std::vector<std::string> wrong;
  const AvoidanceRow& row = avoidance.row;
  if (avoidance.month != MonthOf(row.t)) wrong.push_back("has another month than its acceptance");
  if (avoidance.feed_due && *avoidance.feed_due != row.deadline)
    wrong.push_back("waits for the feeds until another time than its window's end");
  if (!std::all_of(posted.begin(), posted.end(), [&row](const Posting& posting) { return IsSound(row, posting); }))
    wrong.push_back("has other cents than its postings");
  if (!std::all_of(posted.begin(), posted.end(), [&row](const Posting& posting) { return HasItsMonth(row, posting); }))
    wrong.push_back("happened in another month than its postings say");
  if (!AreInOrder(states))
    wrong.push_back("has states that contradict each other");
  else if (!IsPlanned(avoidance, states, posted, now))
    wrong.push_back("has states from which other postings follow than there are");
  return wrong;
}

absl::StatusOr<std::vector<ledger::Finding>> AuditFigures(const tenants::Database& network_database, bool simulated_time,
                                                          const std::string& governance_origin) {
  struct Read {
    KeptAvoidance avoidance;
    std::vector<KnownState> states;
    std::vector<Posting> posted;
  };
  std::vector<Read> all;
  std::vector<AcceptanceEntry> ambiguous;
  absl::Status status = network_database.Read([&](ReadTransaction& transaction) -> absl::Status {
    all.clear();
    std::string last;
    while (true) {
      std::vector<KeptAvoidance> page = ReadKept(transaction, last, kRowsPerRound);
      if (page.empty()) break;
      std::vector<std::string> ids;
      for (const KeptAvoidance& avoidance : page) ids.push_back(avoidance.row.avoidance_id);
      auto states = ReadStates(transaction, ids);
      auto posted = ReadPostings(transaction, ids);
      last = ids.back();
      for (std::size_t i = 0; i < page.size(); ++i)
        all.push_back({std::move(page[i]), std::move(states[ids[i]]), std::move(posted[ids[i]])});
    }
    ambiguous = ReadAmbiguousAcceptances(transaction);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  // After the rows: no row knows of a later time or of a tenant that came later.
  const auto clock = tenants::NetworkClock::Create(network_database, simulated_time);
  if (!clock.ok()) return clock.status();
  const absl::Time now = (*clock)->Now();
  tenants::Registry registry(network_database);
  if (status = registry.Load(); !status.ok()) return status;

  std::vector<ledger::Finding> findings;
  const auto add = [&](const std::string& tenant, std::int64_t index, std::string message) {
    const auto known = registry.FindByName(tenant);
    findings.push_back({known ? known->origin : governance_origin, LeafAt(index), std::move(message)});
  };
  for (const Read& read : all) {
    const AvoidanceRow& row = read.avoidance.row;
    const std::string name = absl::StrCat("avoidance ", HexEncode(row.avoidance_id), " of the savings projection ");
    for (const std::string& tenant : {row.ordering_tenant, row.source_tenant})
      if (!registry.FindByName(tenant))
        add(row.ordering_tenant, row.acceptance_index, name + "names a tenant that is not in the registry");
    for (const std::string& wrong : JudgeAvoidance(read.avoidance, read.states, read.posted, now))
      add(row.ordering_tenant, row.acceptance_index, name + wrong);
  }
  for (const AcceptanceEntry& entry : ambiguous)
    add(entry.ordering_tenant, entry.entry_index, "the savings projection has several avoidances of this acceptance");
  return findings;
}

}  // namespace custodian::savings

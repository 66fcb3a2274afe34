#include "services/savings/timeline.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "services/exchange/correction.h"
#include "services/exchange/fhir_json.h"
#include "services/exchange/fhir_time.h"

namespace custodian::savings {
namespace {

using exchange::Exam;
using exchange::OpenedRecord;

// T6: the key within one person.
using Key = std::pair<std::string, std::string>;

class Replay {
 public:
  Replay(const Evidence& evidence, const ExamsFunction& exams_of, const ZoneFunction& zone_of)
      : evidence_(evidence), exams_of_(exams_of), zone_of_(zone_of), states_(evidence.acceptances.size()), withdrawn_(evidence.acceptances.size()) {
    for (std::size_t i = 0; i < evidence.acceptances.size(); ++i) {
      const Acceptance& acceptance = evidence.acceptances[i];
      keys_[{acceptance.class_id, acceptance.laterality}].push_back(i);
    }
  }

  std::vector<std::vector<KnownState>> Run() {
    if (evidence_.acceptances.empty()) return std::move(states_);
    CollectTimes();
    while (!times_.empty()) {
      const absl::Time now = *times_.begin();
      times_.erase(times_.begin());
      LookAt(now);
      for (const auto& [key, members] : keys_) EvaluateKey(members, now);
    }
    return std::move(states_);
  }

 private:
  // Nothing is an avoidance before the first acceptance is known.
  void CollectTimes() {
    absl::Time first = absl::InfiniteFuture();
    for (const Acceptance& a : evidence_.acceptances) first = std::min(first, KnownAt(a.t, a.arrived));
    const auto add = [&](absl::Time known) { times_.insert(std::max(known, first)); };
    for (const Acceptance& a : evidence_.acceptances) {
      add(KnownAt(a.t, a.arrived));
      if (a.withdrawn_at) add(KnownAt(*a.withdrawn_at, a.withdrawal_arrived));
      if (a.unlinked_at) add(KnownAt(*a.unlinked_at, a.unlink_arrived));
      for (const Redo& redo : a.known_redos) add(KnownAt(redo.performed_begin, redo.arrived));
    }
    for (const Censoring& gap : evidence_.gaps) add(KnownAt(gap.from, gap.arrived));
    for (const OpenedRecord& record : evidence_.history) add(record.arrived);
  }

  // Exams and deaths as known by `now`. What lies in the future of `now` is looked at again when it has happened.
  void LookAt(absl::Time now) {
    std::vector<const OpenedRecord*> known;
    for (const OpenedRecord& record : evidence_.history) {
      if (record.arrived <= now) known.push_back(&record);
    }
    for (const Acceptance& a : evidence_.acceptances) exams_.try_emplace(a.tenant);
    if (known.size() == seen_) return;
    seen_ = known.size();
    for (auto& [ordering_tenant, exams] : exams_) {
      exams = exams_of_(known, ordering_tenant);
      for (const Exam& exam : exams) {
        if (exam.performed && exam.performed_begin > now) times_.insert(exam.performed_begin);
      }
    }
    FindDeaths(known);
    FindWithdrawnPriors(known);
    for (const Censoring& death : deaths_) {
      if (death.from > now) times_.insert(death.from);
    }
  }

  // By the newest version of each Patient; a death without a time counts from when it was first said.
  void FindDeaths(const std::vector<const OpenedRecord*>& known) {
    std::map<std::pair<std::string_view, std::string_view>, std::vector<const OpenedRecord*>> patients;
    for (const OpenedRecord* record : known) {
      if (record->resource_type == "Patient") patients[{record->tenant_name, record->id}].push_back(record);
    }
    deaths_.clear();
    for (auto& [name, versions] : patients) {
      std::sort(versions.begin(), versions.end(), [](const auto* a, const auto* b) { return a->version < b->version; });
      std::optional<Censoring> death;
      for (const OpenedRecord* version : versions) death = DeathIn(*version, death);
      if (death) deaths_.push_back(*std::move(death));
    }
  }

  // By the newest version of each prior; withdrawn since the first of the versions at its end that say so.
  void FindWithdrawnPriors(const std::vector<const OpenedRecord*>& known) {
    withdrawn_.assign(evidence_.acceptances.size(), std::nullopt);
    for (std::size_t i = 0; i < evidence_.acceptances.size(); ++i) {
      const Acceptance& acceptance = evidence_.acceptances[i];
      std::vector<const OpenedRecord*> versions;
      for (const OpenedRecord* record : known)
        if (record->tenant_name == acceptance.source_tenant && record->resource_type + "/" + record->id == acceptance.source_resource)
          versions.push_back(record);
      std::sort(versions.begin(), versions.end(), [](const auto* a, const auto* b) { return a->version < b->version; });
      for (const OpenedRecord* version : versions) {
        const auto resource = exchange::ResourceOf(*version);
        const bool is_withdrawn = resource != nullptr && exchange::IsWithdrawn(*resource);
        withdrawn_[i] = !is_withdrawn ? std::nullopt : withdrawn_[i] ? withdrawn_[i] : std::optional(version->arrived);
      }
    }
  }

  // `before` is what the version before said.
  std::optional<Censoring> DeathIn(const OpenedRecord& record, const std::optional<Censoring>& before) const {
    const auto patient = exchange::ResourceOf(record);
    if (patient == nullptr) return before;
    const auto at = exchange::ParseFhirTime(patient->TextOf("deceasedDateTime"), zone_of_(record.tenant_name));
    if (at)
      return Censoring{.from = at->begin, .to = at->begin, .arrived = before ? before->arrived : record.arrived, .why = "death"};
    if (!(*patient)["deceasedBoolean"].boolean()) return std::nullopt;
    const absl::Time said = before ? before->arrived : record.arrived;
    return Censoring{.from = said, .to = said, .arrived = said, .why = "death"};
  }

  std::vector<Redo> RedosOf(const std::vector<std::size_t>& members) {
    std::vector<Redo> redos;
    std::set<std::string_view> done;
    for (const std::size_t i : members) {
      const Acceptance& acceptance = evidence_.acceptances[i];
      redos.insert(redos.end(), acceptance.known_redos.begin(), acceptance.known_redos.end());
      // Members of one tenant have one class, hence one table and reversal set.
      if (!done.insert(acceptance.tenant).second) continue;
      for (const Exam& exam : exams_.at(acceptance.tenant)) {
        if (!IsRedoKind(acceptance, exam)) continue;
        redos.push_back({.performing_tenant = exam.performing_tenant,
                         .performed_begin = exam.performed_begin,
                         .performed_end = exam.performed_end,
                         .arrived = exam.arrived,
                         .ordering_tenant = acceptance.tenant});
      }
    }
    return redos;
  }

  void EvaluateKey(const std::vector<std::size_t>& members, absl::Time now) {
    std::vector<Acceptance> acceptances;
    for (const std::size_t i : members) {
      acceptances.push_back(evidence_.acceptances[i]);
      acceptances.back().prior_withdrawn_at = withdrawn_[i];
    }
    std::vector<Censoring> censorings = evidence_.gaps;
    censorings.insert(censorings.end(), deaths_.begin(), deaths_.end());
    std::map<std::size_t, KnownState> known;
    for (const Avoidance& avoidance : Evaluate(acceptances, RedosOf(members), censorings, absl::InfinitePast(), now)) {
      KnownState state{
          .known_from = now, .why = avoidance.why, .reversed_by = avoidance.reversed_by_tenant, .ended_at = avoidance.ended_at};
      if (avoidance.state == State::kReversed) state.standing = Standing::kReversed;
      if (avoidance.state == State::kCensored) state.standing = Standing::kCensored;
      known.emplace(members[avoidance.acceptance], std::move(state));
    }
    for (const std::size_t i : members) {
      const auto state = known.find(i);
      Note(states_[i], state == known.end() ? nullptr : &state->second, now);
    }
  }

  // Ends the running state when it changes and begins the new one; null: no avoidance now.
  static void Note(std::vector<KnownState>& states, const KnownState* state, absl::Time now) {
    const bool running = !states.empty() && states.back().known_to == absl::InfiniteFuture();
    if (running && state) {
      KnownState same = *state;
      same.known_from = states.back().known_from;
      if (same == states.back()) return;
    }
    if (running) states.back().known_to = now;
    if (state) states.push_back(*state);
  }

  const Evidence& evidence_;
  const ExamsFunction& exams_of_;
  const ZoneFunction& zone_of_;
  std::map<Key, std::vector<std::size_t>> keys_;
  std::vector<std::vector<KnownState>> states_;
  std::set<absl::Time> times_;
  // As of the moment last looked at.
  std::size_t seen_ = 0;
  // By ordering tenant.
  std::map<std::string, std::vector<Exam>> exams_;
  std::vector<Censoring> deaths_;
  // Of each acceptance's prior.
  std::vector<std::optional<absl::Time>> withdrawn_;
};

}  // namespace

bool IsRedoKind(const Acceptance& acceptance, const exchange::Exam& exam) {
  const auto reverses = [&classes = acceptance.reversal_set](const std::string& class_id) {
    return std::find(classes.begin(), classes.end(), class_id) != classes.end();
  };
  return exam.performed && SideReverses(acceptance.laterality, exam.laterality) &&
         (reverses(exam.class_id) || std::any_of(exam.disputed_classes.begin(), exam.disputed_classes.end(), reverses));
}

std::vector<std::vector<KnownState>> Timeline(const Evidence& evidence, const ExamsFunction& exams_of,
                                              const ZoneFunction& zone_of) {
  return Replay(evidence, exams_of, zone_of).Run();
}

}  // namespace custodian::savings

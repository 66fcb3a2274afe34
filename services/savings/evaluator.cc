#include "services/savings/evaluator.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <set>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "services/exchange/fact.h"
#include "services/exchange/fhir_time.h"
#include "services/savings/poster.h"
#include "services/savings/prices.h"
#include "services/savings/savings_store.h"
#include "spdlog/spdlog.h"

namespace custodian::savings {
namespace {

using exchange::PatientLink;
using tenants::ReadTransaction;
using tenants::WriteTransaction;

constexpr int kRowsPerRound = 1'000;
constexpr int kAttemptsMax = 10;
constexpr char kPurpose[] = "savings";

}  // namespace

absl::StatusOr<absl::Time> SmallestWatermark(const tenants::Database& network_database, const tenants::Registry& registry,
                                             absl::Time as_of) {
  std::map<std::string, absl::Time> watermarks;
  const absl::Status read = network_database.Read([&](ReadTransaction& transaction) -> absl::Status {
    watermarks = ReadWatermarks(transaction, as_of);
    return absl::OkStatus();
  });
  if (!read.ok()) return read;
  absl::Time smallest = absl::InfiniteFuture();
  for (const tenants::Tenant& tenant : registry.Tenants()) {
    const auto found = watermarks.find(tenant.name);
    smallest = std::min(smallest, found == watermarks.end() ? absl::InfinitePast() : found->second);
  }
  return smallest;
}

// Who is being evaluated. A name is held while its evidence is read and its states are written, across calls to the key process,
// so it is a set with a condition and no lock.
class Evaluator::Turns {
 public:
  void Enter(const std::set<std::string>& names) {
    absl::MutexLock lock(&mutex_);
    const auto free = [this, &names]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return std::none_of(names.begin(), names.end(), [this](const std::string& name) {
        mutex_.AssertHeld();
        return held_.contains(name);
      });
    };
    mutex_.Await(absl::Condition(&free));
    held_.insert(names.begin(), names.end());
  }
  void Leave(const std::set<std::string>& names) {
    absl::MutexLock lock(&mutex_);
    for (const std::string& name : names) held_.erase(name);
  }

 private:
  absl::Mutex mutex_;
  std::set<std::string> held_ ABSL_GUARDED_BY(mutex_);
};

// A person's facts, opened.
struct Evaluator::Opened {
  std::vector<Acceptance> acceptances;
  // Of each card (tenant name, card id): its acceptance's position and its first withdrawal.
  std::map<std::pair<std::string, std::string>, std::size_t> cards;
  std::map<std::pair<std::string, std::string>, std::pair<absl::Time, absl::Time>> withdrawals;
};

Evaluator::Evaluator(Parts parts)
    : parts_(std::move(parts)),
      turns_(std::make_unique<Turns>()),
      poster_(std::make_unique<Poster>(parts_.partitions, parts_.network_database, parts_.sealer)) {}
Evaluator::~Evaluator() = default;

void Evaluator::Attach(tenants::Partition& partition) {
  const TenantId tenant = partition.tenant.id;
  partition.outbox->Handle("savings", [this, tenant](const PatientId& patient) { return EvaluatePerson({tenant, patient}); });
  partition.outbox->Handle("savings-feed", [this, tenant](const PatientId&) { return TakeFeed(tenant); });
  partition.outbox->Handle("savings-word", [this, tenant](const PatientId&) { return TakeWord(tenant); });
}

absl::StatusOr<bool> Evaluator::HasFacts(const std::vector<PatientLink>& person) const {
  for (const PatientLink& link : person) {
    const tenants::Partition* partition = parts_.partitions.FindById(link.tenant);
    if (!partition) return absl::UnavailableError(absl::StrCat("partition of tenant ", link.tenant.text(), " does not run here"));
    bool any = false;
    const absl::Status read = partition->database->ReadOne([&](ReadTransaction& transaction) -> absl::Status {
      any = !ReadFacts(transaction, link.patient).empty();
      return absl::OkStatus();
    });
    if (!read.ok()) return read;
    if (any) return true;
  }
  return false;
}

absl::Status Evaluator::EvaluatePerson(const PatientLink& patient) {
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    const auto person = parts_.locator.PersonOf(patient);
    if (!person.ok()) return person.status();
    const auto has_facts = HasFacts(*person);
    if (!has_facts.ok()) return has_facts.status();
    if (!*has_facts) return absl::OkStatus();

    std::set<std::string> names;
    for (const PatientLink& link : *person) names.insert(absl::StrCat(link.tenant.text(), "/", link.patient.hex()));
    turns_->Enter(names);
    const auto leave = absl::MakeCleanup([&] { turns_->Leave(names); });
    // Facts are read only now, so that whoever writes last has read all that the one before wrote; and the person must still be
    // the one whose turn this is.
    const auto again = parts_.locator.PersonOf(patient);
    if (!again.ok()) return again.status();
    if (*again != *person) continue;

    auto acceptances = OpenAcceptances(*person);
    if (!acceptances.ok()) return acceptances.status();
    auto evidence = Gather(*person, *std::move(acceptances));
    if (!evidence.ok()) return evidence.status();
    if (evidence->acceptances.empty()) return absl::OkStatus();

    std::map<std::string, std::vector<std::shared_ptr<const exchange::ExamTable>>, std::less<>> tables;
    for (const Acceptance& acceptance : evidence->acceptances) {
      auto of_tenant = TablesOf(acceptance.tenant);
      if (!of_tenant.ok()) return of_tenant.status();
      tables.emplace(acceptance.tenant, *std::move(of_tenant));
    }
    const ExamsFunction exams_of = [&](const std::vector<const exchange::OpenedRecord*>& records, std::string_view ordering_tenant) {
      std::vector<exchange::Exam> exams;
      for (const auto& table : tables.find(ordering_tenant)->second) {
        auto recognised = exchange::CarriedOut(records, *table, parts_.registry);
        std::move(recognised.begin(), recognised.end(), std::back_inserter(exams));
      }
      return exams;
    };
    if (absl::Status status = Recall(*person, exams_of, *evidence); !status.ok()) return status;
    const auto timeline = Timeline(*evidence, exams_of, [&](std::string_view name) {
      const auto found = parts_.registry.FindByName(name);
      return exchange::ZoneOf(found ? found->time_zone : "UTC");
    });
    if (absl::Status status = Project(evidence->acceptances, timeline); !status.ok()) return status;
    std::vector<std::string> ids;
    for (const Acceptance& acceptance : evidence->acceptances) ids.push_back(*HexDecode(acceptance.avoidance_id));
    return poster_->Post(&ids);
  }
  return absl::AbortedError("a person's links kept changing while savings were evaluated");
}

absl::Status Evaluator::OpenFacts(const PatientLink& patient, Opened& opened) {
  const tenants::Partition* partition = parts_.partitions.FindById(patient.tenant);
  if (!partition)
    return absl::UnavailableError(absl::StrCat("partition of tenant ", patient.tenant.text(), " does not run here"));
  std::vector<FactRow> rows;
  const absl::Status read = partition->database->ReadOne([&](ReadTransaction& transaction) -> absl::Status {
    rows = ReadFacts(transaction, patient.patient);
    return absl::OkStatus();
  });
  if (!read.ok()) return read;
  for (const FactRow& row : rows) {
    const keys::SealName name{.tenant = patient.tenant, .patient = patient.patient, .record = row.fact_id, .version = 1};
    const auto json = parts_.sealer.Open(name, row.sealed, kPurpose);
    if (!json.ok()) return json.status();
    auto fact = exchange::ParseFact(*json);
    if (!fact.ok()) return fact.status();
    const std::pair<std::string, std::string> card{partition->tenant.name, fact->card_id};
    if (fact->kind == exchange::Fact::Kind::kWithdrawal) {
      opened.withdrawals.emplace(card, std::pair(fact->t, row.arrived));
      continue;
    }
    // The first binds (T5).
    if (!opened.cards.emplace(card, opened.acceptances.size()).second) continue;
    const auto id = HexDecode(fact->avoidance_id);
    if (!id.ok() || id->size() != 16) return absl::DataLossError("a savings fact has no avoidance id");
    opened.acceptances.push_back({.tenant = partition->tenant.name,
                                  .order = std::move(fact->order),
                                  .avoidance_id = std::move(fact->avoidance_id),
                                  .class_id = std::move(fact->class_id),
                                  .modality = std::move(fact->modality),
                                  .laterality = std::move(fact->laterality),
                                  .source_tenant = std::move(fact->source_tenant),
                                  .source_resource = std::move(fact->source_resource),
                                  .t = fact->t,
                                  .observe = absl::ZeroDuration(),
                                  .reversal_set = {},
                                  .cents = 0,
                                  .entry_index = row.entry_index,
                                  .arrived = row.arrived,
                                  .withdrawn_at = std::nullopt,
                                  .withdrawal_arrived = {},
                                  .unlinked_at = std::nullopt,
                                  .unlink_arrived = {}});
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Acceptance>> Evaluator::OpenAcceptances(const std::vector<PatientLink>& person) {
  Opened opened;
  for (const PatientLink& link : person) {
    if (absl::Status status = OpenFacts(link, opened); !status.ok()) return status;
  }
  for (const auto& [card, withdrawal] : opened.withdrawals) {
    const auto found = opened.cards.find(card);
    if (found == opened.cards.end()) continue;
    opened.acceptances[found->second].withdrawn_at = withdrawal.first;
    opened.acceptances[found->second].withdrawal_arrived = withdrawal.second;
  }
  if (absl::Status status = Price(opened.acceptances); !status.ok()) return status;
  return std::move(opened.acceptances);
}

// The tenant's own first, then the network's where that is another.
absl::StatusOr<std::vector<std::shared_ptr<const exchange::ExamTable>>> Evaluator::TablesOf(const std::string& tenant_name) const {
  const auto tenant = parts_.registry.FindByName(tenant_name);
  if (!tenant) return absl::FailedPreconditionError("an acceptance's tenant is not in the registry");
  auto own = parts_.exam_tables.Get(tenant->id.text());
  if (!own.ok()) return own.status();
  auto network = parts_.exam_tables.Get("");
  if (!network.ok() && !absl::IsNotFound(network.status())) return network.status();
  std::vector<std::shared_ptr<const exchange::ExamTable>> tables{*std::move(own)};
  if (network.ok()) tables.push_back(*std::move(network));
  return tables;
}

// Window, reversal set and cents. What was once priced stays so, whatever the tables say later.
absl::Status Evaluator::Price(std::vector<Acceptance>& acceptances) {
  std::vector<std::string> ids;
  for (const Acceptance& acceptance : acceptances) ids.push_back(*HexDecode(acceptance.avoidance_id));
  std::map<std::string, AvoidanceRow> priced;
  const absl::Status read = parts_.network_database.Read([&](ReadTransaction& transaction) -> absl::Status {
    priced = ReadAvoidances(transaction, ids);
    return absl::OkStatus();
  });
  if (!read.ok()) return read;
  for (std::size_t i = 0; i < acceptances.size(); ++i) {
    Acceptance& acceptance = acceptances[i];
    const auto tenant = parts_.registry.FindByName(acceptance.tenant);
    if (!tenant) return absl::FailedPreconditionError("an acceptance's tenant is not in the registry");
    const auto tables = TablesOf(acceptance.tenant);
    if (!tables.ok()) return tables.status();
    const exchange::ExamClass* exam_class = nullptr;
    std::set<std::string> reversal_set;
    for (const auto& table : *tables) {
      const exchange::ExamClass* found = table->Find(acceptance.class_id);
      if (found == nullptr) continue;
      if (exam_class == nullptr) exam_class = found;
      // A tenant may narrow what it offers, never what reverses.
      reversal_set.insert(found->reversal_set.begin(), found->reversal_set.end());
    }
    if (!exam_class)
      return absl::FailedPreconditionError(absl::StrCat("the exam table has no class ", acceptance.class_id, " any more"));
    acceptance.reversal_set.assign(reversal_set.begin(), reversal_set.end());
    if (const auto found = priced.find(ids[i]); found != priced.end()) {
      acceptance.observe = found->second.deadline - found->second.t;
      acceptance.cents = found->second.cents;
      continue;
    }
    acceptance.observe = exam_class->observe;
    const auto prices_csv = parts_.current_table("prices", tenant->id.text());
    if (!prices_csv.ok() && !absl::IsNotFound(prices_csv.status())) return prices_csv.status();
    std::optional<std::int64_t> cents;
    if (prices_csv.ok()) {
      const auto prices = PriceTable::Parse(*prices_csv);
      if (!prices.ok()) return prices.status();
      cents = prices->CentsAt(acceptance.class_id, acceptance.t);
    }
    if (!cents) {
      spdlog::warn("savings: tenant {} has no price of {} at the time of an acceptance: the exam counts, with 0 cents",
                   tenant->name, acceptance.class_id);
    }
    acceptance.cents = cents.value_or(0);
  }
  return absl::OkStatus();
}

absl::StatusOr<Evidence> Evaluator::Gather(const std::vector<PatientLink>& person, std::vector<Acceptance> acceptances) {
  Evidence evidence{.acceptances = std::move(acceptances), .history = {}, .gaps = {}};
  if (evidence.acceptances.empty()) return evidence;
  for (const PatientLink& link : person) {
    auto history = parts_.records.OpenHistory(link, kPurpose);
    if (!history.ok()) return history.status();
    std::move(history->begin(), history->end(), std::back_inserter(evidence.history));
  }
  absl::Time from = absl::InfiniteFuture();
  absl::Time to = absl::InfinitePast();
  for (const Acceptance& acceptance : evidence.acceptances) {
    from = std::min(from, acceptance.t);
    to = std::max(to, acceptance.t + acceptance.observe);
  }
  const absl::Status read = parts_.network_database.Read([&](ReadTransaction& transaction) -> absl::Status {
    evidence.gaps = ReadGaps(transaction, from, to);
    return absl::OkStatus();
  });
  if (!read.ok()) return read;
  return evidence;
}

namespace {

// Whether the charts that the person still has told of the redo that made `state`, at the moment it was known: then they say, too, what became
// of it.
bool IsToldBy(const std::vector<exchange::OpenedRecord>& history, const ExamsFunction& exams_of, const Acceptance& acceptance,
              const KnownState& state) {
  std::vector<const exchange::OpenedRecord*> known;
  for (const exchange::OpenedRecord& record : history)
    if (record.arrived <= state.known_from) known.push_back(&record);
  const std::vector<exchange::Exam> exams = exams_of(known, acceptance.tenant);
  return std::any_of(exams.begin(), exams.end(), [&](const exchange::Exam& exam) {
    return IsRedoKind(acceptance, exam) && exam.performing_tenant == state.reversed_by && exam.performed_begin <= *state.ended_at &&
           *state.ended_at < exam.performed_end;
  });
}

// A prior that lies in none of the person's charts is somebody else's: its tenant is linked no more, or a merge was undone while the tenant keeps
// another chart of the person. Acceptances of before priors were named are judged by the tenant alone.
bool IsLinked(const Acceptance& acceptance, const std::set<std::string>& tenants, const std::vector<exchange::OpenedRecord>& history) {
  if (!tenants.contains(acceptance.source_tenant)) return false;
  if (acceptance.source_resource.empty()) return true;
  return std::any_of(history.begin(), history.end(), [&](const exchange::OpenedRecord& record) {
    return record.tenant_name == acceptance.source_tenant && absl::StrCat(record.resource_type, "/", record.id) == acceptance.source_resource;
  });
}

}  // namespace

// Unlinks, and what was known through charts that are gone (T8): their records say nothing any more, what followed from them stays
// in the projection.
absl::Status Evaluator::Recall(const std::vector<PatientLink>& person, const ExamsFunction& exams_of, Evidence& evidence) const {
  std::set<std::string> linked;
  for (const PatientLink& link : person) {
    if (const tenants::Partition* partition = parts_.partitions.FindById(link.tenant)) linked.insert(partition->tenant.name);
  }
  std::vector<std::string> ids;
  for (const Acceptance& acceptance : evidence.acceptances) ids.push_back(*HexDecode(acceptance.avoidance_id));
  std::map<std::string, std::vector<KnownState>> stored;
  const absl::Status read = parts_.network_database.Read([&](ReadTransaction& transaction) -> absl::Status {
    stored = ReadStates(transaction, ids);
    return absl::OkStatus();
  });
  if (!read.ok()) return read;
  const absl::Time now = parts_.network_clock.Now();
  for (std::size_t i = 0; i < evidence.acceptances.size(); ++i) {
    Acceptance& acceptance = evidence.acceptances[i];
    const std::vector<KnownState>& states = stored[ids[i]];
    for (auto state = states.begin(); state != states.end(); ++state) {
      if (state->standing != Standing::kReversed || !state->ended_at) continue;
      if (state->why == "unlink" && !acceptance.unlinked_at) {
        acceptance.unlinked_at = state->ended_at;
        acceptance.unlink_arrived = state->known_from;
      }
      // One that its tenant took back while it was linked is followed by what it left open.
      const auto next = std::next(state);
      const bool taken_back = next != states.end() && next->standing != Standing::kReversed;
      if (state->why != "redo" || taken_back || IsToldBy(evidence.history, exams_of, acceptance, *state)) continue;
      acceptance.known_redos.push_back({.performing_tenant = state->reversed_by,
                                        .performed_begin = *state->ended_at,
                                        // A day that began before t ended at t.
                                        .performed_end = *state->ended_at + absl::Milliseconds(2),
                                        .arrived = state->known_from});
    }
    if (!acceptance.unlinked_at && !IsLinked(acceptance, linked, evidence.history)) {
      acceptance.unlinked_at = now;
      acceptance.unlink_arrived = now;
    }
  }
  return absl::OkStatus();
}

absl::Status Evaluator::Project(const std::vector<Acceptance>& acceptances,
                                const std::vector<std::vector<KnownState>>& timeline) {
  const absl::Time now = parts_.network_clock.Now();
  const auto watermark = SmallestWatermark(parts_.network_database, parts_.registry, now);
  if (!watermark.ok()) return watermark.status();
  std::vector<std::string> ids;
  for (const Acceptance& acceptance : acceptances) ids.push_back(*HexDecode(acceptance.avoidance_id));
  return parts_.network_database.Write([&](WriteTransaction& transaction) -> absl::Status {
    for (std::size_t i = 0; i < acceptances.size(); ++i) {
      const Acceptance& acceptance = acceptances[i];
      if (timeline[i].empty()) continue;
      InsertAvoidance(transaction, {.avoidance_id = ids[i],
                                    .ordering_tenant = acceptance.tenant,
                                    .source_tenant = acceptance.source_tenant,
                                    .class_id = acceptance.class_id,
                                    .modality = acceptance.modality,
                                    .cents = acceptance.cents,
                                    .t = acceptance.t,
                                    .deadline = acceptance.t + acceptance.observe,
                                    .acceptance_index = acceptance.entry_index});
    }
    LockAvoidances(transaction, ids);
    const auto avoidances = ReadAvoidances(transaction, ids);
    auto stored = ReadStates(transaction, ids);
    const auto posted = ReadPostings(transaction, ids);
    for (std::size_t i = 0; i < acceptances.size(); ++i) {
      const auto avoidance = avoidances.find(ids[i]);
      if (avoidance == avoidances.end()) continue;
      if (stored[ids[i]] != timeline[i]) ReplaceStates(transaction, ids[i], timeline[i]);
      const auto before = posted.find(ids[i]);
      const PostingPlan plan =
          PlanPostings(avoidance->second, timeline[i], before == posted.end() ? std::vector<Posting>() : before->second,
                       *watermark, now, /*aggregates=*/false);
      for (const Posting& posting : plan.postings) InsertPosting(transaction, ids[i], posting, 0);
      SetDue(transaction, ids[i], plan.due, plan.feed_due);
    }
    return absl::OkStatus();
  });
}

template <typename Row>
absl::Status Evaluator::CopyRows(const tenants::Partition& partition, std::int64_t (*last_index)(ReadTransaction&, const std::string&),
                                 std::vector<Row> (*read)(ReadTransaction&, std::int64_t, int),
                                 void (*insert)(WriteTransaction&, const std::string&, const std::vector<Row>&)) {
  const std::string& name = partition.tenant.name;
  while (true) {
    std::int64_t last = -1;
    absl::Status status = parts_.network_database.Read([&](ReadTransaction& transaction) -> absl::Status {
      last = last_index(transaction, name);
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
    std::vector<Row> rows;
    status = partition.database->Read([&](ReadTransaction& transaction) -> absl::Status {
      rows = read(transaction, last, kRowsPerRound);
      return absl::OkStatus();
    });
    if (!status.ok() || rows.empty()) return status;
    status = parts_.network_database.Write([&](WriteTransaction& transaction) -> absl::Status {
      insert(transaction, name, rows);
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
  }
}

absl::Status Evaluator::TakeWord(const TenantId& tenant) {
  const tenants::Partition* partition = parts_.partitions.FindById(tenant);
  if (!partition) return absl::UnavailableError(absl::StrCat("partition of tenant ", tenant.text(), " does not run here"));
  return CopyRows(*partition, LastWordIndex, ReadTenantsWord, InsertTenantsWord);
}

absl::Status Evaluator::TakeFeed(const TenantId& tenant) {
  const tenants::Partition* partition = parts_.partitions.FindById(tenant);
  if (!partition) return absl::UnavailableError(absl::StrCat("partition of tenant ", tenant.text(), " does not run here"));
  absl::Status status = CopyRows(*partition, LastFeedIndex, ReadFeed, InsertFeed);
  if (!status.ok()) return status;
  // Not only the gaps just copied: a crash may have come between copying one and what follows from it.
  std::map<std::string, std::vector<std::int64_t>> touched;
  status = parts_.network_database.Read([&](ReadTransaction& transaction) -> absl::Status {
    for (const AcceptanceEntry& entry : ReadOpenInGaps(transaction)) touched[entry.ordering_tenant].push_back(entry.entry_index);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  for (const auto& [ordering_tenant, entries] : touched) {
    const tenants::Partition* ordering = parts_.partitions.FindByName(ordering_tenant);
    if (!ordering) return absl::UnavailableError(absl::StrCat("partition of tenant ", ordering_tenant, " does not run here"));
    absl::StatusOr<std::vector<PatientId>> patients;
    status = ordering->database->Read([&](ReadTransaction& transaction) -> absl::Status {
      patients = ReadPatientsOfEntries(transaction, entries);
      return patients.status();
    });
    if (!status.ok()) return status;
    for (const PatientId& patient : *patients) {
      if (status = EvaluatePerson({ordering->tenant.id, patient}); !status.ok()) return status;
    }
  }
  return Settle();
}

absl::Status Evaluator::Settle() {
  // One planner of aggregates at a time, so that a month's redos make one.
  const std::set<std::string> turn = {"aggregates"};
  turns_->Enter(turn);
  const auto leave = absl::MakeCleanup([&] { turns_->Leave(turn); });
  if (absl::Status status = PlanDue(); !status.ok()) return status;
  if (absl::Status status = poster_->Post(nullptr); !status.ok()) return status;
  return poster_->PostAggregates();
}

absl::Status Evaluator::PlanDue() {
  const absl::Time now = parts_.network_clock.Now();
  const auto watermark = SmallestWatermark(parts_.network_database, parts_.registry, now);
  if (!watermark.ok()) return watermark.status();
  while (true) {
    std::vector<std::string> ids;
    const absl::Status status = parts_.network_database.Write([&](WriteTransaction& transaction) -> absl::Status {
      ids = ReadDue(transaction, now, *watermark, kRowsPerRound);
      if (ids.empty()) return absl::OkStatus();
      LockAvoidances(transaction, ids);
      const auto avoidances = ReadAvoidances(transaction, ids);
      auto states = ReadStates(transaction, ids);
      auto posted = ReadPostings(transaction, ids);
      std::map<std::pair<std::string, std::string>, std::int64_t> numbers;
      for (const auto& [id, avoidance] : avoidances) {
        const PostingPlan plan = PlanPostings(avoidance, states[id], posted[id], *watermark, now, /*aggregates=*/true);
        for (const Posting& posting : plan.postings) {
          std::int64_t number = 0;
          if (!posting.aggregate_month.empty()) {
            const auto [slot, is_new] = numbers.try_emplace({posting.log_tenant, posting.aggregate_month});
            if (is_new) slot->second = NextAggregateNumber(transaction, posting.log_tenant, posting.aggregate_month);
            number = slot->second;
          }
          InsertPosting(transaction, id, posting, number);
        }
        SetDue(transaction, id, plan.due, plan.feed_due);
      }
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
    if (ids.size() < static_cast<std::size_t>(kRowsPerRound)) return absl::OkStatus();
  }
}

}  // namespace custodian::savings

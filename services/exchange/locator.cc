#include "services/exchange/locator.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/exchange/fhir_json.h"
#include "services/exchange/locator_store.h"
#include "spdlog/spdlog.h"

namespace custodian::exchange {
namespace {

// Raised with each change of how persons are judged (matching, match_weights, agreement): what was kept by other rules is judged again.
constexpr char kRules[] = "rules 7\n";

// For what a tenant is told of likeness: how many bear a name, at all tenants together, would tell it who is registered elsewhere.
absl::StatusOr<NameCount> UncountedName(const LocatedPatient&) { return NameCount(); }

// The rows as a source of candidates, each name and birth date counted once.
MatchSource SourceOf(LocatorRows& rows, std::map<std::vector<std::int64_t>, NameCount>& counted) {
  MatchSource source;
  source.candidates = [&rows](const std::vector<LocatedPatient>& of,
                              MatchDecisions& decisions) -> absl::StatusOr<std::vector<LocatedPatient>> {
    auto found = rows.Candidates(of);
    if (!found.ok()) return found;
    auto decided = rows.Decided(of, decisions);
    if (!decided.ok()) return decided;
    std::move(decided->begin(), decided->end(), std::back_inserter(*found));
    return found;
  };
  source.count = [&rows, &counted](const LocatedPatient& patient) -> absl::StatusOr<NameCount> {
    std::vector<std::int64_t> asked = patient.name_keys;
    for (const std::int64_t key : NamesBirthKeys(patient)) asked.push_back(key);
    const auto known = counted.find(asked);
    if (known != counted.end()) return known->second;
    auto count = rows.Count(patient);
    if (count.ok()) counted.emplace(std::move(asked), *count);
    return count;
  };
  return source;
}

struct Judged {
  MatchedPatients among;
  PersonJudgement judgement;
};

absl::StatusOr<Judged> Judge(const LocatedPatient& patient, LocatorRows& rows, const MatchWeights& weights) {
  std::map<std::vector<std::int64_t>, NameCount> counted;
  const MatchSource source = SourceOf(rows, counted);
  auto among = Gather(patient, source, weights);
  if (!among.ok()) return among.status();
  auto judgement = CertainlySame(patient.link, *among, weights, source.count);
  if (!judgement.ok()) return judgement.status();
  return Judged{*std::move(among), *std::move(judgement)};
}

bool SameRow(const LocatedPatient& a, const LocatedPatient& b) {
  return a.fields == b.fields && a.marks == b.marks && a.keys == b.keys && a.name_keys == b.name_keys;
}

void AddLinks(const MatchedPatients& among, std::set<PatientLink>& links) {
  for (const LocatedPatient& patient : among.patients) links.insert(patient.link);
}

// Everyone who is connected with one of these now.
absl::StatusOr<std::set<PatientLink>> ConnectedWith(const std::set<PatientLink>& patients, LocatorRows& rows, const MatchWeights& weights) {
  std::set<PatientLink> connected = patients;
  for (const PatientLink& one : patients) {
    const auto row = rows.Find(one);
    if (!row.ok()) return row.status();
    if (!*row) continue;
    const auto judged = Judge(**row, rows, weights);
    if (!judged.ok()) return judged.status();
    AddLinks(judged->among, connected);
  }
  return connected;
}

// Those gathered, and of their twins those whom an initial or a mistyped nickname may join to somebody: less is certain of them with these than
// without. The twins are not judged, for everyone of one surname and birth date is among them.
absl::Status AddConcerned(const MatchedPatients& among, LocatorRows& rows, std::set<PatientLink>& concerned) {
  AddLinks(among, concerned);
  const auto with_twins = rows.JoinedUnlessTwin(among.twins);
  if (!with_twins.ok()) return with_twins.status();
  concerned.insert(with_twins->begin(), with_twins->end());
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<LocatedPatient> LocatePatient(keys::KeyClient& keys, const PatientLink& patient, std::string_view patient_json) {
  const auto json = Json::Parse(patient_json);
  if (!json.ok()) return json.status();
  if (json->TextOf("resourceType") != "Patient") return absl::InvalidArgumentError("the locator takes Patients only");
  return Located(patient, LocatorValuesOf(ReadDemographics(*json)),
                 [&](std::span<const std::string> texts) -> absl::StatusOr<std::vector<std::string>> {
                   if (texts.empty()) return std::vector<std::string>();
                   return keys.LocatorTokens(patient.tenant, texts);
                 });
}

Locator::Locator(const tenants::Database& network_database, keys::KeyClient& keys, Options options)
    : database_(network_database),
      keys_(keys),
      options_(options),
      kept_persons_([this](const std::vector<PatientLink>& patients) { return LocatorStore(database_).KeptPersons(patients, InForce()->sha256); }) {
  SetWeights(MatchWeights::Shipped());
}

void Locator::SetWeights(const MatchWeights& weights) {
  auto governed = std::make_shared<const Governed>(Governed{weights, ledger::Sha256(absl::StrCat(kRules, weights.Csv()))});
  absl::MutexLock lock(&mutex_);
  weights_ = std::move(governed);
}

std::shared_ptr<const Locator::Governed> Locator::InForce() const {
  absl::MutexLock lock(&mutex_);
  return weights_;
}

std::shared_ptr<const MatchWeights> Locator::Weights() const {
  auto governed = InForce();
  return {governed, &governed->weights};
}

absl::Status Locator::Register(const PatientLink& patient, std::string_view patient_json) {
  const auto located = LocatePatient(keys_, patient, patient_json);
  if (!located.ok()) return located.status();
  const LocatorStore store(database_);
  const auto weights = Weights();
  // Most registrations say nothing new, and need not wait for others.
  bool known = false;
  const absl::Status read = store.ReadOne([&](LocatorRows& rows) -> absl::Status {
    const auto before = rows.Find(patient);
    if (!before.ok()) return before.status();
    known = before->has_value() && SameRow(**before, *located);
    return absl::OkStatus();
  });
  if (!read.ok() || known) return read;

  return store.Change([&](LocatorChanges& rows) -> absl::Status {
    std::set<PatientLink> concerned;
    bool vetoed_before = false;
    const auto before = rows.Find(patient);
    if (!before.ok()) return before.status();
    if (*before) {
      if (SameRow(**before, *located)) return absl::OkStatus();
      const auto judged = Judge(**before, rows, *weights);
      if (!judged.ok()) return judged.status();
      if (absl::Status added = AddConcerned(judged->among, rows, concerned); !added.ok()) return added;
      vetoed_before = !judged->judgement.vetoed_by.empty() && !(*before)->muted;
    }
    const auto judged = Judge(*located, rows, *weights);
    if (!judged.ok()) return judged.status();
    if (absl::Status added = AddConcerned(judged->among, rows, concerned); !added.ok()) return added;
    if (!judged->judgement.vetoed_by.contains(patient.tenant) || vetoed_before) {
      rows.Replace(*located, concerned, LocatorChanges::Veto::kNone);
      return absl::OkStatus();
    }
    auto own_matches = static_cast<std::size_t>(std::count_if(
        judged->among.patients.begin(), judged->among.patients.end(),
        [&patient](const LocatedPatient& other) { return other.link.tenant == patient.tenant; }));
    // This one is one too many of its tenant's.
    if (judged->among.too_many) own_matches = options_.namesakes_max + 1;
    const auto so_far = rows.VetoesOf(patient.tenant);
    if (!so_far.ok()) return so_far.status();
    const auto limit = std::max(options_.vetoes_max, static_cast<std::int64_t>(options_.vetoes_share_max * static_cast<double>(so_far->patients)));
    const bool muted = so_far->counted >= limit || own_matches > options_.namesakes_max;
    if (muted) spdlog::error("event=match_veto_muted alarm=true tenant={} vetoes={}", patient.tenant.text(), so_far->counted);
    rows.Replace(*located, concerned, muted ? LocatorChanges::Veto::kMuted : LocatorChanges::Veto::kCounted);
    return absl::OkStatus();
  });
}

namespace {

absl::StatusOr<std::vector<PatientLink>> JudgedFrom(LocatorRows& rows, const PatientLink& patient, const MatchWeights& weights) {
  const auto row = rows.Find(patient);
  if (!row.ok()) return row.status();
  if (!*row) return std::vector<PatientLink>{patient};
  auto judged = Judge(**row, rows, weights);
  if (!judged.ok()) return judged.status();
  return std::move(judged->judgement.same);
}

}  // namespace

absl::StatusOr<std::vector<PatientLink>> Locator::SamePerson(const PatientLink& patient) const {
  absl::StatusOr<std::vector<PatientLink>> same;
  const auto weights = Weights();
  const absl::Status read = LocatorStore(database_).Read([&](LocatorRows& rows) -> absl::Status {
    same = JudgedFrom(rows, patient, *weights);
    return same.status();
  });
  if (!read.ok()) return read;
  return same;
}

absl::StatusOr<std::vector<PatientLink>> Locator::PersonOf(const PatientLink& patient) const {
  auto kept = kept_persons_.Find(patient);
  if (!kept.ok()) return kept.status();
  if (*kept) return **std::move(kept);
  return JudgePerson(patient);
}

absl::StatusOr<std::vector<PatientLink>> Locator::JudgePerson(const PatientLink& patient) const {
  const auto governed = InForce();
  auto kept = LocatorStore(database_).KeepPerson(patient, governed->sha256,
                                                 [&](LocatorRows& rows) { return JudgedFrom(rows, patient, governed->weights); });
  if (kept.ok() && *kept) return **std::move(kept);
  // Without keeping: somebody registers just now, or the database takes no writes.
  return SamePerson(patient);
}

absl::Status Locator::FollowChanges(const PatientLink& cause,
                                    const std::function<absl::Status(const PatientLink&)>& follow) const {
  const LocatorStore store(database_);
  const auto changed = store.Changed(cause);
  if (!changed.ok()) return changed.status();
  for (const PatientLink& link : *changed) {
    if (absl::Status status = follow(link); !status.ok()) return status;
    // Judged now, unless `follow` did.
    if (const auto judged = PersonOf(link); !judged.ok()) return judged.status();
    if (absl::Status status = store.Forget(cause, link); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Locator::Candidate>> Locator::Candidates(const TenantId& tenant, std::string_view patient_json) const {
  const auto located = LocatePatient(keys_, {tenant, PatientId()}, patient_json);
  if (!located.ok()) return located.status();
  std::vector<Candidate> candidates;
  const auto weights = Weights();
  const absl::Status read = LocatorStore(database_).Read([&](LocatorRows& rows) -> absl::Status {
    const auto found = rows.CandidatesAt(tenant, *located);
    if (!found.ok()) return found.status();
    for (const LocatedPatient& candidate : *found) {
      const auto match = CountedMatchOf(*located, candidate, *weights, UncountedName);
      if (!match.ok()) return match.status();
      if (match->grade != MatchGrade::kNone) candidates.push_back({candidate.link.patient, *match});
    }
    return absl::OkStatus();
  });
  if (!read.ok()) return read;
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Candidate& a, const Candidate& b) { return a.match.score > b.match.score; });
  return candidates;
}

absl::StatusOr<std::vector<Locator::Doubt>> Locator::Doubts(const PatientLink& patient) const {
  std::vector<Doubt> doubts;
  const auto weights = Weights();
  const absl::Status read = LocatorStore(database_).Read([&](LocatorRows& rows) -> absl::Status {
    const auto row = rows.Find(patient);
    if (!row.ok()) return row.status();
    if (!*row) return absl::OkStatus();
    const auto judged = Judge(**row, rows, *weights);
    if (!judged.ok()) return judged.status();
    const auto found = rows.Candidates({**row});
    if (!found.ok()) return found.status();
    MatchDecisions decisions;
    if (const auto decided = rows.Decided({**row}, decisions); !decided.ok()) return decided.status();
    const std::vector<PatientLink>& same = judged->judgement.same;
    for (const LocatedPatient& candidate : *found) {
      if (std::binary_search(same.begin(), same.end(), candidate.link)) continue;
      const std::pair<PatientLink, PatientLink> pair = std::minmax(patient, candidate.link);
      if (decisions.unlinked.contains(pair) || decisions.linked.contains(pair)) continue;
      const auto match = CountedMatchOf(**row, candidate, *weights, UncountedName);
      if (!match.ok()) return match.status();
      if (match->grade == MatchGrade::kProbable || match->grade == MatchGrade::kCertain) doubts.push_back({candidate.link, *match});
    }
    return absl::OkStatus();
  });
  if (!read.ok()) return read;
  std::stable_sort(doubts.begin(), doubts.end(), [](const Doubt& a, const Doubt& b) { return a.match.score > b.match.score; });
  return doubts;
}

absl::StatusOr<bool> Locator::MayBeSame(const PatientLink& a, const PatientLink& b) const {
  bool may = false;
  const auto weights = Weights();
  const absl::Status read = LocatorStore(database_).Read([&](LocatorRows& rows) -> absl::Status {
    const auto one = rows.Find(a), other = rows.Find(b);
    if (!one.ok()) return one.status();
    if (!other.ok()) return other.status();
    if (!*one || !*other || a == b) return absl::OkStatus();
    std::map<std::vector<std::int64_t>, NameCount> counted;
    const auto match = CountedMatchOf(**one, **other, *weights, SourceOf(rows, counted).count);
    if (!match.ok()) return match.status();
    may = match->grade == MatchGrade::kProbable || match->grade == MatchGrade::kCertain;
    return absl::OkStatus();
  });
  if (!read.ok()) return read;
  return may;
}

absl::StatusOr<std::vector<PatientLink>> Locator::PatientsOf(const TenantId& tenant, std::string_view after, int limit) const {
  std::vector<PatientLink> links;
  const absl::Status read = LocatorStore(database_).Read([&](LocatorRows& rows) -> absl::Status {
    const auto patients = rows.PatientsOf(tenant, after, limit);
    if (!patients.ok()) return patients.status();
    for (const LocatedPatient& patient : *patients) links.push_back(patient.link);
    return absl::OkStatus();
  });
  if (!read.ok()) return read;
  return links;
}

absl::Status Locator::Decide(const PatientLink& patient, const PatientLink& other, bool link, std::int64_t version) {
  if (patient == other) return absl::InvalidArgumentError("a patient is always the same as itself; name two");
  const auto weights = Weights();
  return LocatorStore(database_).Change([&](LocatorChanges& rows) -> absl::Status {
    const auto concerned = ConnectedWith({patient, other}, rows, *weights);
    if (!concerned.ok()) return concerned.status();
    rows.Decide(patient, other, link, version, *concerned);
    return absl::OkStatus();
  });
}

absl::Status Locator::Merge(const PatientLink& patient, const ChartLinks& links) {
  const LocatorStore store(database_);
  const auto weights = Weights();
  const auto stands = [&links](const LocatorRows::Merges& before) { return before.said == links && before.awaiting.empty(); };
  // Nearly always.
  bool known = false;
  const absl::Status read = store.ReadOne([&](LocatorRows& rows) -> absl::Status {
    const auto before = rows.MergesOf(patient, links.record);
    if (!before.ok()) return before.status();
    known = stands(*before);
    return absl::OkStatus();
  });
  if (!read.ok() || known) return read;
  return store.Change([&](LocatorChanges& rows) -> absl::Status {
    const auto before = rows.MergesOf(patient, links.record);
    if (!before.ok()) return before.status();
    if (stands(*before)) return absl::OkStatus();
    std::set<PatientLink> asked{patient};
    for (const std::set<PatientId>& some : {before->said.others, before->awaiting, links.others})
      for (const PatientId& other : some) asked.insert({patient.tenant, other});
    const auto concerned = ConnectedWith(asked, rows, *weights);
    if (!concerned.ok()) return concerned.status();
    rows.Merge(patient, links, *concerned);
    return absl::OkStatus();
  });
}

absl::StatusOr<MatchEstimate> EstimateFromRows(const tenants::Database& network_database, int patients_max, const MatchWeights& before) {
  std::vector<LocatedPatient> patients;
  const absl::Status read = LocatorStore(network_database).Read([&](LocatorRows& rows) -> absl::Status {
    auto sample = rows.Sample(patients_max);
    if (!sample.ok()) return sample.status();
    patients = *std::move(sample);
    return absl::OkStatus();
  });
  if (!read.ok()) return read;
  return EstimateWeights(ObservePairs(patients), before);
}

namespace {

// Patients of the tenant that a Patient resource names as the same person.
absl::StatusOr<ChartLinks> LinksIn(const PatientRecords& records, const PatientLink& patient, const Json& resource) {
  constexpr std::string_view kPrefix = "Patient/";
  ChartLinks links;
  const auto own = records.PatientRecordId(patient.tenant, resource.TextOf("id"));
  if (!own.ok()) return own.status();
  links.record = *own;
  for (const Json& link : resource["link"].items()) {
    std::string reference = link["other"].TextOf("reference");
    if (!reference.starts_with(kPrefix)) continue;
    reference = reference.substr(kPrefix.size(), reference.find("/_history/") - kPrefix.size());
    const auto other = records.FindPatient(patient.tenant, reference);
    if (absl::IsNotFound(other.status())) {
      const auto awaited = records.PatientRecordId(patient.tenant, reference);
      if (!awaited.ok()) return awaited.status();
      links.awaited.insert(*awaited);
      continue;
    }
    if (!other.ok()) return other.status();
    if (*other != patient.patient) links.others.insert(*other);
  }
  return links;
}

}  // namespace

absl::Status RegisterPatient(Locator& locator, const PatientRecords& records, const PatientLink& patient,
                             const std::function<absl::Status(const PatientLink&)>& follow) {
  const auto opened = records.OpenPatient(patient, "locator");
  if (!opened.ok()) return opened.status();
  if (opened->has_value()) {
    if (absl::Status status = locator.Register(patient, (*opened)->json); !status.ok()) return status;
    const auto links = LinksIn(records, patient, *ResourceOf(**opened));
    if (!links.ok()) return links.status();
    if (absl::Status status = locator.Merge(patient, *links); !status.ok()) return status;
  }
  return locator.FollowChanges(patient, follow);
}

}  // namespace custodian::exchange

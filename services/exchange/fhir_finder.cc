#include "services/exchange/fhir_finder.h"

#include <algorithm>
#include <iterator>
#include <numeric>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/exchange/fhir_time.h"
#include "services/exchange/identifier_index.h"
#include "services/exchange/record_store.h"

namespace custodian::exchange {
namespace {

constexpr std::string_view kPurpose = "fhir-search";

// What a search names where its type says whom or what a resource is about ("Patient/p1", "Observation/o1"); empty when it names nothing, or
// something else too.
std::set<LocalReference> SubjectsOf(const SearchRequest& search, std::string_view base_url) {
  using Modifier = Criterion::Modifier;
  for (const Criterion& criterion : search.criteria) {
    const bool may_name = criterion.modifier == Modifier::kNone || criterion.modifier == Modifier::kType;
    if (!criterion.parameter->names_patient || !may_name || criterion.reverse) continue;
    std::set<LocalReference> named;
    bool all = true;
    for (const std::string& value : criterion.values) {
      auto reference = ParseLocalReference(value, base_url);
      // An id alone is a patient's, unless the modifier says whose it is.
      if (!reference.has_value() && IsFhirId(value)) reference = LocalReference{criterion.type.empty() ? "Patient" : criterion.type, value};
      if (reference.has_value()) named.insert(*std::move(reference));
      else all = false;
    }
    if (all && !named.empty()) return named;
  }
  return {};
}

// The patients, where that is all it names.
std::set<std::string> PatientsOf(const std::set<LocalReference>& subjects) {
  std::set<std::string> ids;
  for (const LocalReference& subject : subjects) {
    if (subject.type != "Patient") return {};
    ids.insert(subject.id);
  }
  return ids;
}

bool IsOfPatients(std::string_view type) {
  const TypeDefinition* known = FindType(type);
  return known == nullptr || !known->compartment.empty();
}

bool IsScoped(const SearchRequest& search, std::string_view base_url);

// Whether what the chain or _has finds says where all that matches lies: `type` is what is searched.
bool Scopes(const Criterion& criterion, std::string_view base_url) {
  if (criterion.chain.empty()) return false;
  return std::all_of(criterion.chain.begin(), criterion.chain.end(), [&](const SearchRequest& search) {
    // What refers to a patient's record lies in the same chart; what refers to a Practitioner may lie in anybody's.
    return IsScoped(search, base_url) && (criterion.reverse || criterion.parameter->names_patient || IsOfPatients(search.type));
  });
}

bool IsScoped(const SearchRequest& search, std::string_view base_url) {
  if (!IsOfPatients(search.type) || !search.Values("_id").empty() || !SubjectsOf(search, base_url).empty()) return true;
  return !search.Values("identifier").empty() ||
         std::any_of(search.criteria.begin(), search.criteria.end(), [&](const Criterion& criterion) { return Scopes(criterion, base_url); });
}

// Positions of the records that may match: by the criterion whose keys the fewest have, else all.
std::vector<std::size_t> MayMatch(const FhirTable& table, const SearchRequest& search, std::string_view base_url) {
  std::optional<std::vector<std::size_t>> fewest;
  for (const Criterion& criterion : search.criteria) {
    const auto keys = KeysOf(criterion, base_url);
    if (!keys.has_value()) continue;
    auto positions = table.PositionsOf(*criterion.parameter, *keys, base_url);
    if (!fewest.has_value() || positions.size() < fewest->size()) fewest = std::move(positions);
  }
  if (fewest.has_value()) return *std::move(fewest);
  std::vector<std::size_t> all(table.records().size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  return all;
}

LocalReference ReferenceTo(const ChartRecord& record) { return {record.type(), record.Read()->id()}; }

}  // namespace

FhirFinder::FhirFinder(const FhirCall& call, const FhirCharts& charts, keys::Sealer& sealer, std::uint64_t snapshot)
    : call_(call), charts_(charts), sealer_(sealer), snapshot_(snapshot), settings_{call.base_url, ZoneOf(call.partition->tenant.time_zone)} {}

Answer<ChartRecords> FhirFinder::Find(const SearchRequest& search) {
  auto charts = Candidates(search);
  if (auto* refusal = std::get_if<Refusal>(&charts)) return *std::move(refusal);
  return Matching(std::get<Charts>(charts), search);
}

absl::StatusOr<std::shared_ptr<const FhirChart>> FhirFinder::ChartOf(const PatientId& patient) {
  if (const auto known = opened_.find(patient); known != opened_.end()) return known->second;
  auto chart = charts_.Open(*call_.partition, patient, snapshot_);
  if (chart.ok()) opened_[patient] = *chart;
  return chart;
}

absl::StatusOr<std::shared_ptr<const FhirChart>> FhirFinder::ChartOf(std::string_view fhir_patient_id) {
  const auto patient = charts_.PatientOf(*call_.partition, fhir_patient_id);
  if (!patient.ok()) return patient.status();
  if (!patient->has_value()) return std::shared_ptr<const FhirChart>();
  return ChartOf(**patient);
}

absl::StatusOr<std::shared_ptr<const FhirChart>> FhirFinder::OfIds(const std::string& type, const std::set<std::string>& ids) {
  std::set<LocalReference> references;
  for (const std::string& id : ids) references.insert({type, id});
  auto records = Referenced(references);
  if (!records.ok()) return records.status();
  return std::make_shared<const FhirChart>(*std::move(records));
}

absl::StatusOr<PatientId> FhirFinder::OwnResources() { return TenantResources(call_.partition->tenant.id, sealer_); }

absl::StatusOr<ChartRecords> FhirFinder::Referenced(const std::set<LocalReference>& references) {
  ChartRecords found;
  std::vector<RecordId> wanted;
  for (const LocalReference& reference : references) {
    const auto record = sealer_.RecordIdOf(call_.partition->tenant.id, reference.type, reference.id);
    if (!record.ok()) return record.status();
    std::shared_ptr<const ChartRecord> known;
    for (const auto& [patient, chart] : opened_) {
      if ((known = chart->Find(*record)) != nullptr) break;
    }
    if (known != nullptr) found.push_back(std::move(known));
    else wanted.push_back(*record);
  }
  auto opened = charts_.OpenRecords(*call_.partition, wanted, snapshot_);
  if (!opened.ok()) return opened.status();
  std::move(opened->begin(), opened->end(), std::back_inserter(found));
  for (const auto& record : found) {
    if (!record->Read().ok()) return record->Read().status();
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a->row().record < b->row().record; });
  return found;
}

absl::StatusOr<const FhirFinder::CanonicalUrls*> FhirFinder::CanonicalUrlsOf(std::string_view type) {
  if (const auto known = canonical_urls_.find(type); known != canonical_urls_.end()) return &known->second;
  CanonicalUrls urls;
  // What a canonical names is of no patient.
  if (!IsOfPatients(type) && FindSearchParameter(type, "url") != nullptr) {
    const auto own = OwnResources();
    if (!own.ok()) return own.status();
    const auto chart = ChartOf(*own);
    if (!chart.ok()) return chart.status();
    const auto table = (*chart)->TableOf(type);
    if (!table.ok()) return table.status();
    for (const auto& record : (*table)->records()) {
      const Json& resource = record->resource();
      urls.emplace(resource.TextOf("url"), std::pair(resource.TextOf("version"), resource.TextOf("id")));
    }
  }
  return &canonical_urls_.emplace(type, std::move(urls)).first->second;
}

absl::StatusOr<std::vector<LocalReference>> FhirFinder::References(std::span<const FhirNode> values, const SearchParameter& parameter) {
  std::vector<LocalReference> found = ReferencesOf(values, call_.base_url);
  for (const FhirNode& value : values) {
    // A Reference is an object.
    if (!value.value->is_string()) continue;
    const std::string_view canonical = value.value->text();
    if (ParseLocalReference(canonical, call_.base_url).has_value()) continue;
    const std::string_view url = canonical.substr(0, canonical.find('|'));
    const std::string_view version = canonical.substr(std::min(canonical.size(), url.size() + 1));
    for (const std::string_view target : parameter.targets) {
      const auto urls = CanonicalUrlsOf(target);
      if (!urls.ok()) return urls.status();
      for (auto [each, end] = (*urls)->equal_range(url); each != end; ++each) {
        const auto& [own_version, id] = each->second;
        if (version.empty() || version == own_version) found.push_back({std::string(target), id});
      }
    }
  }
  return found;
}

absl::StatusOr<std::vector<LocalReference>> FhirFinder::References(const Json& resource, const SearchParameter* parameter) {
  if (parameter == nullptr) return ReferencesOf(resource, nullptr, call_.base_url);
  const FhirNode node = ResourceNode(resource);
  FhirPathContext context{node, node, {}};
  return References(parameter->expression.Evaluate(node, context), *parameter);
}

absl::StatusOr<ChartRecords> FhirFinder::Referring(std::string_view source, const SearchParameter* parameter, const ChartRecords& targets) {
  std::set<PatientId> patients;
  std::set<LocalReference> wanted;
  for (const auto& target : targets) {
    patients.insert(target->row().patient);
    wanted.insert(ReferenceTo(*target));
  }
  ChartRecords found;
  for (const PatientId& patient : patients) {
    const auto chart = ChartOf(patient);
    if (!chart.ok()) return chart.status();
    const auto table = (*chart)->TableOf(source);
    if (!table.ok()) return table.status();
    const FhirTable::Column* column = parameter == nullptr ? nullptr : &(*table)->ColumnOf(*parameter);
    for (std::size_t i = 0; i < (*table)->records().size(); ++i) {
      const auto& record = (*table)->records()[i];
      const auto references = column == nullptr ? References(record->resource(), nullptr) : References(column->Of(i), *parameter);
      if (!references.ok()) return references.status();
      if (std::any_of(references->begin(), references->end(), [&](const LocalReference& reference) { return wanted.contains(reference); })) {
        found.push_back(record);
      }
    }
  }
  return found;
}

Answer<FhirFinder::Charts> FhirFinder::Candidates(const SearchRequest& search) {
  if (const std::vector<std::string> ids = search.Values("_id"); !ids.empty()) {
    auto chart = OfIds(search.type, {ids.begin(), ids.end()});
    if (!chart.ok()) return RefusalOf(chart.status());
    return Charts{*std::move(chart)};
  }
  const auto subjects = SubjectsOf(search, call_.base_url);
  if (const auto patients = PatientsOf(subjects); !patients.empty()) {
    Charts charts;
    for (const std::string& id : patients) {
      auto chart = ChartOf(id);
      if (!chart.ok()) return RefusalOf(chart.status());
      if (*chart != nullptr) charts.push_back(*std::move(chart));
    }
    return charts;
  }
  if (!subjects.empty() && IsOfPatients(search.type)) return CandidatesByRecords(subjects);
  if (!search.Values("identifier").empty()) return CandidatesByIdentifier(search);
  for (const Criterion& criterion : search.criteria) {
    // A chain from what has no patient is followed from there, unless it leads to the patient.
    const bool leads = criterion.reverse || criterion.parameter->names_patient || IsOfPatients(search.type);
    if (leads && Scopes(criterion, call_.base_url)) return CandidatesByChain(search, criterion);
  }
  if (search.type == "Patient") {
    return Refuse(400, "required", "Give _id or identifier, a _has that names an _id or identifier, or ask Patient/$match.");
  }
  if (IsOfPatients(search.type)) {
    return Refuse(400, "required",
                  "Searches are patient-scoped: give patient (an id, or Patient/<id>), the Type/<id> of what else it is about, _id or identifier, or "
                  "one of them behind a reference, e.g. patient.identifier=system|value.");
  }
  // Of no patient: the tenant's own, all under one key.
  const auto own = OwnResources();
  if (!own.ok()) return RefusalOf(own.status());
  auto chart = ChartOf(*own);
  if (!chart.ok()) return RefusalOf(chart.status());
  return Charts{*std::move(chart)};
}

Answer<FhirFinder::Charts> FhirFinder::CandidatesByRecords(const std::set<LocalReference>& records) {
  std::vector<RecordId> wanted;
  for (const LocalReference& reference : records) {
    const auto record = sealer_.RecordIdOf(call_.partition->tenant.id, reference.type, reference.id);
    if (!record.ok()) return RefusalOf(record.status());
    wanted.push_back(*record);
  }
  // Deleted ones too: what is said of them remains.
  const auto heads = RecordStore(*call_.partition->database).Heads(wanted);
  if (!heads.ok()) return RefusalOf(heads.status());
  const auto own = OwnResources();
  if (!own.ok()) return RefusalOf(own.status());
  std::set<PatientId> patients = {*own};
  for (const auto& [record, head] : *heads) patients.insert(head.patient);
  Charts charts;
  for (const PatientId& patient : patients) {
    auto chart = ChartOf(patient);
    if (!chart.ok()) return RefusalOf(chart.status());
    charts.push_back(*std::move(chart));
  }
  return charts;
}

Answer<FhirFinder::Charts> FhirFinder::CandidatesByIdentifier(const SearchRequest& search) {
  std::vector<IdentifierQuery> queries;
  for (const std::string& value : search.Values("identifier")) {
    const auto bar = value.find('|');
    if (bar == std::string::npos || bar + 1 == value.size()) return Refuse(400, "value", "Without a patient, identifier must be <system>|<value>.");
    queries.push_back({search.type, value.substr(0, bar), value.substr(bar + 1)});
  }
  const auto found = FindByIdentifiers(*call_.partition, sealer_, queries, kPurpose);
  if (!found.ok()) return RefusalOf(found.status());
  std::set<std::string> ids;
  for (const auto& [query, some] : *found) ids.insert(some.begin(), some.end());
  auto chart = OfIds(search.type, ids);
  if (!chart.ok()) return RefusalOf(chart.status());
  return Charts{*std::move(chart)};
}

Answer<FhirFinder::Charts> FhirFinder::CandidatesByChain(const SearchRequest& search, const Criterion& criterion) {
  std::set<std::string> ids;
  std::set<PatientId> patients;
  for (const SearchRequest& inner : criterion.chain) {
    // What is about records of several patients is the tenant's own.
    if (!criterion.reverse && criterion.parameter->names_patient && inner.type != "Patient") {
      const auto own = OwnResources();
      if (!own.ok()) return RefusalOf(own.status());
      patients.insert(*own);
    }
    auto found = Find(inner);
    if (auto* refusal = std::get_if<Refusal>(&found)) return *std::move(refusal);
    for (const auto& record : std::get<ChartRecords>(found)) {
      patients.insert(record->row().patient);
      if (!criterion.reverse) continue;
      auto references = References(record->resource(), criterion.parameter);
      if (!references.ok()) return RefusalOf(references.status());
      for (LocalReference& reference : *references) {
        if (reference.type == search.type) ids.insert(std::move(reference.id));
      }
    }
  }
  Charts charts;
  if (criterion.reverse) {
    auto chart = OfIds(search.type, ids);
    if (!chart.ok()) return RefusalOf(chart.status());
    charts.push_back(*std::move(chart));
    return charts;
  }
  for (const PatientId& patient : patients) {
    auto chart = ChartOf(patient);
    if (!chart.ok()) return RefusalOf(chart.status());
    charts.push_back(*std::move(chart));
  }
  return charts;
}

Answer<ChartRecords> FhirFinder::Matching(const Charts& charts, const SearchRequest& search) {
  ChartRecords matches;
  for (const auto& chart : charts) {
    const auto table = chart->TableOf(search.type);
    if (!table.ok()) return RefusalOf(table.status());
    const ChartRecords& records = (*table)->records();
    std::vector<std::size_t> left = MayMatch(**table, search, call_.base_url);
    for (const Criterion& criterion : search.criteria) {
      if (!criterion.chain.empty() || left.empty()) continue;
      const FhirTable::Column& column = (*table)->ColumnOf(*criterion.parameter);
      std::erase_if(left, [&](std::size_t i) { return !CriterionMatches(records[i]->resource(), column.Of(i), criterion, settings_); });
    }
    for (const std::size_t i : left) matches.push_back(records[i]);
  }
  for (const Criterion& criterion : search.criteria) {
    if (criterion.chain.empty() || matches.empty()) continue;
    auto kept = criterion.reverse ? KeepReferredTo(criterion, std::move(matches)) : KeepChained(criterion, std::move(matches));
    if (auto* refusal = std::get_if<Refusal>(&kept)) return *std::move(refusal);
    matches = std::get<ChartRecords>(std::move(kept));
  }
  return matches;
}

Answer<ChartRecords> FhirFinder::KeepChained(const Criterion& criterion, ChartRecords records) {
  std::vector<std::vector<LocalReference>> references;
  std::set<LocalReference> wanted;
  for (const auto& record : records) {
    auto of_record = References(record->resource(), criterion.parameter);
    if (!of_record.ok()) return RefusalOf(of_record.status());
    references.push_back(*std::move(of_record));
    for (const LocalReference& reference : references.back()) {
      const bool leads_on = std::any_of(criterion.chain.begin(), criterion.chain.end(), [&](const SearchRequest& search) { return search.type == reference.type; });
      if (leads_on) wanted.insert(reference);
    }
  }
  auto targets = Referenced(wanted);
  if (!targets.ok()) return RefusalOf(targets.status());
  const Charts chart{std::make_shared<const FhirChart>(*std::move(targets))};
  std::set<LocalReference> reached;
  for (const SearchRequest& search : criterion.chain) {
    auto found = Matching(chart, search);
    if (auto* refusal = std::get_if<Refusal>(&found)) return *std::move(refusal);
    for (const auto& record : std::get<ChartRecords>(found)) reached.insert(ReferenceTo(*record));
  }
  ChartRecords kept;
  for (std::size_t i = 0; i < records.size(); ++i) {
    const bool leads = std::any_of(references[i].begin(), references[i].end(), [&](const LocalReference& reference) { return reached.contains(reference); });
    if (leads) kept.push_back(std::move(records[i]));
  }
  return kept;
}

Answer<ChartRecords> FhirFinder::KeepReferredTo(const Criterion& criterion, ChartRecords records) {
  const SearchRequest& search = criterion.chain.front();
  Answer<ChartRecords> found;
  if (IsOfPatients(search.type) && !IsScoped(search, call_.base_url)) {
    const auto own = OwnResources();
    if (!own.ok()) return RefusalOf(own.status());
    const bool of_nobody = std::any_of(records.begin(), records.end(), [&](const auto& record) { return record->row().patient == *own; });
    if (of_nobody) {
      return Refuse(400, "required",
                    absl::StrCat("What refers to a resource of no patient may lie in anybody's records, and searches are patient-scoped: name the patient in "
                                 "_has, e.g. _has:", search.type, ":", std::string(criterion.parameter->name), ":patient=Patient/<id>."));
    }
    auto referring = Referring(search.type, criterion.parameter, records);
    if (!referring.ok()) return RefusalOf(referring.status());
    found = Matching({std::make_shared<const FhirChart>(*std::move(referring))}, search);
  } else {
    found = Find(search);
  }
  if (auto* refusal = std::get_if<Refusal>(&found)) return *std::move(refusal);
  std::set<LocalReference> reached;
  for (const auto& record : std::get<ChartRecords>(found)) {
    auto references = References(record->resource(), criterion.parameter);
    if (!references.ok()) return RefusalOf(references.status());
    for (LocalReference& reference : *references) reached.insert(std::move(reference));
  }
  std::erase_if(records, [&](const auto& record) { return !reached.contains(ReferenceTo(*record)); });
  return records;
}

}  // namespace custodian::exchange

#include "services/exchange/fhir_searcher.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/exchange/fhir_bundle.h"
#include "services/exchange/fhir_cursor.h"
#include "services/exchange/fhir_time.h"
#include "services/exchange/identifier_index.h"

namespace custodian::exchange {
namespace {

constexpr std::string_view kPurpose = "fhir-search";
// _include:iterate goes no deeper.
constexpr int kIterationsMax = 4;

MatchSettings SettingsOf(const FhirCall& call) { return {call.base_url, ZoneOf(call.partition->tenant.time_zone)}; }

// Patients that a search names where its type says whom a resource is about; empty when it names none.
std::set<std::string> PatientsOf(const SearchRequest& search, std::string_view base_url) {
  for (const Criterion& criterion : search.criteria) {
    const bool may_name = criterion.modifier == Criterion::Modifier::kNone ||
                          (criterion.modifier == Criterion::Modifier::kType && criterion.type == "Patient");
    if (!criterion.parameter->names_patient || !may_name) continue;
    std::set<std::string> ids;
    bool all = true;
    for (const std::string& value : criterion.values) {
      const auto reference = ParseLocalReference(value, base_url);
      if (reference.has_value() ? reference->type != "Patient" : !IsFhirId(value)) {
        all = false;
      } else {
        ids.insert(reference.has_value() ? reference->id : value);
      }
    }
    if (all && !ids.empty()) return ids;
  }
  return {};
}

Json EntryOf(const FhirCall& call, FhirRecord record, const char* mode) {
  const std::string url = absl::StrCat(call.base_url, "/", record.type(), "/", record.id());
  return SearchEntry(url, std::move(record.resource), mode);
}

Json WarningOf(const std::vector<std::string>& ignored) {
  auto outcome = Json::Parse(OperationOutcome({{"not-supported", absl::StrCat("Passed over, as the request asks: ", absl::StrJoin(ignored, ", ")), ""}}, true));
  return outcome.ok() ? *std::move(outcome) : Json();
}

}  // namespace

Answer<std::vector<SealedRecord>> FhirSearcher::OfIds(const FhirCall& call, const std::string& type, const std::set<std::string>& ids,
                                                      std::uint64_t snapshot) const {
  std::vector<RecordId> wanted;
  for (const std::string& id : ids) {
    const auto record = sealer_.RecordIdOf(call.partition->tenant.id, type, id);
    if (!record.ok()) return RefusalOf(record.status());
    wanted.push_back(*record);
  }
  auto rows = RecordStore(*call.partition->database).NewestOf(wanted, snapshot);
  if (!rows.ok()) return RefusalOf(rows.status());
  std::erase_if(*rows, [](const SealedRecord& row) { return row.deleted; });
  return *std::move(rows);
}

Answer<std::vector<SealedRecord>> FhirSearcher::OfPatients(const FhirCall& call, const std::set<std::string>& fhir_ids,
                                                           std::uint64_t snapshot) const {
  const RecordStore store(*call.partition->database);
  std::vector<SealedRecord> all;
  for (const std::string& id : fhir_ids) {
    const auto record = sealer_.RecordIdOf(call.partition->tenant.id, "Patient", id);
    if (!record.ok()) return RefusalOf(record.status());
    const auto patient = store.PatientOf(*record);
    if (!patient.ok()) return RefusalOf(patient.status());
    if (!patient->has_value()) continue;
    auto rows = store.NewestOfPatient(**patient, snapshot);
    if (!rows.ok()) return RefusalOf(rows.status());
    std::move(rows->begin(), rows->end(), std::back_inserter(all));
  }
  return all;
}

Answer<std::vector<SealedRecord>> FhirSearcher::Candidates(const FhirCall& call, const SearchRequest& search, std::uint64_t snapshot) const {
  const std::vector<std::string> ids = search.Values("_id");
  if (!ids.empty()) return OfIds(call, search.type, {ids.begin(), ids.end()}, snapshot);
  if (const auto patients = PatientsOf(search, call.base_url); !patients.empty()) return OfPatients(call, patients, snapshot);
  std::vector<IdentifierQuery> queries;
  for (const std::string& value : search.Values("identifier")) {
    const auto bar = value.find('|');
    if (bar == std::string::npos || bar + 1 == value.size()) {
      return Refuse(400, "value", "Without a patient, identifier must be <system>|<value>.");
    }
    queries.push_back({search.type, value.substr(0, bar), value.substr(bar + 1)});
  }
  if (!queries.empty()) {
    const auto found = FindByIdentifiers(*call.partition, sealer_, queries, kPurpose);
    if (!found.ok()) return RefusalOf(found.status());
    std::set<std::string> unique;
    for (const auto& [query, some] : *found) unique.insert(some.begin(), some.end());
    return OfIds(call, search.type, unique, snapshot);
  }
  const TypeDefinition* type = FindType(search.type);
  if (search.type == "Patient") return Refuse(400, "required", "Give _id or identifier, or ask Patient/$match.");
  if (type == nullptr || !type->compartment.empty()) {
    return Refuse(400, "required", "Searches are patient-scoped: give patient (an id, or Patient/<id>), _id or identifier.");
  }
  // Of no patient: the tenant's own, all under one key.
  const auto own = TenantResources(call.partition->tenant.id, sealer_);
  if (!own.ok()) return RefusalOf(own.status());
  auto rows = RecordStore(*call.partition->database).NewestOfPatient(*own, snapshot);
  if (!rows.ok()) return RefusalOf(rows.status());
  return *std::move(rows);
}

Answer<std::vector<FhirRecord>> FhirSearcher::MatchesOf(const FhirCall& call, const SearchRequest& search, std::uint64_t snapshot) const {
  auto candidates = Candidates(call, search, snapshot);
  if (auto* refusal = std::get_if<Refusal>(&candidates)) return *std::move(refusal);
  const MatchSettings settings = SettingsOf(call);
  std::vector<FhirRecord> matches;
  for (const SealedRecord& row : std::get<0>(candidates)) {
    const auto text = OpenText(call.partition->tenant, row, sealer_, kPurpose);
    if (!text.ok()) return RefusalOf(text.status());
    if (!MayMatch(*text, search)) continue;
    auto record = ReadRecord(row, *text);
    if (!record.ok()) return RefusalOf(record.status());
    if (Matches(record->resource, search, settings)) matches.push_back(*std::move(record));
  }
  if (search.sort.empty()) return matches;
  std::vector<std::vector<SortValue>> values;
  values.reserve(matches.size());
  for (const FhirRecord& match : matches) values.push_back(SortValuesOf(match.resource, search.sort, settings.zone));
  std::vector<std::size_t> order(matches.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return SortsBefore(values[a], values[b], search.sort); });
  std::vector<FhirRecord> sorted;
  sorted.reserve(matches.size());
  for (const std::size_t position : order) sorted.push_back(std::move(matches[position]));
  return sorted;
}

absl::Status FhirSearcher::AddReferenced(const FhirCall& call, const std::set<LocalReference>& wanted, std::uint64_t snapshot,
                                         std::vector<FhirRecord>& found) const {
  std::vector<RecordId> records;
  for (const LocalReference& reference : wanted) {
    const auto record = sealer_.RecordIdOf(call.partition->tenant.id, reference.type, reference.id);
    if (!record.ok()) return record.status();
    records.push_back(*record);
  }
  const auto rows = RecordStore(*call.partition->database).NewestOf(records, snapshot);
  if (!rows.ok()) return rows.status();
  for (const SealedRecord& row : *rows) {
    if (row.deleted) continue;
    auto record = OpenFhirRecord(call.partition->tenant, row, sealer_, kPurpose);
    if (!record.ok()) return record.status();
    found.push_back(*std::move(record));
  }
  return absl::OkStatus();
}

absl::Status FhirSearcher::AddReferring(const FhirCall& call, const std::vector<Inclusion>& inclusions, const std::vector<FhirRecord>& page,
                                        std::uint64_t snapshot, std::vector<FhirRecord>& found) const {
  std::set<PatientId> patients;
  std::set<LocalReference> targets;
  for (const FhirRecord& record : page) {
    patients.insert(record.patient);
    targets.insert({record.type(), record.id()});
  }
  for (const PatientId& patient : patients) {
    const auto rows = RecordStore(*call.partition->database).NewestOfPatient(patient, snapshot);
    if (!rows.ok()) return rows.status();
    for (const SealedRecord& row : *rows) {
      const auto text = OpenText(call.partition->tenant, row, sealer_, kPurpose);
      if (!text.ok()) return text.status();
      std::optional<FhirRecord> record;
      for (const Inclusion& inclusion : inclusions) {
        SearchRequest of_type;
        of_type.type = inclusion.source;
        if (!MayMatch(*text, of_type)) continue;
        if (!record.has_value()) {
          auto read = ReadRecord(row, *text);
          if (!read.ok()) return read.status();
          record = *std::move(read);
        }
        if (record->type() != inclusion.source) continue;
        const auto references = ReferencesOf(record->resource, inclusion.parameter, call.base_url);
        const bool refers = std::any_of(references.begin(), references.end(), [&](const LocalReference& reference) {
          return targets.contains(reference) && (inclusion.target.empty() || inclusion.target == reference.type);
        });
        if (!refers) continue;
        found.push_back(*std::move(record));
        break;
      }
    }
  }
  return absl::OkStatus();
}

Answer<std::vector<FhirRecord>> FhirSearcher::Included(const FhirCall& call, const SearchRequest& search, const std::vector<FhirRecord>& page,
                                                       std::uint64_t snapshot) const {
  std::vector<FhirRecord> included;
  std::set<LocalReference> known;
  for (const FhirRecord& record : page) known.insert({record.type(), record.id()});
  const auto add_new = [&](std::vector<FhirRecord> found) {
    for (FhirRecord& record : found) {
      if (known.insert({record.type(), record.id()}).second) included.push_back(std::move(record));
    }
  };
  if (!search.reverse_includes.empty()) {
    std::vector<FhirRecord> found;
    if (absl::Status status = AddReferring(call, search.reverse_includes, page, snapshot, found); !status.ok()) return RefusalOf(status);
    add_new(std::move(found));
  }
  // First what the matches refer to, then, where asked to iterate, what that refers to.
  std::size_t from = 0;
  for (int round = 0; round < kIterationsMax; ++round) {
    std::set<LocalReference> wanted;
    const auto collect = [&](const FhirRecord& record, bool only_iterated) {
      for (const Inclusion& inclusion : search.includes) {
        if ((only_iterated && !inclusion.iterate) || (!inclusion.source.empty() && inclusion.source != record.type())) continue;
        for (const LocalReference& reference : ReferencesOf(record.resource, inclusion.parameter, call.base_url)) {
          const bool is_wanted = inclusion.target.empty() || inclusion.target == reference.type;
          if (is_wanted && !known.contains(reference)) wanted.insert(reference);
        }
      }
    };
    if (round == 0) {
      for (const FhirRecord& record : page) collect(record, false);
    }
    for (; from < included.size(); ++from) collect(included[from], true);
    if (wanted.empty()) break;
    std::vector<FhirRecord> found;
    if (absl::Status status = AddReferenced(call, wanted, snapshot, found); !status.ok()) return RefusalOf(status);
    add_new(std::move(found));
  }
  return included;
}

rpc::HttpResponse FhirSearcher::Search(const FhirCall& call, const Parameters& parameters) const {
  auto parsed = ParseSearch(call.type(), parameters, PreferOf(call.request).lenient);
  if (const auto* refusal = std::get_if<Refusal>(&parsed)) return FhirResponse(*refusal);
  const auto& search = std::get<SearchRequest>(parsed);
  const std::string question = absl::StrCat(call.type(), "?", QueryText(search.used));
  const auto begun = ReadCursor(call, question, search.cursor, sealer_);
  if (const auto* refusal = std::get_if<Refusal>(&begun)) return FhirResponse(*refusal);
  const auto& cursor = std::get<Cursor>(begun);
  auto found = MatchesOf(call, search, cursor.snapshot);
  if (const auto* refusal = std::get_if<Refusal>(&found)) return FhirResponse(*refusal);
  auto& matches = std::get<0>(found);
  const std::size_t total = matches.size();
  const std::size_t count = search.view.summary == View::Summary::kCount ? 0 : search.count;
  const std::size_t first = std::min(cursor.offset, total);
  const std::size_t end = first + std::min(count, total - first);
  std::vector<FhirRecord> page(std::make_move_iterator(matches.begin() + static_cast<std::ptrdiff_t>(first)),
                               std::make_move_iterator(matches.begin() + static_cast<std::ptrdiff_t>(end)));
  auto included = Included(call, search, page, cursor.snapshot);
  if (const auto* refusal = std::get_if<Refusal>(&included)) return FhirResponse(*refusal);

  std::vector<Json> entries;
  const auto add = [&](FhirRecord& record, const char* mode) {
    ApplyView(search.view, record.resource);
    entries.push_back(EntryOf(call, std::move(record), mode));
  };
  for (FhirRecord& record : page) add(record, "match");
  for (FhirRecord& record : std::get<0>(included)) add(record, "include");
  if (!search.ignored.empty()) entries.push_back(SearchEntry("", WarningOf(search.ignored), "outcome"));
  const std::string self = absl::StrCat(call.base_url, "/", question);
  std::vector<Json> links = {Link("self", self.ends_with('?') ? self.substr(0, self.size() - 1) : self)};
  if (end < total && count > 0) {
    const auto next = WriteCursor(call, question, {cursor.snapshot, end}, sealer_);
    if (!next.ok()) return FhirResponse(RefusalOf(next.status()));
    links.push_back(Link("next", absl::StrCat(self, self.ends_with('?') ? "" : "&", "_cursor=", *next)));
  }
  return FhirResponse(200, BundleOf("searchset", search.total ? std::optional(total) : std::nullopt, std::move(links), std::move(entries)).Text());
}

namespace {

struct EverythingRequest {
  std::set<std::string> types;
  std::optional<absl::Time> since;
  // Criteria on the parameter "date" of types that have one.
  std::vector<std::string> dates;
  std::size_t count = kPageMax;
  std::string cursor;
  Parameters used;
};

// http://hl7.org/fhir/R4/operation-patient-everything.html
Answer<EverythingRequest> ReadEverything(const Parameters& parameters) {
  EverythingRequest request;
  for (const auto& [name, value] : parameters) {
    if (name == "_cursor") {
      request.cursor = value;
      continue;
    }
    request.used.emplace_back(name, value);
    const auto time = ParseFhirTime(value, absl::UTCTimeZone());
    if (name == "_type") {
      for (const std::string& type : SplitValues(value)) {
        if (!IsResourceType(type)) return Refuse(400, "value", "_type must name resource types, separated by commas.");
        request.types.insert(type);
      }
    } else if (name == "_since" || name == "start" || name == "end") {
      if (!time.has_value()) return Refuse(400, "value", absl::StrCat(name, " must be a FHIR date or time."));
      if (name == "_since") {
        request.since = time->begin;
      } else {
        request.dates.push_back((name == "start" ? "ge" : "le") + value);
      }
    } else if (name == "_count") {
      if (!absl::SimpleAtoi(value, &request.count) || request.count == 0) return Refuse(400, "value", "_count must be a whole number above 0.");
      request.count = std::min(request.count, kPageMax);
    } else if (name != "_format") {
      return Refuse(400, "not-supported", "$everything takes start, end, _since, _type, _count and _format.");
    }
  }
  return request;
}

bool IsWithin(const Json& resource, const EverythingRequest& request, const MatchSettings& settings) {
  const SearchParameter* date = FindSearchParameter(resource.TextOf("resourceType"), "date");
  if (request.dates.empty() || date == nullptr) return true;
  SearchRequest search;
  search.type = resource.TextOf("resourceType");
  for (const std::string& value : request.dates) search.criteria.push_back({date, Criterion::Modifier::kNone, "", {value}});
  SearchRequest undated;
  undated.type = search.type;
  undated.criteria.push_back({date, Criterion::Modifier::kMissing, "", {"true"}});
  return Matches(resource, undated, settings) || Matches(resource, search, settings);
}

}  // namespace

rpc::HttpResponse FhirSearcher::Everything(const FhirCall& call, const Parameters& parameters) const {
  const auto parsed = ReadEverything(parameters);
  if (const auto* refusal = std::get_if<Refusal>(&parsed)) return FhirResponse(*refusal);
  const auto& request = std::get<EverythingRequest>(parsed);
  const std::string question = absl::StrCat("Patient/", call.id(), "/$everything?", QueryText(request.used));
  const auto begun = ReadCursor(call, question, request.cursor, sealer_);
  if (const auto* refusal = std::get_if<Refusal>(&begun)) return FhirResponse(*refusal);
  const auto& cursor = std::get<Cursor>(begun);
  auto rows = OfPatients(call, {call.id()}, cursor.snapshot);
  if (const auto* refusal = std::get_if<Refusal>(&rows)) return FhirResponse(*refusal);
  if (std::get<0>(rows).empty()) return FhirResponse(Refuse(404, "not-found", "There is no such resource."));
  const MatchSettings settings = SettingsOf(call);
  std::vector<FhirRecord> all;
  for (const SealedRecord& row : std::get<0>(rows)) {
    if (request.since.has_value() && row.arrived < *request.since) continue;
    auto record = OpenFhirRecord(call.partition->tenant, row, sealer_, kPurpose);
    if (!record.ok()) return FhirResponse(RefusalOf(record.status()));
    if (!request.types.empty() && !request.types.contains(record->type())) continue;
    if (IsWithin(record->resource, request, settings)) all.push_back(*std::move(record));
  }
  std::stable_partition(all.begin(), all.end(), [](const FhirRecord& record) { return record.type() == "Patient"; });
  const std::size_t total = all.size();
  const std::size_t first = std::min(cursor.offset, total);
  const std::size_t end = first + std::min(request.count, total - first);
  std::vector<Json> entries;
  std::set<LocalReference> wanted;
  for (std::size_t i = first; i < end; ++i) {
    for (LocalReference& reference : ReferencesOf(all[i].resource, nullptr, call.base_url)) {
      // Whom and what others' records concern is not this patient's everything.
      const TypeDefinition* type = FindType(reference.type);
      if (type != nullptr && type->compartment.empty() && type->name != "Patient") wanted.insert(std::move(reference));
    }
    entries.push_back(EntryOf(call, std::move(all[i]), "match"));
  }
  std::vector<FhirRecord> referenced;
  if (absl::Status status = AddReferenced(call, wanted, cursor.snapshot, referenced); !status.ok()) return FhirResponse(RefusalOf(status));
  for (FhirRecord& record : referenced) {
    if (!request.types.empty() && !request.types.contains(record.type())) continue;
    entries.push_back(EntryOf(call, std::move(record), "include"));
  }
  const std::string self = absl::StrCat(call.base_url, "/", question);
  std::vector<Json> links = {Link("self", self.ends_with('?') ? self.substr(0, self.size() - 1) : self)};
  if (end < total) {
    const auto next = WriteCursor(call, question, {cursor.snapshot, end}, sealer_);
    if (!next.ok()) return FhirResponse(RefusalOf(next.status()));
    links.push_back(Link("next", absl::StrCat(self, self.ends_with('?') ? "" : "&", "_cursor=", *next)));
  }
  return FhirResponse(200, BundleOf("searchset", total, std::move(links), std::move(entries)).Text());
}

}  // namespace custodian::exchange

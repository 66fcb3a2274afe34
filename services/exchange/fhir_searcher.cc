#include "services/exchange/fhir_searcher.h"

#include <algorithm>
#include <iterator>
#include <numeric>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/exchange/fhir_bundle.h"
#include "services/exchange/fhir_cursor.h"
#include "services/exchange/fhir_finder.h"
#include "services/exchange/fhir_time.h"

namespace custodian::exchange {
namespace {

// _include:iterate and _revinclude:iterate go no deeper.
constexpr int kIterationsMax = 4;

BundleEntry EntryOf(const FhirCall& call, const ChartRecord& record, const View& view, const char* mode) {
  BundleEntry entry{absl::StrCat(call.base_url, "/", record.type(), "/", record.Read()->id()), "", mode};
  if (view.IsWhole()) {
    entry.resource = record.AnswerText();
  } else {
    Json resource = record.resource();
    ApplyView(view, resource);
    entry.resource = resource.Text();
  }
  return entry;
}

std::string WarningOf(const std::vector<std::string>& ignored) {
  return OperationOutcome({{"not-supported", absl::StrCat("Passed over, as the request asks: ", absl::StrJoin(ignored, ", ")), ""}}, true);
}

ChartRecords Sorted(ChartRecords matches, const SearchRequest& search, absl::TimeZone zone) {
  if (search.sort.empty()) return matches;
  std::vector<std::vector<SortValue>> values;
  values.reserve(matches.size());
  for (const auto& match : matches) values.push_back(SortValuesOf(match->resource(), search.sort, zone));
  std::vector<std::size_t> order(matches.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return SortsBefore(values[a], values[b], search.sort); });
  ChartRecords sorted;
  sorted.reserve(matches.size());
  for (const std::size_t position : order) sorted.push_back(std::move(matches[position]));
  return sorted;
}

// What one round of _include and _revinclude adds to `records`: of all of them to the matches, of the iterated ones to what they added.
absl::StatusOr<ChartRecords> IncludedBy(FhirFinder& finder, const SearchRequest& search, const ChartRecords& records, bool only_iterated) {
  ChartRecords found;
  for (const Inclusion& inclusion : search.reverse_includes) {
    if (only_iterated && !inclusion.iterate) continue;
    ChartRecords targets;
    std::copy_if(records.begin(), records.end(), std::back_inserter(targets),
                 [&](const auto& record) { return inclusion.target.empty() || inclusion.target == record->type(); });
    auto referring = finder.Referring(inclusion.source, inclusion.parameter, targets);
    if (!referring.ok()) return referring.status();
    std::move(referring->begin(), referring->end(), std::back_inserter(found));
  }
  std::set<LocalReference> wanted;
  for (const Inclusion& inclusion : search.includes) {
    if (only_iterated && !inclusion.iterate) continue;
    for (const auto& record : records) {
      if (!inclusion.source.empty() && inclusion.source != record->type()) continue;
      auto references = finder.References(record->resource(), inclusion.parameter);
      if (!references.ok()) return references.status();
      for (LocalReference& reference : *references) {
        if (inclusion.target.empty() || inclusion.target == reference.type) wanted.insert(std::move(reference));
      }
    }
  }
  auto referenced = finder.Referenced(wanted);
  if (!referenced.ok()) return referenced.status();
  std::move(referenced->begin(), referenced->end(), std::back_inserter(found));
  return found;
}

// What _include and _revinclude add to a page: nothing that is on it, and nothing of types that the token may not read (`scopes`, null without one),
// neither shown nor followed further. What the request names by type was refused for it before.
absl::StatusOr<ChartRecords> Included(FhirFinder& finder, const SearchRequest& search, const ChartRecords& page, const SmartScopes* scopes) {
  ChartRecords included;
  if (search.includes.empty() && search.reverse_includes.empty()) return included;
  std::set<RecordId> known;
  for (const auto& record : page) known.insert(record->row().record);
  ChartRecords last = page;
  for (int round = 0; round < kIterationsMax && !last.empty(); ++round) {
    auto found = IncludedBy(finder, search, last, /*only_iterated=*/round > 0);
    if (!found.ok()) return found.status();
    last.clear();
    for (auto& record : *found) {
      const bool may_read = scopes == nullptr || scopes->Allow(record->type(), "r");
      if (may_read && known.insert(record->row().record).second) last.push_back(std::move(record));
    }
    included.insert(included.end(), last.begin(), last.end());
  }
  return included;
}

// The page of `total` that a cursor begins.
struct Page {
  std::size_t begin = 0;
  std::size_t end = 0;
};
Page PageOf(const Cursor& cursor, std::size_t count, std::size_t total) {
  const std::size_t begin = std::min(cursor.offset, total);
  return {begin, begin + std::min(count, total - begin)};
}

// To this page and, unless it ends the list, to the next.
absl::StatusOr<std::vector<Json>> Links(const FhirCall& call, const std::string& question, std::optional<Cursor> next, keys::Sealer& sealer) {
  const std::string self = absl::StrCat(call.base_url, "/", question);
  std::vector<Json> links = {Link("self", self.ends_with('?') ? self.substr(0, self.size() - 1) : self)};
  if (!next.has_value()) return links;
  const auto cursor = WriteCursor(call, question, *next, sealer);
  if (!cursor.ok()) return cursor.status();
  links.push_back(Link("next", absl::StrCat(self, self.ends_with('?') ? "" : "&", "_cursor=", *cursor)));
  return links;
}

}  // namespace

rpc::HttpResponse FhirSearcher::Search(const FhirCall& call, const Parameters& parameters) const {
  auto parsed = ParseSearch(call.type(), parameters, PreferOf(call.request).lenient);
  if (const auto* refusal = std::get_if<Refusal>(&parsed)) return FhirResponse(*refusal);
  const auto& search = std::get<SearchRequest>(parsed);
  const std::string question = absl::StrCat(call.type(), "?", QueryText(search.used));
  const auto begun = ReadCursor(call, question, search.cursor, sealer_);
  if (const auto* refusal = std::get_if<Refusal>(&begun)) return FhirResponse(*refusal);
  const auto& cursor = std::get<Cursor>(begun);
  FhirFinder finder(call, charts_, sealer_, cursor.snapshot);
  auto found = finder.Find(search);
  if (const auto* refusal = std::get_if<Refusal>(&found)) return FhirResponse(*refusal);
  const ChartRecords matches = Sorted(std::get<ChartRecords>(std::move(found)), search, finder.settings().zone);
  const std::size_t count = search.view.summary == View::Summary::kCount ? 0 : search.count;
  const auto [begin, end] = PageOf(cursor, count, matches.size());
  const ChartRecords page(matches.begin() + static_cast<std::ptrdiff_t>(begin), matches.begin() + static_cast<std::ptrdiff_t>(end));
  const auto included = Included(finder, search, page, call.scopes);
  if (!included.ok()) return FhirResponse(RefusalOf(included.status()));

  std::vector<BundleEntry> entries;
  entries.reserve(page.size() + included->size());
  for (const auto& record : page) entries.push_back(EntryOf(call, *record, search.view, "match"));
  for (const auto& record : *included) entries.push_back(EntryOf(call, *record, search.view, "include"));
  if (!search.ignored.empty()) entries.push_back({"", WarningOf(search.ignored), "outcome"});
  const bool is_last = end >= matches.size() || count == 0;
  const auto links = Links(call, question, is_last ? std::nullopt : std::optional(Cursor{cursor.snapshot, end}), sealer_);
  if (!links.ok()) return FhirResponse(RefusalOf(links.status()));
  return FhirResponse(200, SearchsetText(search.total ? std::optional(matches.size()) : std::nullopt, *links, entries));
}

namespace {

struct EverythingRequest {
  std::set<std::string> types;
  std::optional<absl::Time> since;
  // What the parameter "date" of types that have one must not say: that all of it ended before `start`, or began after `end`.
  std::vector<std::string> outside;
  std::size_t count = kPageMax;
  std::string cursor;
  Parameters used;
};

// http://hl7.org/fhir/R4/operation-patient-everything.html
Answer<EverythingRequest> ReadEverything(const Parameters& parameters, absl::TimeZone zone) {
  EverythingRequest request;
  for (const auto& [name, value] : parameters) {
    if (name == "_cursor") {
      request.cursor = value;
      continue;
    }
    request.used.emplace_back(name, value);
    const auto time = ParseSearchTime(value, zone);
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
        request.outside.push_back((name == "start" ? "eb" : "sa") + value);
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

// Of the care that touches the days from start to end, both of them whole; what has no date is of all days.
bool IsWithin(const Json& resource, const EverythingRequest& request, const MatchSettings& settings) {
  const SearchParameter* date = FindSearchParameter(resource.TextOf("resourceType"), "date");
  if (date == nullptr) return true;
  return std::none_of(request.outside.begin(), request.outside.end(), [&](const std::string& value) {
    SearchRequest search;
    search.type = resource.TextOf("resourceType");
    search.criteria.push_back({.parameter = date, .values = {value}});
    return Matches(resource, search, settings);
  });
}

}  // namespace

rpc::HttpResponse FhirSearcher::Everything(const FhirCall& call, const Parameters& parameters) const {
  const auto parsed = ReadEverything(parameters, ZoneOf(call.partition->tenant.time_zone));
  if (const auto* refusal = std::get_if<Refusal>(&parsed)) return FhirResponse(*refusal);
  const auto& request = std::get<EverythingRequest>(parsed);
  const std::string question = absl::StrCat("Patient/", call.id(), "/$everything?", QueryText(request.used));
  const auto begun = ReadCursor(call, question, request.cursor, sealer_);
  if (const auto* refusal = std::get_if<Refusal>(&begun)) return FhirResponse(*refusal);
  const auto& cursor = std::get<Cursor>(begun);
  FhirFinder finder(call, charts_, sealer_, cursor.snapshot);
  const auto chart = finder.ChartOf(call.id());
  if (!chart.ok()) return FhirResponse(RefusalOf(chart.status()));
  if (*chart == nullptr || (*chart)->records().empty()) return FhirResponse(Refuse(404, "not-found", "There is no such resource."));
  ChartRecords all;
  for (const auto& record : (*chart)->records()) {
    if (request.since.has_value() && record->row().arrived < *request.since) continue;
    if (!request.types.empty() && !request.types.contains(record->type())) continue;
    if (!record->Read().ok()) return FhirResponse(RefusalOf(record->Read().status()));
    if (IsWithin(record->resource(), request, finder.settings())) all.push_back(record);
  }
  std::stable_partition(all.begin(), all.end(), [](const auto& record) { return record->type() == "Patient"; });
  const auto [begin, end] = PageOf(cursor, request.count, all.size());
  std::vector<BundleEntry> entries;
  std::set<LocalReference> wanted;
  for (std::size_t i = begin; i < end; ++i) {
    for (LocalReference& reference : ReferencesOf(all[i]->resource(), nullptr, call.base_url)) {
      // Whom and what others' records concern is not this patient's everything.
      const TypeDefinition* type = FindType(reference.type);
      const bool is_wanted = request.types.empty() || request.types.contains(reference.type);
      if (is_wanted && type != nullptr && type->compartment.empty() && type->name != "Patient") wanted.insert(std::move(reference));
    }
    entries.push_back(EntryOf(call, *all[i], {}, "match"));
  }
  const auto referenced = finder.Referenced(wanted);
  if (!referenced.ok()) return FhirResponse(RefusalOf(referenced.status()));
  for (const auto& record : *referenced) entries.push_back(EntryOf(call, *record, {}, "include"));
  const auto links = Links(call, question, end >= all.size() ? std::nullopt : std::optional(Cursor{cursor.snapshot, end}), sealer_);
  if (!links.ok()) return FhirResponse(RefusalOf(links.status()));
  return FhirResponse(200, SearchsetText(all.size(), *links, entries));
}

}  // namespace custodian::exchange

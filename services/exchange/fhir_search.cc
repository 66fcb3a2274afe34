#include "services/exchange/fhir_search.h"

#include <algorithm>
#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "services/exchange/fhir_definitions.h"
#include "services/exchange/fhir_time.h"

namespace custodian::exchange {
namespace {

using Kind = SearchParameter::Kind;

constexpr std::size_t kCountMax = 1'000;
constexpr const char* kPrefixes[] = {"eq", "ne", "gt", "lt", "ge", "le", "sa", "eb"};

const std::map<std::string, std::vector<SearchParameter>, std::less<>>& Table() {
  static const auto* const kTable = new std::map<std::string, std::vector<SearchParameter>, std::less<>>{
      {"Consent",
       {{"_id", Kind::kId, "id"},
        {"category", Kind::kToken, "category"},
        {"date", Kind::kDate, "dateTime"},
        {"identifier", Kind::kToken, "identifier"},
        {"patient", Kind::kReference, "patient"},
        {"status", Kind::kToken, "status"}}},
      {"DiagnosticReport",
       {{"_id", Kind::kId, "id"},
        {"category", Kind::kToken, "category"},
        {"code", Kind::kToken, "code"},
        {"date", Kind::kDate, "effective"},
        {"identifier", Kind::kToken, "identifier"},
        {"patient", Kind::kReference, "subject"},
        {"status", Kind::kToken, "status"},
        {"subject", Kind::kReference, "subject"}}},
      {"ImagingStudy",
       {{"_id", Kind::kId, "id"},
        {"identifier", Kind::kToken, "identifier"},
        {"patient", Kind::kReference, "subject"},
        {"started", Kind::kDate, "started"},
        {"status", Kind::kToken, "status"},
        {"subject", Kind::kReference, "subject"}}},
      {"Observation",
       {{"_id", Kind::kId, "id"},
        {"category", Kind::kToken, "category"},
        {"code", Kind::kToken, "code"},
        {"date", Kind::kDate, "effective"},
        {"identifier", Kind::kToken, "identifier"},
        {"patient", Kind::kReference, "subject"},
        {"status", Kind::kToken, "status"},
        {"subject", Kind::kReference, "subject"}}},
      {"Patient", {{"_id", Kind::kId, "id"}, {"identifier", Kind::kToken, "identifier"}}},
      {"ServiceRequest",
       {{"_id", Kind::kId, "id"},
        {"authored", Kind::kDate, "authoredOn"},
        {"category", Kind::kToken, "category"},
        {"code", Kind::kToken, "code"},
        {"identifier", Kind::kToken, "identifier"},
        {"occurrence", Kind::kDate, "occurrence"},
        {"patient", Kind::kReference, "subject"},
        {"status", Kind::kToken, "status"},
        {"subject", Kind::kReference, "subject"}}},
  };
  return *kTable;
}

std::vector<std::string> SplitCommas(const std::string& value) { return absl::StrSplit(value, ',', absl::SkipEmpty()); }

// Prefix (eq without one) and the time behind it.
struct DateQuery {
  std::string prefix = "eq";
  FhirTime time;
};
std::optional<DateQuery> ParseDateQuery(std::string_view value, absl::TimeZone zone) {
  DateQuery query;
  if (value.size() > 2 && absl::ascii_isalpha(static_cast<unsigned char>(value[0]))) {
    query.prefix = std::string(value.substr(0, 2));
    if (std::find(std::begin(kPrefixes), std::end(kPrefixes), query.prefix) == std::end(kPrefixes)) return std::nullopt;
    value.remove_prefix(2);
  }
  const auto time = ParseFhirTime(value, zone);
  if (!time.has_value()) return std::nullopt;
  query.time = *time;
  return query;
}

bool CodingMatches(const Json& coding, std::string_view code_member, std::string_view wanted) {
  const std::string& system = coding.TextOf("system");
  const std::string& code = coding.TextOf(code_member);
  const auto bar = wanted.find('|');
  if (bar == std::string_view::npos) return !code.empty() && code == wanted;
  // "system|" means any code of the system, "|code" one without a system.
  if (system != wanted.substr(0, bar)) return false;
  return bar + 1 == wanted.size() || code == wanted.substr(bar + 1);
}

bool TokenMatches(const Json& value, std::string_view wanted) {
  if (value.is_array()) {
    return std::any_of(value.items().begin(), value.items().end(), [&](const Json& item) { return TokenMatches(item, wanted); });
  }
  // A code: its system is fixed by the element.
  if (value.is_string()) return value.text() == wanted;
  // CodeableConcept, Coding, Identifier.
  if (const Json* codings = value.Find("coding")) {
    return std::any_of(codings->items().begin(), codings->items().end(), [&](const Json& coding) { return CodingMatches(coding, "code", wanted); });
  }
  return value.Find("value") != nullptr ? CodingMatches(value, "value", wanted) : CodingMatches(value, "code", wanted);
}

// [begin, end) of an element that is a date, dateTime, instant or Period.
std::optional<std::pair<absl::Time, absl::Time>> SpanOf(const Json& resource, std::string_view element, absl::TimeZone zone) {
  for (const char* type : {"", "DateTime", "Instant", "Date"}) {
    const std::string& text = resource.TextOf(absl::StrCat(std::string(element), type));
    if (text.empty()) continue;
    const auto time = ParseFhirTime(text, zone);
    if (time.has_value()) return std::pair(time->begin, time->end);
  }
  const Json& period = resource[absl::StrCat(std::string(element), "Period")];
  if (!period.is_object()) return std::nullopt;
  const auto start = ParseFhirTime(period.TextOf("start"), zone);
  const auto end = ParseFhirTime(period.TextOf("end"), zone);
  return std::pair(start.has_value() ? start->begin : absl::InfinitePast(), end.has_value() ? end->end : absl::InfiniteFuture());
}

// http://hl7.org/fhir/R4/search.html#prefix
bool DateMatches(const std::pair<absl::Time, absl::Time>& span, const DateQuery& query) {
  const auto& [begin, end] = span;
  const FhirTime& wanted = query.time;
  const bool within = wanted.begin <= begin && end <= wanted.end;
  if (query.prefix == "eq") return within;
  if (query.prefix == "ne") return !within;
  if (query.prefix == "gt") return end > wanted.end;
  if (query.prefix == "lt") return begin < wanted.begin;
  if (query.prefix == "ge") return end > wanted.end || within;
  if (query.prefix == "le") return begin < wanted.begin || within;
  if (query.prefix == "sa") return begin >= wanted.end;
  return end <= wanted.begin;
}

bool ReferenceMatches(const Json& value, std::string_view wanted, std::string_view base_url) {
  if (value.is_array()) {
    return std::any_of(value.items().begin(), value.items().end(), [&](const Json& item) { return ReferenceMatches(item, wanted, base_url); });
  }
  if (wanted.starts_with(base_url) && wanted.size() > base_url.size() + 1) wanted.remove_prefix(base_url.size() + 1);
  const std::string& reference = value.TextOf("reference");
  return wanted.find('/') == std::string_view::npos ? reference == absl::StrCat("Patient/", std::string(wanted)) : reference == wanted;
}

bool CriterionMatches(const Json& resource, const Search::Criterion& criterion, std::string_view base_url, absl::TimeZone zone) {
  const SearchParameter& parameter = criterion.parameter;
  for (const std::string& value : SplitCommas(criterion.value)) {
    switch (parameter.kind) {
      case Kind::kId:
        if (resource.TextOf("id") == value) return true;
        break;
      case Kind::kToken:
        if (TokenMatches(resource[parameter.element], value)) return true;
        break;
      case Kind::kReference:
        if (ReferenceMatches(resource[parameter.element], value, base_url)) return true;
        break;
      case Kind::kDate: {
        const auto span = SpanOf(resource, parameter.element, zone);
        const auto query = ParseDateQuery(value, zone);
        if (span.has_value() && query.has_value() && DateMatches(*span, *query)) return true;
        break;
      }
    }
  }
  return false;
}

// Parameters that hold for every type. Nothing when `name` is none of them.
std::optional<Refusal> ReadCommon(const std::string& name, const std::string& value, Search& search, bool& known) {
  known = true;
  if (name == "_count" || name == "_offset") {
    std::size_t number = 0;
    if (!absl::SimpleAtoi(value, &number)) return Refuse(400, "value", absl::StrCat(name, " must be a whole number."));
    (name == "_count" ? search.count : search.offset) = name == "_count" ? std::min(number, kCountMax) : number;
    return std::nullopt;
  }
  if (name == "_revinclude") {
    if (value != "Provenance:target") return Refuse(400, "not-supported", "_revinclude takes Provenance:target only.");
    search.provenance = true;
    return std::nullopt;
  }
  if (name == "_format") {
    if (value != "json" && value != "application/json" && value != "application/fhir+json") {
      return Refuse(406, "not-supported", "_format must be json.");
    }
    return std::nullopt;
  }
  known = false;
  return std::nullopt;
}

std::optional<Refusal> CheckValue(const SearchParameter& parameter, const std::string& value) {
  const std::vector<std::string> values = SplitCommas(value);
  if (values.empty()) return Refuse(400, "value", absl::StrCat("The parameter ", std::string(parameter.name), " has no value."));
  for (const std::string& each : values) {
    if (parameter.kind == Kind::kId && !IsFhirId(each)) return Refuse(400, "value", "_id must be a FHIR id.");
    if (parameter.kind == Kind::kDate && !ParseDateQuery(each, absl::UTCTimeZone()).has_value()) {
      return Refuse(400, "value", absl::StrCat("The parameter ", std::string(parameter.name),
                                               " must be a FHIR date, with a prefix of ", absl::StrJoin(kPrefixes, ", "), " or none."));
    }
  }
  return std::nullopt;
}

}  // namespace

const std::vector<std::string>& SearchableTypes() {
  static const auto* const kTypes = [] {
    auto* types = new std::vector<std::string>;
    for (const auto& [type, parameters] : Table()) types->push_back(type);
    return types;
  }();
  return *kTypes;
}

const std::vector<SearchParameter>& SearchParametersOf(std::string_view type) {
  static const std::vector<SearchParameter>* const kNone = new std::vector<SearchParameter>;
  const auto found = Table().find(type);
  return found == Table().end() ? *kNone : found->second;
}

std::vector<std::string> Search::Values(std::string_view name) const {
  for (const Criterion& criterion : criteria) {
    if (criterion.parameter.name == name) return SplitCommas(criterion.value);
  }
  return {};
}

Answer<Search> ParseSearch(std::string_view type, const std::vector<std::pair<std::string, std::string>>& parameters) {
  Search search;
  search.type = type;
  const std::vector<SearchParameter>& table = SearchParametersOf(type);
  for (const auto& parameter : parameters) {
    // No structured binding: a lambda below takes the name.
    const std::string& name = parameter.first;
    const std::string& value = parameter.second;
    bool known = false;
    if (auto refusal = ReadCommon(name, value, search, known)) return *std::move(refusal);
    if (known) continue;
    const auto found = std::find_if(table.begin(), table.end(), [&](const SearchParameter& each) { return each.name == name; });
    if (found == table.end()) {
      std::vector<std::string> names;
      for (const SearchParameter& each : table) names.emplace_back(each.name);
      return Refuse(400, "not-supported",
                    absl::StrCat("'", name.substr(0, 40), "' is no search parameter of ", std::string(type), " here. It takes ",
                                 absl::StrJoin(names, ", "), ", _count, _offset, _format and _revinclude; no modifiers."));
    }
    if (auto refusal = CheckValue(*found, value)) return *std::move(refusal);
    search.criteria.push_back({*found, value});
  }
  return search;
}

bool Matches(const Json& resource, const Search& search, std::string_view base_url, absl::TimeZone zone) {
  return resource.TextOf("resourceType") == search.type &&
         std::all_of(search.criteria.begin(), search.criteria.end(),
                     [&](const Search::Criterion& criterion) { return CriterionMatches(resource, criterion, base_url, zone); });
}

}  // namespace custodian::exchange

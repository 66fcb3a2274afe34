#include "services/exchange/fhir_match.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/exchange/name_text.h"
#include "services/exchange/fhir_time.h"

namespace custodian::exchange {
namespace {

using Kind = SearchParameter::Kind;
using Modifier = Criterion::Modifier;
using Span = std::pair<absl::Time, absl::Time>;

constexpr std::string_view kPrefixes[] = {"eq", "ne", "gt", "lt", "ge", "le", "sa", "eb"};

// The prefix (eq without one), which is taken off; nothing for letters that are none.
std::optional<std::string_view> TakePrefix(std::string_view& value) {
  if (value.size() < 3 || !absl::ascii_isalpha(static_cast<unsigned char>(value[0]))) return "eq";
  const auto* found = std::find(std::begin(kPrefixes), std::end(kPrefixes), value.substr(0, 2));
  if (found == std::end(kPrefixes)) return std::nullopt;
  value.remove_prefix(2);
  return *found;
}

// http://hl7.org/fhir/R4/search.html#prefix, for times and numbers alike: what the value covers against what is wanted.
template <typename T>
bool RangeMatches(std::string_view prefix, const T& begin, const T& end, const T& wanted_begin, const T& wanted_end) {
  const bool within = wanted_begin <= begin && end <= wanted_end;
  if (prefix == "eq") return within;
  if (prefix == "ne") return !within;
  if (prefix == "gt") return end > wanted_end;
  if (prefix == "lt") return begin < wanted_begin;
  if (prefix == "ge") return end > wanted_end || within;
  if (prefix == "le") return begin < wanted_begin || within;
  if (prefix == "sa") return begin >= wanted_end;
  return end <= wanted_begin;
}

// ---- dates

std::optional<Span> SpanOfText(std::string_view text, absl::TimeZone zone) {
  const auto time = ParseFhirTime(text, zone);
  return time.has_value() ? std::optional(Span(time->begin, time->end)) : std::nullopt;
}

// Of a date, dateTime, instant, Period or Timing.
std::optional<Span> SpanOf(const Json& value, absl::TimeZone zone) {
  if (value.is_string()) return SpanOfText(value.text(), zone);
  if (const Json* events = value.Find("event")) {
    std::optional<Span> all;
    for (const Json& event : events->items()) {
      const auto span = SpanOfText(event.text(), zone);
      if (span.has_value()) all = all.has_value() ? Span(std::min(all->first, span->first), std::max(all->second, span->second)) : *span;
    }
    return all;
  }
  const Json* bounds = value.Find("repeat");
  const Json& period = bounds == nullptr ? value : (*bounds)["boundsPeriod"];
  const auto start = SpanOfText(period.TextOf("start"), zone);
  const auto end = SpanOfText(period.TextOf("end"), zone);
  if (!start.has_value() && !end.has_value()) return std::nullopt;
  return Span(start.has_value() ? start->first : absl::InfinitePast(), end.has_value() ? end->second : absl::InfiniteFuture());
}

bool DateMatches(const Json& value, std::string_view wanted, absl::TimeZone zone) {
  const auto prefix = TakePrefix(wanted);
  const auto span = SpanOf(value, zone);
  const auto time = ParseSearchTime(wanted, zone);
  return prefix.has_value() && span.has_value() && time.has_value() &&
         RangeMatches(*prefix, span->first, span->second, time->begin, time->end);
}

// ---- numbers and quantities

// [low, high) of a number by its precision: 100 is 99.5 to 100.5, 1.00 is 0.995 to 1.005.
std::optional<std::pair<double, double>> PrecisionOf(std::string_view text) {
  double value = 0;
  if (text.empty() || !absl::SimpleAtod(absl::string_view(text.data(), text.size()), &value) || !std::isfinite(value)) return std::nullopt;
  const auto exponent_at = text.find_first_of("eE");
  int exponent = 0;
  if (exponent_at != std::string_view::npos && !absl::SimpleAtoi(absl::string_view(text.data() + exponent_at + 1, text.size() - exponent_at - 1), &exponent)) {
    return std::nullopt;
  }
  const std::string_view digits = text.substr(0, exponent_at);
  const auto point = digits.find('.');
  const auto decimals = point == std::string_view::npos ? 0 : static_cast<int>(digits.size() - point - 1);
  const double half = 0.5 * std::pow(10.0, exponent - decimals);
  return std::pair(value - half, value + half);
}

bool NumberMatches(const Json& value, std::string_view wanted) {
  const auto prefix = TakePrefix(wanted);
  const auto range = PrecisionOf(wanted);
  double number = 0;
  if (!prefix.has_value() || !range.has_value() || !absl::SimpleAtod(value.text(), &number)) return false;
  const double exact = (range->first + range->second) / 2;
  const bool tolerant = *prefix == "eq" || *prefix == "ne";
  return RangeMatches(*prefix, number, number, tolerant ? range->first : exact, tolerant ? range->second : exact);
}

// `bar`: where the number ends in "number|system|code".
bool UnitMatches(const Json& value, std::string_view wanted, std::size_t bar) {
  if (bar == std::string_view::npos) return true;
  const auto second = wanted.find('|', bar + 1);
  if (second == std::string_view::npos) return false;
  const std::string_view system = wanted.substr(bar + 1, second - bar - 1);
  const std::string_view code = wanted.substr(second + 1);
  if (!system.empty()) return value.TextOf("system") == system && value.TextOf("code") == code;
  return code.empty() || value.TextOf("code") == code || value.TextOf("unit") == code || value.TextOf("currency") == code;
}

// A Range covers what lies between its ends.
bool QuantityInRange(const Json& low, const Json& high, std::string_view wanted) {
  const auto prefix = TakePrefix(wanted);
  const auto range = PrecisionOf(wanted);
  double begin = -HUGE_VAL, end = HUGE_VAL;
  if (!prefix.has_value() || !range.has_value()) return false;
  if (low.is_number() && !absl::SimpleAtod(low.text(), &begin)) return false;
  if (high.is_number() && !absl::SimpleAtod(high.text(), &end)) return false;
  return RangeMatches(*prefix, begin, end, range->first, range->second);
}

// A quantity is number|system|code.
bool QuantityMatches(const Json& value, std::string_view wanted) {
  const auto first = wanted.find('|');
  if (value.Find("low") != nullptr || value.Find("high") != nullptr) {
    const Json& any = value.Find("low") != nullptr ? value["low"] : value["high"];
    return QuantityInRange(value["low"]["value"], value["high"]["value"], wanted.substr(0, first)) && UnitMatches(any, wanted, first);
  }
  return NumberMatches(value["value"], wanted.substr(0, first)) && UnitMatches(value, wanted, first);
}

// ---- tokens

bool CodingMatches(std::string_view system, std::string_view code, std::string_view wanted) {
  const auto bar = wanted.find('|');
  if (bar == std::string_view::npos) return !code.empty() && code == wanted;
  // "system|" means any code of the system, "|code" one without a system.
  if (system != wanted.substr(0, bar)) return false;
  return bar + 1 == wanted.size() || code == wanted.substr(bar + 1);
}

bool TokenMatches(const Json& value, std::string_view wanted) {
  // The system of a code is fixed by its element.
  if (value.is_string()) return value.text() == wanted.substr(wanted.find('|') == std::string_view::npos ? 0 : wanted.find('|') + 1);
  if (value.is_bool()) return (value.boolean() ? "true" : "false") == wanted;
  if (const Json* codings = value.Find("coding")) {
    return std::any_of(codings->items().begin(), codings->items().end(),
                       [&](const Json& coding) { return CodingMatches(coding.TextOf("system"), coding.TextOf("code"), wanted); });
  }
  // Identifier and ContactPoint have a value, Coding a code.
  return CodingMatches(value.TextOf("system"), value.Find("value") != nullptr ? value.TextOf("value") : value.TextOf("code"), wanted);
}

// ---- strings

// Every text in a string, HumanName, Address, ...
template <typename Test>
bool AnyText(const Json& value, const Test& test) {
  if (value.is_string()) return test(value.text());
  if (std::any_of(value.items().begin(), value.items().end(), [&](const Json& item) { return AnyText(item, test); })) return true;
  return std::any_of(value.members().begin(), value.members().end(), [&](const Json::Member& member) {
    return member.name != "use" && member.name != "type" && member.name != "period" && member.name != "extension" && AnyText(member.value, test);
  });
}

// What people read of a code: CodeableConcept.text, Coding.display, Identifier.type.text.
bool TokenTextMatches(const Json& value, std::string_view wanted) {
  const std::string folded = NormalizeName(wanted);
  const auto begins = [&](const Json& text) { return text.is_string() && NormalizeName(text.text()).starts_with(folded); };
  const auto& codings = value["coding"].items();
  return begins(value["text"]) || begins(value["display"]) || begins(value["type"]["text"]) ||
         std::any_of(codings.begin(), codings.end(), [&](const Json& coding) { return begins(coding["display"]); });
}

// An Identifier by "system|code|value", system and code being its type's.
bool IdentifierOfTypeMatches(const Json& value, std::string_view wanted) {
  const auto bar = wanted.rfind('|');
  return value.TextOf("value") == wanted.substr(bar + 1) && value["type"].is_object() && TokenMatches(value["type"], wanted.substr(0, bar));
}

bool StringMatches(const Json& value, const std::string& wanted, Modifier modifier) {
  if (modifier == Modifier::kExact) return AnyText(value, [&](const std::string& text) { return text == wanted; });
  const std::string folded = NormalizeName(wanted);
  return AnyText(value, [&](const std::string& text) {
    const std::string own = NormalizeName(text);
    return modifier == Modifier::kContains ? own.find(folded) != std::string::npos : own.starts_with(folded);
  });
}

// ---- uris

bool IsBelow(std::string_view uri, std::string_view above) {
  return uri.starts_with(above) && (uri.size() == above.size() || above.ends_with('/') || uri[above.size()] == '/');
}

bool UriMatches(std::string_view uri, std::string_view wanted, Modifier modifier) {
  if (modifier == Modifier::kBelow) return IsBelow(uri, wanted);
  return modifier == Modifier::kAbove ? IsBelow(wanted, uri) : uri == wanted;
}

// ---- references

bool ReferenceMatches(const Json& value, const Criterion& criterion, std::string_view wanted, std::string_view base_url) {
  if (criterion.modifier == Modifier::kIdentifier) return TokenMatches(value["identifier"], wanted);
  const std::string_view text = value.is_string() ? std::string_view(value.text()) : std::string_view(value.TextOf("reference"));
  if (text.empty()) return false;
  const ReferenceParts own = SplitReference(text, base_url);
  const ReferenceParts asked = SplitReference(wanted, base_url);
  // What is compared first is cheap, and seldom the same.
  if (own.id == asked.id && (own.type == asked.type || asked.type.empty()) && IsResourceType(own.type) && IsFhirId(own.id)) {
    const bool of_patient = asked.type.empty() && criterion.parameter->name == "patient";
    return (criterion.type.empty() || criterion.type == own.type) && (!of_patient || own.type == "Patient");
  }
  // A canonical, or a URL of another server.
  return text == wanted || text.substr(0, text.find('|')) == wanted;
}

bool ValueMatches(const FhirNode& node, const Criterion& criterion, const std::string& wanted, const MatchSettings& settings) {
  switch (criterion.parameter->kind) {
    case Kind::kToken:
      if (criterion.modifier == Modifier::kText) return TokenTextMatches(*node.value, wanted);
      if (criterion.modifier == Modifier::kOfType) return IdentifierOfTypeMatches(*node.value, wanted);
      // HL7 calls a reference a token in one composite (DocumentReference?relationship).
      if (node.value->Find("reference") != nullptr) return ReferenceMatches(*node.value, criterion, wanted, settings.base_url);
      return TokenMatches(*node.value, wanted);
    case Kind::kDate:
      return DateMatches(*node.value, wanted, settings.zone);
    case Kind::kReference:
      return ReferenceMatches(*node.value, criterion, wanted, settings.base_url);
    case Kind::kString:
      return StringMatches(*node.value, wanted, criterion.modifier);
    case Kind::kQuantity:
      return QuantityMatches(*node.value, wanted);
    case Kind::kNumber:
      return NumberMatches(*node.value, wanted);
    case Kind::kUri:
      return UriMatches(node.value->text(), wanted, criterion.modifier);
    case Kind::kComposite:
      return false;
  }
  return false;
}

bool AnyMatches(std::span<const FhirNode> nodes, const Criterion& criterion, const MatchSettings& settings) {
  return std::any_of(criterion.values.begin(), criterion.values.end(), [&](const std::string& wanted) {
    return std::any_of(nodes.begin(), nodes.end(), [&](const FhirNode& node) { return ValueMatches(node, criterion, wanted, settings); });
  });
}

// All components at one value.
bool CompositeMatches(const Json& resource, const FhirNode& value, const std::vector<Criterion>& components, const MatchSettings& settings) {
  const FhirNode node = ResourceNode(resource);
  FhirPathContext context{node, node, {}};
  return std::all_of(components.begin(), components.end(), [&](const Criterion& component) {
    return AnyMatches(component.parameter->expression.Evaluate(value, context), component, settings);
  });
}

}  // namespace

bool Matches(const Json& resource, const SearchRequest& search, const MatchSettings& settings) {
  if (resource.TextOf("resourceType") != search.type) return false;
  const FhirNode node = ResourceNode(resource);
  FhirPathContext context{node, node, {}};
  return std::all_of(search.criteria.begin(), search.criteria.end(), [&](const Criterion& criterion) {
    return !criterion.chain.empty() || CriterionMatches(resource, criterion.parameter->expression.Evaluate(node, context), criterion, settings);
  });
}

bool CriterionMatches(const Json& resource, std::span<const FhirNode> values, const Criterion& criterion, const MatchSettings& settings) {
  if (criterion.modifier == Modifier::kMissing) return values.empty() == (criterion.values.front() == "true");
  if (criterion.parameter->kind != Kind::kComposite) return AnyMatches(values, criterion, settings) != (criterion.modifier == Modifier::kNot);
  return std::any_of(values.begin(), values.end(), [&](const FhirNode& value) {
    return std::any_of(criterion.composites.begin(), criterion.composites.end(),
                       [&](const auto& components) { return CompositeMatches(resource, value, components, settings); });
  });
}

namespace {

std::string_view KeyOfReference(std::string_view reference, std::string_view base_url) {
  // A canonical may name a version.
  return SplitReference(reference.substr(0, reference.find('|')), base_url).id;
}

}  // namespace

std::vector<std::string_view> KeysOf(const FhirNode& value, Kind kind, std::string_view base_url) {
  const Json& json = *value.value;
  if (kind == Kind::kReference) return {KeyOfReference(json.is_string() ? json.text() : json.TextOf("reference"), base_url)};
  if (json.is_string()) return {json.text()};
  if (json.is_bool()) return {json.boolean() ? "true" : "false"};
  const Json* codings = json.Find("coding");
  if (codings == nullptr) return {json.Find("value") != nullptr ? json.TextOf("value") : json.TextOf("code")};
  std::vector<std::string_view> keys;
  for (const Json& coding : codings->items()) keys.emplace_back(coding.TextOf("code"));
  return keys;
}

std::optional<std::vector<std::string_view>> KeysOf(const Criterion& criterion, std::string_view base_url) {
  const Kind kind = criterion.parameter->kind;
  const bool plain = criterion.modifier == Modifier::kNone || criterion.modifier == Modifier::kType;
  if (!plain || !criterion.chain.empty() || (kind != Kind::kToken && kind != Kind::kReference)) return std::nullopt;
  std::vector<std::string_view> keys;
  for (const std::string_view value : criterion.values) {
    const auto bar = value.find('|');
    keys.push_back(kind == Kind::kReference ? KeyOfReference(value, base_url) : value.substr(bar == std::string_view::npos ? 0 : bar + 1));
    // "system|": any code.
    if (keys.back().empty()) return std::nullopt;
  }
  return keys;
}

std::optional<std::string> FaultOfValues(const Criterion& criterion) {
  if (criterion.values.empty()) return "has no value.";
  if (criterion.modifier != Modifier::kMissing) {
    for (const auto& components : criterion.composites) {
      if (components.empty()) return absl::StrCat("is a composite: ", criterion.parameter->components.size(), " values joined by $, e.g. 718-7$gt12.");
      for (const Criterion& component : components) {
        if (const auto fault = FaultOfValues(component)) return absl::StrCat("has a component that ", *fault);
      }
    }
  }
  for (const std::string& value : criterion.values) {
    if (criterion.modifier == Modifier::kMissing) {
      if (criterion.values.size() > 1 || (value != "true" && value != "false")) return "with :missing must be true or false.";
      continue;
    }
    if (criterion.modifier == Modifier::kOfType && std::count(value.begin(), value.end(), '|') < 2) return "with :of-type must be system|code|value.";
    if (criterion.parameter->name == "_id" && !IsFhirId(value)) return "must be a FHIR id.";
    std::string_view text = value;
    const bool has_prefix = criterion.parameter->kind == Kind::kDate || criterion.parameter->kind == Kind::kNumber ||
                            criterion.parameter->kind == Kind::kQuantity;
    if (!has_prefix) continue;
    const bool prefix_known = TakePrefix(text).has_value();
    if (criterion.parameter->kind == Kind::kDate) {
      if (!prefix_known || !ParseSearchTime(text, absl::UTCTimeZone()).has_value()) {
        return "must be a FHIR date (2026, 2026-03, 2026-03-01, 2026-03-01T10:00, with seconds and an offset if you like), with a prefix of eq, ne, gt, lt, ge, le, sa, eb or none.";
      }
    } else if (!prefix_known || !PrecisionOf(text.substr(0, text.find('|'))).has_value() ||
               (criterion.parameter->kind == Kind::kNumber && text.find('|') != std::string_view::npos)) {
      return "must be a number (a quantity number|system|code), with a prefix of eq, ne, gt, lt, ge, le, sa, eb or none.";
    }
  }
  return std::nullopt;
}

std::vector<SortValue> SortValuesOf(const Json& resource, const std::vector<SortKey>& keys, absl::TimeZone zone) {
  std::vector<SortValue> values;
  const FhirNode node = ResourceNode(resource);
  FhirPathContext context{node, node, {}};
  for (const SortKey& key : keys) {
    SortValue& value = values.emplace_back();
    // The lowest when ascending, the highest when descending.
    for (const FhirNode& each : key.parameter->expression.Evaluate(node, context)) {
      SortValue own{.missing = false, .time = {}, .number = 0, .text = ""};
      const Json& json = *each.value;
      switch (key.parameter->kind) {
        case Kind::kDate: {
          const auto span = SpanOf(json, zone);
          if (!span.has_value()) continue;
          own.time = key.descending ? span->second : span->first;
          break;
        }
        case Kind::kNumber:
        case Kind::kQuantity:
          if (!absl::SimpleAtod(json.is_number() ? json.text() : json.TextOf("value"), &own.number)) continue;
          break;
        case Kind::kReference:
          own.text = json.is_string() ? json.text() : json.TextOf("reference");
          break;
        default:
          AnyText(json.Find("coding") != nullptr ? json["coding"][0]["code"] : json.Find("value") != nullptr ? json["value"] : json,
                  [&](const std::string& text) {
                    own.text = key.parameter->kind == Kind::kString ? NormalizeName(text) : text;
                    return true;
                  });
          break;
      }
      const bool better = value.missing || (key.descending ? std::tie(value.time, value.number, value.text) < std::tie(own.time, own.number, own.text)
                                                           : std::tie(own.time, own.number, own.text) < std::tie(value.time, value.number, value.text));
      if (better) value = std::move(own);
    }
  }
  return values;
}

bool SortsBefore(const std::vector<SortValue>& a, const std::vector<SortValue>& b, const std::vector<SortKey>& keys) {
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (a[i].missing != b[i].missing) return b[i].missing;
    const auto left = std::tie(a[i].time, a[i].number, a[i].text);
    const auto right = std::tie(b[i].time, b[i].number, b[i].text);
    if (left != right) return (left < right) != keys[i].descending;
  }
  return false;
}

}  // namespace custodian::exchange

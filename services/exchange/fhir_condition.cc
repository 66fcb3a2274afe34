#include "services/exchange/fhir_condition.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/rpc/http.h"

namespace custodian::exchange {
namespace {

// A '+' stands for itself: these queries are written by hand into headers and Bundles more often than by a form.
Parameters ParametersOf(std::string_view query) {
  Parameters parameters;
  for (const absl::string_view part : absl::StrSplit(absl::string_view(query.data(), query.size()), '&', absl::SkipEmpty())) {
    const std::string_view pair(part.data(), part.size());
    const auto equals = std::min(pair.find('='), pair.size());
    parameters.emplace_back(rpc::PercentDecode(pair.substr(0, equals)), rpc::PercentDecode(pair.substr(std::min(equals + 1, pair.size()))));
  }
  return parameters;
}

// "system|value", both parts of which may be looked up; nothing for anything else.
std::optional<IdentifierQuery> IdentifierOf(const Criterion& criterion, std::string_view type) {
  if (criterion.parameter->name != "identifier" || criterion.modifier != Criterion::Modifier::kNone || !criterion.chain.empty()) return std::nullopt;
  if (criterion.values.size() != 1) return std::nullopt;
  const std::string& token = criterion.values.front();
  const auto bar = token.find('|');
  if (bar == std::string::npos || bar + 1 == token.size()) return std::nullopt;
  return IdentifierQuery{std::string(type), token.substr(0, bar), token.substr(bar + 1)};
}

}  // namespace

std::optional<std::uint64_t> ParseEntityTag(std::string_view text) {
  if (text.starts_with("W/")) text.remove_prefix(2);
  if (text.size() < 3 || text.front() != '"' || text.back() != '"') return std::nullopt;
  text = text.substr(1, text.size() - 2);
  std::uint64_t version = 0;
  if (!absl::SimpleAtoi(absl::string_view(text.data(), text.size()), &version)) return std::nullopt;
  return version;
}

std::optional<VersionCondition> ParseVersionCondition(std::string_view text) {
  if (text == "*") return VersionCondition{};
  const auto version = ParseEntityTag(text);
  return version.has_value() ? std::optional(VersionCondition{version}) : std::nullopt;
}

std::vector<IdentifierQuery> IdentifiersOf(const Json& resource) {
  std::vector<IdentifierQuery> identifiers;
  const auto add = [&](const Json& identifier) {
    if (!identifier.TextOf("value").empty()) {
      identifiers.push_back({resource.TextOf("resourceType"), identifier.TextOf("system"), identifier.TextOf("value")});
    }
  };
  const Json& found = resource["identifier"];
  if (found.is_object()) add(found);
  for (const Json& each : found.items()) add(each);
  return identifiers;
}

std::optional<Condition> ParseCondition(std::string_view type, std::string_view query, std::string_view base_url) {
  if (!base_url.empty() && query.starts_with(base_url) && query.substr(base_url.size()).starts_with('/')) query.remove_prefix(base_url.size() + 1);
  if (query.starts_with(type) && query.substr(type.size()).starts_with('?')) query.remove_prefix(type.size());
  if (query.starts_with('?')) query.remove_prefix(1);
  auto parsed = ParseSearch(type, ParametersOf(query), /*lenient=*/false);
  auto* search = std::get_if<SearchRequest>(&parsed);
  if (search == nullptr) return std::nullopt;
  auto& criteria = search->criteria;
  if (std::any_of(criteria.begin(), criteria.end(), [](const Criterion& criterion) { return !criterion.chain.empty(); })) return std::nullopt;
  for (auto criterion = criteria.begin(); criterion != criteria.end(); ++criterion) {
    auto identifier = IdentifierOf(*criterion, type);
    if (!identifier.has_value()) continue;
    criteria.erase(criterion);
    return Condition{*std::move(identifier), std::move(*search)};
  }
  return std::nullopt;
}

}  // namespace custodian::exchange

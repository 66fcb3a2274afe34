// What makes a write conditional (http://hl7.org/fhir/R4/http.html#concurrency, #ccreate, #cond-update): the version that is stored, or what a query
// finds. Pure.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_FHIR_CONDITION_H_
#define CUSTODIAN_SERVICES_EXCHANGE_FHIR_CONDITION_H_

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "services/exchange/fhir_json.h"
#include "services/exchange/fhir_search.h"

namespace custodian::exchange {

// "W/\"3\"" or "\"3\""; nothing for anything else.
[[nodiscard]] std::optional<std::uint64_t> ParseEntityTag(std::string_view text);

// Of If-Match and If-None-Match: one version, or ("*") any that is stored.
struct VersionCondition {
  std::optional<std::uint64_t> version;

  // `stored` is 0 where nothing is.
  [[nodiscard]] bool Names(std::uint64_t stored) const { return stored > 0 && (!version.has_value() || *version == stored); }
};
// "*" or an entity tag; nothing for anything else.
[[nodiscard]] std::optional<VersionCondition> ParseVersionCondition(std::string_view text);

// Business identifier of a resource of `type`.
struct IdentifierQuery {
  std::string type;
  std::string system;
  std::string value;
  auto operator<=>(const IdentifierQuery&) const = default;
};
// Identifiers of a resource that have a value.
[[nodiscard]] std::vector<IdentifierQuery> IdentifiersOf(const Json& resource);

// What finds a resource: an identifier that it carries, and further search parameters that it matches.
struct Condition {
  IdentifierQuery identifier;
  SearchRequest rest;
};
// "identifier=<system>|<value>" and, joined by '&', other search parameters of the type that lead to no other resource; all of it perhaps behind
// '?', "Type?" or `base_url`/Type?. Nothing for anything else.
[[nodiscard]] std::optional<Condition> ParseCondition(std::string_view type, std::string_view query, std::string_view base_url);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_FHIR_CONDITION_H_

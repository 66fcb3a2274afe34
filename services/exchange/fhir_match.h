// Whether a resource matches a search, and in which order matches come. Pure.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_FHIR_MATCH_H_
#define CUSTODIAN_SERVICES_EXCHANGE_FHIR_MATCH_H_

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "services/exchange/fhir_reference.h"
#include "services/exchange/fhir_search.h"

namespace custodian::exchange {

// `base_url`: references to it are ours. `zone`: of dates without a time.
struct MatchSettings {
  std::string base_url;
  absl::TimeZone zone;
};

// By type and criteria, but those of chains and _has: they are of other resources too.
[[nodiscard]] bool Matches(const Json& resource, const SearchRequest& search, const MatchSettings& settings);
// The same of one criterion, `values` being what its parameter's expression finds in the resource.
[[nodiscard]] bool CriterionMatches(const Json& resource, std::span<const FhirNode> values, const Criterion& criterion, const MatchSettings& settings);

// Codes, and ids that references lead to, by which values are found without looking at each: a value matches an alternative of a criterion
// only when one of its keys is the alternative's. `base_url`: references to it are ours. Borrows from `value`.
[[nodiscard]] std::vector<std::string_view> KeysOf(const FhirNode& value, SearchParameter::Kind kind, std::string_view base_url);
// One for each alternative; nothing where a criterion has no such keys.
[[nodiscard]] std::optional<std::vector<std::string_view>> KeysOf(const Criterion& criterion, std::string_view base_url);

// What is wrong with a criterion's values; nothing when they can be searched for.
[[nodiscard]] std::optional<std::string> FaultOfValues(const Criterion& criterion);

// Where a resource stands among others; compared key by key, a missing one last.
struct SortValue {
  bool missing = true;
  absl::Time time;
  double number = 0;
  std::string text;
};
[[nodiscard]] std::vector<SortValue> SortValuesOf(const Json& resource, const std::vector<SortKey>& keys, absl::TimeZone zone);
[[nodiscard]] bool SortsBefore(const std::vector<SortValue>& a, const std::vector<SortValue>& b, const std::vector<SortKey>& keys);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_FHIR_MATCH_H_

// FHIR search of a patient's opened records, in memory: which parameters each type has, and whether a resource matches. Pure.
// Source: http://hl7.org/fhir/R4/search.html (token, date with prefixes, reference; comma is "or", repetition is "and").
#ifndef CUSTODIAN_SERVICES_EXCHANGE_FHIR_SEARCH_H_
#define CUSTODIAN_SERVICES_EXCHANGE_FHIR_SEARCH_H_

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "services/exchange/fhir_answer.h"
#include "services/exchange/fhir_json.h"

namespace custodian::exchange {

struct SearchParameter {
  enum class Kind { kToken, kDate, kReference, kId };
  std::string_view name;
  Kind kind;
  // Element searched; of a choice the part before the type ("effective").
  std::string_view element;
};

// Types that can be searched, sorted.
[[nodiscard]] const std::vector<std::string>& SearchableTypes();
// Parameters of a searchable type; empty for others.
[[nodiscard]] const std::vector<SearchParameter>& SearchParametersOf(std::string_view type);

struct Search {
  std::string type;
  struct Criterion {
    SearchParameter parameter;
    std::string value;
  };
  std::vector<Criterion> criteria;
  // Resources a page; 0 only counts.
  std::size_t count = 1'000;
  std::size_t offset = 0;
  bool provenance = false;

  // Values of the first criterion with this name, split at commas; empty without.
  [[nodiscard]] std::vector<std::string> Values(std::string_view name) const;
};

// Refuses (400) an unknown parameter, modifier, prefix or value, naming it.
[[nodiscard]] Answer<Search> ParseSearch(std::string_view type, const std::vector<std::pair<std::string, std::string>>& parameters);

// `base_url`: references to it are ours. `zone`: of dates without a time.
[[nodiscard]] bool Matches(const Json& resource, const Search& search, std::string_view base_url, absl::TimeZone zone);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_FHIR_SEARCH_H_

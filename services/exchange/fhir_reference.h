// References as they stand in resources and in searches, and where on this server they lead. Pure.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_FHIR_REFERENCE_H_
#define CUSTODIAN_SERVICES_EXCHANGE_FHIR_REFERENCE_H_

#include <compare>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "services/exchange/fhir_definitions.h"
#include "services/exchange/fhir_json.h"

namespace custodian::exchange {

// What stands before and behind the slash of "Type/id", "Type/id/_history/n" or an absolute URL below `base_url`, whatever it is; a text
// without a slash is all id. Borrows from `reference`.
struct ReferenceParts {
  std::string_view type;
  std::string_view id;
};
[[nodiscard]] ReferenceParts SplitReference(std::string_view reference, std::string_view base_url);

// Type and id of a resource that would lie on this server.
struct LocalReference {
  std::string type;
  std::string id;
  auto operator<=>(const LocalReference&) const = default;
};
[[nodiscard]] std::optional<LocalReference> ParseLocalReference(std::string_view reference, std::string_view base_url);
// Of the values that a search parameter of references found.
[[nodiscard]] std::vector<LocalReference> ReferencesOf(std::span<const FhirNode> values, std::string_view base_url);
// Of every element that `parameter` searches; of every Reference when it is null.
[[nodiscard]] std::vector<LocalReference> ReferencesOf(const Json& resource, const SearchParameter* parameter, std::string_view base_url);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_FHIR_REFERENCE_H_

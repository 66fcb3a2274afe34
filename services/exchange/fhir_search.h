// FHIR search requests read (http://hl7.org/fhir/R4/search.html): every search parameter that R4 defines for a type, with prefixes and
// modifiers, and what is said of the answer (_include, _sort, _count, _summary, ...). Pure.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_FHIR_SEARCH_H_
#define CUSTODIAN_SERVICES_EXCHANGE_FHIR_SEARCH_H_

#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "services/exchange/fhir_answer.h"
#include "services/exchange/fhir_definitions.h"
#include "services/exchange/fhir_view.h"

namespace custodian::exchange {

using Parameters = std::vector<std::pair<std::string, std::string>>;

struct SearchRequest;

// One parameter; its values are alternatives.
struct Criterion {
  enum class Modifier { kNone, kMissing, kNot, kExact, kContains, kText, kOfType, kType, kIdentifier, kBelow, kAbove };
  const SearchParameter* parameter = nullptr;
  Modifier modifier = Modifier::kNone;
  // Of kType: "subject:Patient".
  std::string type = {};
  std::vector<std::string> values = {};
  // Instead of values: searches by one criterion each. Of a chain, one for each type that `parameter` may lead to, and what it leads to must
  // be found by one of them. Of _has (`reverse`) there is one; `parameter` is of its type, and what it finds must refer to the resource.
  std::vector<SearchRequest> chain;
  bool reverse = false;
  // Of a composite parameter: for each value, a criterion for each component.
  std::vector<std::vector<Criterion>> composites = {};
};

// Of _include, and of _revinclude (then `source` refers to what was found).
struct Inclusion {
  std::string source;
  // Null for *: every reference.
  const SearchParameter* parameter = nullptr;
  // Empty means any.
  std::string target;
  bool iterate = false;
};

struct SortKey {
  const SearchParameter* parameter = nullptr;
  bool descending = false;
};

struct SearchRequest {
  std::string type;
  std::vector<Criterion> criteria;
  std::vector<Inclusion> includes;
  std::vector<Inclusion> reverse_includes;
  std::vector<SortKey> sort;
  // Matches a page; 0 only counts.
  std::size_t count = 0;
  bool total = true;
  View view;
  std::string cursor;
  // What was understood, in order and without the cursor: the self link, and what a cursor is bound to.
  Parameters used;
  // Names that were not, where the client asked for lenient handling.
  std::vector<std::string> ignored;

  // Values of the criteria with this name and no modifier; empty without.
  [[nodiscard]] std::vector<std::string> Values(std::string_view name) const;
};

inline constexpr std::size_t kPageDefault = 1'000;
inline constexpr std::size_t kPageMax = 1'000;
// Links of chains and _has in one parameter.
inline constexpr int kChainLinksMax = 4;

// Refuses (400) an unknown parameter, modifier, prefix or value, naming it; an unknown parameter is passed over when `lenient`.
[[nodiscard]] Answer<SearchRequest> ParseSearch(std::string_view type, const Parameters& parameters, bool lenient);

// Types whose resources a parameter of a search of `type` is answered from besides: those of a chain or _has. None where it is refused.
[[nodiscard]] std::set<std::string> TypesReached(std::string_view type, const std::string& name, const std::string& value);

// "_count=10&patient=x", percent-encoded.
[[nodiscard]] std::string QueryText(const Parameters& parameters);
// At commas that are not escaped, empty ones left out. "\\," "\\$" "\\\\" are unescaped, "\\|" only behind the bar that separates.
[[nodiscard]] std::vector<std::string> SplitValues(std::string_view value);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_FHIR_SEARCH_H_

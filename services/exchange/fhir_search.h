// FHIR search requests read (http://hl7.org/fhir/R4/search.html): every search parameter that R4 defines for a type, with prefixes and
// modifiers, and what is said of the answer (_include, _sort, _count, _summary, ...). Pure.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_FHIR_SEARCH_H_
#define CUSTODIAN_SERVICES_EXCHANGE_FHIR_SEARCH_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "services/exchange/fhir_answer.h"
#include "services/exchange/fhir_definitions.h"
#include "services/exchange/fhir_view.h"

namespace custodian::exchange {

using Parameters = std::vector<std::pair<std::string, std::string>>;

// One parameter; its values are alternatives.
struct Criterion {
  enum class Modifier { kNone, kMissing, kNot, kExact, kContains, kType, kIdentifier };
  const SearchParameter* parameter = nullptr;
  Modifier modifier = Modifier::kNone;
  // Of kType: "subject:Patient".
  std::string type;
  std::vector<std::string> values;
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

// Refuses (400) an unknown parameter, modifier, prefix or value, naming it; an unknown parameter is passed over when `lenient`.
[[nodiscard]] Answer<SearchRequest> ParseSearch(std::string_view type, const Parameters& parameters, bool lenient);

// "_count=10&patient=x", percent-encoded.
[[nodiscard]] std::string QueryText(const Parameters& parameters);
// At commas that are not escaped; "\\," "\\|" "\\$" "\\\\" are unescaped where they are no separators.
[[nodiscard]] std::vector<std::string> SplitValues(std::string_view value);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_FHIR_SEARCH_H_

// How much of a resource a client wants: _summary and _elements (http://hl7.org/fhir/R4/search.html#elements). Pure.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_FHIR_VIEW_H_
#define CUSTODIAN_SERVICES_EXCHANGE_FHIR_VIEW_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "services/exchange/fhir_answer.h"
#include "services/exchange/fhir_json.h"

namespace custodian::exchange {

struct View {
  enum class Summary { kFalse, kTrue, kText, kData, kCount };
  Summary summary = Summary::kFalse;
  // Top-level elements; empty means all.
  std::vector<std::string> elements;

  [[nodiscard]] bool IsWhole() const { return elements.empty() && (summary == Summary::kFalse || summary == Summary::kCount); }
};

// Reads _summary or _elements into `view`; false when `name` is neither. An element that R4 does not know of `type` ("Other.element": of Other) is
// refused, or passed over when `lenient`.
[[nodiscard]] Answer<bool> ReadView(std::string_view type, std::string_view name, const std::string& value, bool lenient, View& view);

// Leaves what the view wants, what R4 demands and what changes the meaning of the rest, and tags it SUBSETTED; a whole view changes nothing.
void ApplyView(const View& view, Json& resource);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_FHIR_VIEW_H_

#include "services/exchange/fhir_reference.h"

#include <utility>

namespace custodian::exchange {

ReferenceParts SplitReference(std::string_view reference, std::string_view base_url) {
  if (!base_url.empty() && reference.starts_with(base_url) && reference.size() > base_url.size()) reference.remove_prefix(base_url.size() + 1);
  if (const auto version = reference.find("/_history/"); version != std::string_view::npos) reference = reference.substr(0, version);
  const auto slash = reference.find('/');
  if (slash == std::string_view::npos) return {"", reference};
  return {reference.substr(0, slash), reference.substr(slash + 1)};
}

std::optional<LocalReference> ParseLocalReference(std::string_view reference, std::string_view base_url) {
  const ReferenceParts parts = SplitReference(reference, base_url);
  if (!IsResourceType(parts.type) || !IsFhirId(parts.id)) return std::nullopt;
  return LocalReference{std::string(parts.type), std::string(parts.id)};
}

std::vector<LocalReference> ReferencesOf(std::span<const FhirNode> values, std::string_view base_url) {
  std::vector<LocalReference> found;
  for (const FhirNode& each : values) {
    auto local = ParseLocalReference(each.value->is_string() ? each.value->text() : each.value->TextOf("reference"), base_url);
    if (local.has_value()) found.push_back(*std::move(local));
  }
  return found;
}

std::vector<LocalReference> ReferencesOf(const Json& resource, const SearchParameter* parameter, std::string_view base_url) {
  if (parameter != nullptr) {
    const FhirNode node = ResourceNode(resource);
    FhirPathContext context{node, node, {}};
    return ReferencesOf(parameter->expression.Evaluate(node, context), base_url);
  }
  std::vector<LocalReference> found;
  VisitReferences(resource, "", [&](const std::string& reference, const std::string&) {
    if (auto local = ParseLocalReference(reference, base_url)) found.push_back(*std::move(local));
  });
  return found;
}

}  // namespace custodian::exchange

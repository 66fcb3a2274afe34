#include "services/exchange/fhir_view.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/exchange/fhir_definitions.h"

namespace custodian::exchange {
namespace {

constexpr std::pair<std::string_view, View::Summary> kSummaries[] = {{"true", View::Summary::kTrue},
                                                                     {"text", View::Summary::kText},
                                                                     {"data", View::Summary::kData},
                                                                     {"count", View::Summary::kCount},
                                                                     {"false", View::Summary::kFalse}};

bool Keeps(const View& view, const ElementDefinition& element) {
  if (element.name == "id" || element.name == "meta" || element.name == "implicitRules") return true;
  if (!view.elements.empty()) {
    return element.required || element.modifier || std::find(view.elements.begin(), view.elements.end(), element.name) != view.elements.end();
  }
  switch (view.summary) {
    case View::Summary::kTrue:
      return element.summary;
    case View::Summary::kText:
      return element.required || element.name == "text";
    case View::Summary::kData:
      return element.name != "text";
    default:
      return true;
  }
}

// By its name, or that of a type it may have: "value" and "valueQuantity" alike. Null when there is none.
const ElementDefinition* ElementOf(std::string_view type, std::string_view name) {
  const TypeDefinition* of = FindType(type);
  if (of == nullptr) return nullptr;
  if (const auto known = of->by_name.find(name); known != of->by_name.end()) return known->second;
  const auto member = of->members.find(name);
  return member == of->members.end() ? nullptr : member->second.element;
}

// Under a summary, elements of elements are left out too.
void Summarize(Json& object, const TypeDefinition& type) {
  std::erase_if(object.members(), [&](const Json::Member& member) {
    const auto known = type.members.find(member.name);
    if (known == type.members.end()) return false;
    return !known->second.element->summary && !known->second.element->required && member.name != "id";
  });
  for (auto& [name, value] : object.members()) {
    const auto known = type.members.find(name);
    if (known == type.members.end() || known->second.is_extension) continue;
    const TypeDefinition* inner = known->second.type->type;
    // Only backbone elements mark what belongs to a summary; data types stay whole.
    if (inner == nullptr || inner->kind != TypeDefinition::Kind::kComplex || inner->name.find('.') == std::string_view::npos) continue;
    if (value.is_object()) Summarize(value, *inner);
    for (Json& item : value.items()) Summarize(item, *inner);
  }
}

}  // namespace

Answer<bool> ReadView(std::string_view type, std::string_view name, const std::string& value, bool lenient, View& view) {
  if (name == "_summary") {
    for (const auto& [text, summary] : kSummaries) {
      if (text != value) continue;
      view.summary = summary;
      return true;
    }
    return Refuse(400, "value", "_summary must be true, text, data, count or false.");
  }
  if (name != "_elements") return false;
  for (const absl::string_view each : absl::StrSplit(value, ',', absl::SkipEmpty())) {
    // "Patient.name" names an element of one type; here of the one that is asked for.
    const auto dot = each.rfind('.');
    const std::string element(dot == absl::string_view::npos ? each : each.substr(dot + 1));
    const ElementDefinition* known = ElementOf(dot == absl::string_view::npos ? type : std::string_view(each.data(), dot), element);
    if (known != nullptr) {
      view.elements.emplace_back(known->name);
    } else if (!lenient) {
      return Refuse(400, "value", absl::StrCat("_elements names '", element.substr(0, 40), "', which is no element of ", std::string(type), "."));
    }
  }
  if (view.elements.empty() && !lenient) return Refuse(400, "value", "_elements must name elements, e.g. _elements=status,code.");
  return true;
}

void ApplyView(const View& view, Json& resource) {
  if (view.IsWhole()) return;
  const TypeDefinition* type = FindType(resource.TextOf("resourceType"));
  if (type == nullptr) return;
  std::erase_if(resource.members(), [&](const Json::Member& member) {
    const auto known = type->members.find(member.name);
    return known != type->members.end() && !Keeps(view, *known->second.element);
  });
  if (view.elements.empty() && view.summary == View::Summary::kTrue) Summarize(resource, *type);
  Json meta = resource["meta"];
  Json tags = meta["tag"];
  tags.Append(Json::Object({{"system", Json::String("http://terminology.hl7.org/CodeSystem/v3-ObservationValue")},
                            {"code", Json::String("SUBSETTED")}}));
  meta.Set("tag", std::move(tags));
  resource.Set("meta", std::move(meta));
}

}  // namespace custodian::exchange

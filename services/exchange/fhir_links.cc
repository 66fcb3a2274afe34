#include "services/exchange/fhir_links.h"

#include <optional>
#include <string_view>

#include "services/exchange/fhir_definitions.h"

namespace custodian::exchange {
namespace {

using Visit = std::function<void(std::string& link, bool is_name)>;

// An attribute of the XHTML tag that ends at `tag_end`, the next one from `at` on; its value stands in [begin, end), within quotes.
struct Attribute {
  std::string_view name;
  std::size_t begin = 0;
  std::size_t end = 0;
};
std::optional<Attribute> NextAttribute(std::string_view text, std::size_t at, std::size_t tag_end) {
  const auto equals = text.substr(0, tag_end).find('=', at);
  if (equals == std::string_view::npos) return std::nullopt;
  const auto open = text.substr(0, tag_end).find_first_of("\"'", equals);
  const auto close = open == std::string_view::npos ? open : text.find(text[open], open + 1);
  if (close == std::string_view::npos) return std::nullopt;
  std::string_view name = text.substr(0, equals);
  name = name.substr(0, name.find_last_not_of(" \t\r\n") + 1);
  return Attribute{name.substr(name.find_last_of(" \t\r\n\"'<") + 1), open + 1, close};
}

// Tag by tag: an '=' between tags is text. What is no XHTML is refused later, whatever was found in it.
void VisitNarrative(std::string& text, const Visit& visit) {
  std::size_t tag = text.find('<');
  while (tag != std::string::npos) {
    std::size_t end = text.find('>', tag);
    std::size_t at = tag;
    while (const auto attribute = NextAttribute(text, at, end)) {
      at = attribute->end + 1;
      if (attribute->name == "href" || attribute->name == "src") {
        const std::size_t size = attribute->end - attribute->begin;
        std::string link = text.substr(attribute->begin, size);
        visit(link, /*is_name=*/false);
        text.replace(attribute->begin, size, link);
        at = attribute->begin + link.size() + 1;
      }
      end = text.find('>', at);
    }
    tag = end == std::string::npos ? end : text.find('<', end);
  }
}

void VisitObject(Json& object, const TypeDefinition& type, const Visit& visit);

void VisitValue(Json& value, const TypeDefinition* type, const Visit& visit) {
  if (value.is_array()) {
    for (Json& item : value.items()) VisitValue(item, type, visit);
  } else if (value.is_object()) {
    if (type == nullptr) type = FindType(value.TextOf("resourceType"));
    if (type != nullptr) VisitObject(value, *type, visit);
  } else if (value.is_string() && type != nullptr && (type->name == "uri" || type->name == "url" || type->name == "xhtml")) {
    std::string text = value.text();
    if (type->name == "xhtml") {
      VisitNarrative(text, visit);
    } else {
      visit(text, /*is_name=*/type->name == "uri");
    }
    if (text != value.text()) value = Json::String(std::move(text));
  }
}

void VisitObject(Json& object, const TypeDefinition& type, const Visit& visit) {
  for (auto& [name, value] : object.members()) {
    const auto known = type.members.find(name);
    if (known == type.members.end()) continue;
    VisitValue(value, known->second.is_extension ? FindType("Element") : known->second.type->type, visit);
  }
}

}  // namespace

void VisitLinks(Json& resource, const Visit& visit) { VisitValue(resource, nullptr, visit); }

}  // namespace custodian::exchange

#include "services/exchange/fhir_definitions.h"

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/civil_time.h"

namespace custodian::exchange {
namespace {

constexpr std::string_view kLines[] = {
#include "services/exchange/fhir_definitions.inc"
};

struct Element {
  std::string name;
  bool required = false;
  bool list = false;
  // Of a choice ("value[x]") several.
  std::vector<std::string> types;
  // Allowed target types of a Reference; empty means any.
  std::vector<std::string> targets;
  // Codes of a required binding; null without.
  const std::set<std::string, std::less<>>* codes = nullptr;
};

struct TypeDefinition {
  enum class Kind { kResource, kComplex, kPrimitive } kind = Kind::kComplex;
  std::vector<Element> elements;
  // JSON member name → element and, for choices, the type chosen.
  std::unordered_map<std::string, std::pair<const Element*, std::string>> members;
};

struct Definitions {
  std::map<std::string, TypeDefinition, std::less<>> types;
  std::map<std::string, std::set<std::string, std::less<>>, std::less<>> value_sets;
  std::map<std::string, std::vector<std::string>, std::less<>> compartments;
  std::vector<std::string> resource_types;
};

std::vector<std::string> Split(std::string_view text, char by) {
  return absl::StrSplit(absl::string_view(text.data(), text.size()), by, absl::SkipEmpty());
}

Element ParseElement(const std::string& text, const Definitions& definitions) {
  const std::vector<std::string> fields = Split(text, ',');
  Element element;
  element.name = fields[0];
  element.required = fields[1] != "0";
  element.list = fields[2] == "*";
  for (std::string& type : Split(fields[3], '/')) {
    if (const auto open = type.find('('); open != std::string::npos) {
      element.targets = Split(std::string_view(type).substr(open + 1, type.size() - open - 2), '+');
      type.resize(open);
    }
    element.types.push_back(std::move(type));
  }
  if (fields.size() > 4) element.codes = &definitions.value_sets.at(fields[4]);
  return element;
}

void IndexMembers(TypeDefinition& type) {
  for (const Element& element : type.elements) {
    if (!element.name.ends_with("[x]")) {
      type.members[element.name] = {&element, element.types.empty() ? "" : element.types.front()};
      continue;
    }
    for (const std::string& choice : element.types) {
      std::string name = element.name.substr(0, element.name.size() - 3) + choice;
      name[element.name.size() - 3] = absl::ascii_toupper(static_cast<unsigned char>(name[element.name.size() - 3]));
      type.members[name] = {&element, choice};
    }
  }
}

Definitions* Load() {
  auto* definitions = new Definitions;
  for (const std::string_view line : kLines) {
    if (!line.starts_with("V|")) continue;
    const auto fields = Split(line, '|');
    for (std::string& code : Split(fields[2], ';')) definitions->value_sets[fields[1]].insert(std::move(code));
  }
  for (const std::string_view line : kLines) {
    const auto fields = Split(line, '|');
    if (fields[0] == "C") {
      definitions->compartments[fields[1]] = Split(fields[2], ';');
    } else if (fields[0] == "T") {
      TypeDefinition& type = definitions->types[fields[1]];
      type.kind = fields[2] == "resource"    ? TypeDefinition::Kind::kResource
                  : fields[2] == "primitive" ? TypeDefinition::Kind::kPrimitive
                                             : TypeDefinition::Kind::kComplex;
      if (type.kind == TypeDefinition::Kind::kResource) definitions->resource_types.push_back(fields[1]);
      if (fields.size() > 3) {
        for (const std::string& element : Split(fields[3], ';')) type.elements.push_back(ParseElement(element, *definitions));
      }
    }
  }
  for (auto& [name, type] : definitions->types) IndexMembers(type);
  return definitions;
}

// Made once, never destroyed: read from any thread until exit.
const Definitions& Known() {
  static const Definitions* const kDefinitions = Load();
  return *kDefinitions;
}

bool Digits(std::string_view text, std::size_t at, std::size_t count, int& value) {
  value = 0;
  for (std::size_t i = at; i < at + count; ++i) {
    if (i >= text.size() || !absl::ascii_isdigit(static_cast<unsigned char>(text[i]))) return false;
    value = value * 10 + (text[i] - '0');
  }
  return true;
}

// hh:mm:ss[.fff] at `at`; moves `at` behind it.
bool IsTimeOfDay(std::string_view text, std::size_t& at) {
  int hour = 0;
  int minute = 0;
  int second = 0;
  if (!Digits(text, at, 2, hour) || at + 8 > text.size() || text[at + 2] != ':' || !Digits(text, at + 3, 2, minute) ||
      text[at + 5] != ':' || !Digits(text, at + 6, 2, second) || hour > 23 || minute > 59 || second > 60) {
    return false;
  }
  at += 8;
  if (at < text.size() && text[at] == '.') {
    const std::size_t first = ++at;
    while (at < text.size() && absl::ascii_isdigit(static_cast<unsigned char>(text[at]))) ++at;
    if (at == first) return false;
  }
  return true;
}

// Year, year-month, date or date and time with a zone, as far as the type allows: http://hl7.org/fhir/R4/datatypes.html.
bool IsDate(std::string_view text, bool time_allowed, bool time_required) {
  int year = 0;
  int month = 1;
  int day = 1;
  if (!Digits(text, 0, 4, year) || year == 0) return false;
  if (text.size() == 4) return !time_required;
  if (text[4] != '-' || !Digits(text, 5, 2, month) || month < 1 || month > 12) return false;
  if (text.size() == 7) return !time_required;
  if (text[7] != '-' || !Digits(text, 8, 2, day) || day < 1) return false;
  const absl::CivilDay civil(year, month, day);
  if (civil.month() != month || civil.day() != day) return false;
  if (text.size() == 10) return !time_required;
  std::size_t at = 11;
  if (!time_allowed || text[10] != 'T' || !IsTimeOfDay(text, at) || at >= text.size()) return false;
  if (text[at] == 'Z') return at + 1 == text.size();
  int hours = 0;
  int minutes = 0;
  return (text[at] == '+' || text[at] == '-') && Digits(text, at + 1, 2, hours) && at + 6 == text.size() && text[at + 3] == ':' &&
         Digits(text, at + 4, 2, minutes) && hours <= 14 && minutes <= 59;
}

bool IsBase64(std::string_view text) {
  std::size_t count = 0;
  std::size_t padding = 0;
  for (const char c : text) {
    if (absl::ascii_isspace(static_cast<unsigned char>(c))) continue;
    ++count;
    if (c == '=') {
      ++padding;
    } else if (padding > 0 || !(absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '+' || c == '/')) {
      return false;
    }
  }
  return count % 4 == 0 && padding <= 2;
}

bool HasSpace(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](unsigned char c) { return absl::ascii_isspace(c); });
}

bool IsCode(std::string_view text) {
  if (text.empty() || text.front() == ' ' || text.back() == ' ' || text.find("  ") != std::string_view::npos) return false;
  return std::none_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20; });
}

// FHIR strings hold no control characters but tab, line feed and carriage return, and are never empty.
bool IsText(std::string_view text) {
  return !text.empty() && std::none_of(text.begin(), text.end(), [](unsigned char c) {
    return c < 0x20 && c != '\t' && c != '\n' && c != '\r';
  });
}

// What is wrong with a primitive value, or empty.
std::string FaultOfPrimitive(const std::string& type, const Json& value) {
  if (type == "boolean") return value.is_bool() ? "" : "must be true or false";
  if (type == "integer" || type == "unsignedInt" || type == "positiveInt") {
    std::int32_t number = 0;
    if (!value.is_number() || !absl::SimpleAtoi(value.text(), &number)) return "must be a whole number of 32 bits";
    if (type == "unsignedInt" && number < 0) return "must not be negative";
    if (type == "positiveInt" && number < 1) return "must be positive";
    return "";
  }
  if (type == "decimal") return value.is_number() ? "" : "must be a number";
  if (!value.is_string()) return "must be a string";
  const std::string& text = value.text();
  if (type == "date") return IsDate(text, false, false) ? "" : "is no date (YYYY, YYYY-MM or YYYY-MM-DD)";
  if (type == "dateTime") return IsDate(text, true, false) ? "" : "is no dateTime (YYYY-MM-DD, or YYYY-MM-DDThh:mm:ss with a zone)";
  if (type == "instant") return IsDate(text, true, true) ? "" : "is no instant (YYYY-MM-DDThh:mm:ss.sss with a zone)";
  if (type == "time") {
    std::size_t at = 0;
    return IsTimeOfDay(text, at) && at == text.size() ? "" : "is no time (hh:mm:ss)";
  }
  if (type == "id") return IsFhirId(text) ? "" : "is no id (1 to 64 of A-Z, a-z, 0-9, '-', '.')";
  if (type == "code") return IsCode(text) ? "" : "is no code (not empty, no leading, trailing or double spaces)";
  if (type == "base64Binary") return IsBase64(text) ? "" : "is no base64";
  if (type == "oid") return text.starts_with("urn:oid:") ? "" : "must begin with urn:oid:";
  if (type == "uuid") return text.starts_with("urn:uuid:") ? "" : "must begin with urn:uuid:";
  if (type == "uri" || type == "url" || type == "canonical") return !text.empty() && !HasSpace(text) ? "" : "is no URI";
  return IsText(text) ? "" : "must not be empty and holds no control characters";
}

class Validator {
 public:
  explicit Validator(std::size_t issues_max) : issues_max_(issues_max) {}

  void Resource(const Json& resource, const std::string& path) {
    if (!resource.is_object()) return Tell("structure", path, "must be a JSON object that is a FHIR resource");
    const Json* name = resource.Find("resourceType");
    if (name == nullptr || !name->is_string()) return Tell("required", path + ".resourceType", "is missing: every FHIR resource names its type");
    const auto found = Known().types.find(name->text());
    if (found == Known().types.end() || found->second.kind != TypeDefinition::Kind::kResource) {
      return Tell("value", path + ".resourceType", "is no FHIR R4 resource type");
    }
    Members(resource, found->second, path, /*is_resource=*/true);
  }

  [[nodiscard]] std::vector<Issue> Take() { return std::move(issues_); }

 private:
  void Tell(const char* code, const std::string& path, std::string_view fault) {
    if (issues_.size() < issues_max_) issues_.push_back({code, absl::StrCat(path, " ", std::string(fault)), path});
  }

  void Members(const Json& object, const TypeDefinition& type, const std::string& path, bool is_resource) {
    if (object.members().empty()) return Tell("structure", path, "must not be an empty object");
    std::vector<const Element*> present;
    for (const auto& [name, value] : object.members()) {
      if (issues_.size() >= issues_max_) return;
      if (is_resource && name == "resourceType") continue;
      const bool is_primitive_extension = name.starts_with('_');
      const auto member = type.members.find(is_primitive_extension ? name.substr(1) : name);
      if (member == type.members.end()) {
        Tell("structure", path, absl::StrCat("has an element '", name.substr(0, 64), "' that FHIR R4 does not know there"));
        continue;
      }
      const auto& [element, chosen] = member->second;
      const std::string member_path = absl::StrCat(path, ".", name);
      if (is_primitive_extension) {
        PrimitiveExtension(value, *element, chosen, member_path);
      } else {
        Member(value, *element, chosen, member_path);
      }
      present.push_back(element);
    }
    for (const Element& element : type.elements) {
      if (!element.required) continue;
      if (std::find(present.begin(), present.end(), &element) == present.end()) {
        Tell("required", absl::StrCat(path, ".", element.name), "is required and missing");
      }
    }
    if (!CheckChoices(object, type)) Tell("structure", path, "has one element in two types (value[x]); give one");
  }

  // At most one type of each choice.
  static bool CheckChoices(const Json& object, const TypeDefinition& type) {
    std::set<std::pair<const Element*, std::string>> chosen;
    for (const auto& [name, value] : object.members()) {
      const auto member = type.members.find(name.starts_with('_') ? name.substr(1) : name);
      if (member == type.members.end() || member->second.first->types.size() < 2) continue;
      chosen.insert({member->second.first, member->second.second});
    }
    const Element* last = nullptr;
    for (const auto& [element, name] : chosen) {
      if (element == last) return false;
      last = element;
    }
    return true;
  }

  void Member(const Json& value, const Element& element, const std::string& type, const std::string& path) {
    if (!element.list) {
      if (value.is_array()) return Tell("structure", path, "must be one value, not a list");
      return Value(value, element, type, path);
    }
    if (!value.is_array()) return Tell("structure", path, "must be a list");
    if (value.items().empty()) return Tell("structure", path, "must not be an empty list");
    std::size_t index = 0;
    for (const Json& item : value.items()) {
      const std::string item_path = absl::StrCat(path, "[", index++, "]");
      // A list of primitives holds null where only the extension list has something to say.
      if (item.is_null() && IsPrimitive(type)) continue;
      Value(item, element, type, item_path);
    }
  }

  void PrimitiveExtension(const Json& value, const Element& element, const std::string& type, const std::string& path) {
    if (!IsPrimitive(type)) return Tell("structure", path, "extends what is no primitive");
    const TypeDefinition& definition = Known().types.at("Element");
    if (!element.list) {
      if (!value.is_object()) return Tell("structure", path, "must be an object with id or extension");
      return Members(value, definition, path, false);
    }
    if (!value.is_array()) return Tell("structure", path, "must be a list");
    std::size_t index = 0;
    for (const Json& item : value.items()) {
      const std::string item_path = absl::StrCat(path, "[", index++, "]");
      if (item.is_null()) continue;
      if (!item.is_object()) {
        Tell("structure", item_path, "must be an object with id or extension");
      } else {
        Members(item, definition, item_path, false);
      }
    }
  }

  void Value(const Json& value, const Element& element, const std::string& type, const std::string& path) {
    if (value.is_null()) return Tell("structure", path, "must not be null");
    if (type == "Resource") return Resource(value, path);
    const auto found = Known().types.find(type);
    if (IsPrimitive(type)) {
      if (const std::string fault = FaultOfPrimitive(type, value); !fault.empty()) return Tell("value", path, fault);
      if (element.codes != nullptr && !element.codes->contains(value.text())) {
        Tell("code-invalid", path, absl::StrCat("has an unknown code; it must be one of ", Listed(*element.codes)));
      }
      return;
    }
    if (found == Known().types.end()) return;
    if (!value.is_object()) return Tell("structure", path, "must be an object");
    Members(value, found->second, path, false);
    if (type == "Reference") Target(value, element, path);
  }

  static std::string Listed(const std::set<std::string, std::less<>>& codes) {
    constexpr std::size_t kListedMax = 16;
    std::vector<std::string> some(codes.begin(), std::next(codes.begin(), static_cast<std::ptrdiff_t>(std::min(codes.size(), kListedMax))));
    return absl::StrCat(absl::StrJoin(some, ", "), codes.size() > kListedMax ? ", ..." : "");
  }

  // The type that a relative reference names must be one the element may point at.
  void Target(const Json& value, const Element& element, const std::string& path) {
    const std::string& text = value.TextOf("reference");
    if (text.empty() || element.targets.empty() || text.find(':') < text.find('/')) return;
    const std::string type = text.substr(0, text.find_first_of("/?"));
    if (IsResourceType(type) && std::find(element.targets.begin(), element.targets.end(), type) == element.targets.end()) {
      Tell("value", path + ".reference", absl::StrCat("must name a ", absl::StrJoin(element.targets, " or "), ", not a ", type));
    }
  }

  static bool IsPrimitive(const std::string& type) {
    const auto found = Known().types.find(type);
    return found == Known().types.end() ? type == "xhtml" : found->second.kind == TypeDefinition::Kind::kPrimitive;
  }

  const std::size_t issues_max_;
  std::vector<Issue> issues_;
};

}  // namespace

const std::vector<std::string>& ResourceTypes() { return Known().resource_types; }

bool IsResourceType(std::string_view name) {
  return std::binary_search(ResourceTypes().begin(), ResourceTypes().end(), name);
}

const std::vector<std::string>& CompartmentElements(std::string_view resource_type) {
  static const std::vector<std::string>* const kNone = new std::vector<std::string>;
  const auto found = Known().compartments.find(resource_type);
  return found == Known().compartments.end() ? *kNone : found->second;
}

std::vector<Issue> ValidateResource(const Json& resource, std::string_view path, std::size_t issues_max) {
  Validator validator(issues_max);
  validator.Resource(resource, std::string(path));
  return validator.Take();
}

bool IsFhirId(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '-' || c == '.';
  });
}

}  // namespace custodian::exchange

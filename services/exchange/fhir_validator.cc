#include "services/exchange/fhir_validator.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/civil_time.h"
#include "services/exchange/fhir_definitions.h"

namespace custodian::exchange {
namespace {

// The day of a date, dateTime or instant whose form is right.
bool IsOnCalendar(std::string_view text) {
  if (text.size() < 10) return true;
  int year = 0;
  int month = 0;
  int day = 0;
  const auto number = [&](std::size_t at, std::size_t size, int& value) {
    return absl::SimpleAtoi(absl::string_view(text.data() + at, size), &value);
  };
  if (!number(0, 4, year) || !number(5, 2, month) || !number(8, 2, day)) return false;
  const absl::CivilDay civil(year, month, day);
  return civil.month() == month && civil.day() == day;
}

const char* FormOf(std::string_view type) {
  static constexpr std::pair<std::string_view, const char*> kForms[] = {
      {"date", "is no date (YYYY, YYYY-MM or YYYY-MM-DD)"},
      {"dateTime", "is no dateTime (YYYY, YYYY-MM, YYYY-MM-DD, or YYYY-MM-DDThh:mm:ss with a zone)"},
      {"instant", "is no instant (YYYY-MM-DDThh:mm:ss.sss with a zone)"},
      {"time", "is no time (hh:mm:ss)"},
      {"id", "is no id (1 to 64 of A-Z, a-z, 0-9, '-', '.')"},
      {"code", "is no code (not empty, no leading, trailing or double spaces)"},
      {"base64Binary", "is no base64"},
      {"oid", "is no OID (urn:oid:1.2.3)"},
      {"uuid", "is no UUID (urn:uuid: and lower-case hex digits)"},
      {"uri", "is no URI"},
      {"url", "is no URI"},
      {"canonical", "is no URI"},
      {"unsignedInt", "must be a whole number and not be negative"},
      {"positiveInt", "must be a whole number and be positive"},
      {"integer", "must be a whole number of 32 bits"},
      {"decimal", "must be a number"},
  };
  for (const auto& [name, form] : kForms) {
    if (name == type) return form;
  }
  return "is malformed";
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

// What is wrong with a primitive value; null when nothing is.
const char* FaultOfPrimitive(const TypeDefinition& type, const Json& value) {
  const std::string& text = value.text();
  // http://hl7.org/fhir/R4/json.html#primitive
  if (type.name == "boolean") return value.is_bool() ? nullptr : "must be true or false";
  const bool whole = type.name == "integer" || type.name == "unsignedInt" || type.name == "positiveInt";
  if (whole || type.name == "decimal") {
    std::int32_t number = 0;
    if (!value.is_number() || (type.regex != nullptr && !RE2::FullMatch(text, *type.regex))) return FormOf(type.name);
    return whole && !absl::SimpleAtoi(text, &number) ? "must be a whole number of 32 bits" : nullptr;
  }
  if (!value.is_string()) return "must be a string";
  if (text.empty()) return "must not be empty";
  const bool has_control = std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 && c != '\t' && c != '\n' && c != '\r'; });
  if (has_control) return "must not hold control characters";
  // The published expression backtracks badly and admits '=' anywhere.
  if (type.name == "base64Binary") return IsBase64(text) ? nullptr : FormOf(type.name);
  if (type.regex != nullptr && !RE2::FullMatch(text, *type.regex)) return FormOf(type.name);
  const bool is_day = type.name == "date" || type.name == "dateTime" || type.name == "instant";
  return is_day && !IsOnCalendar(text) ? FormOf(type.name) : nullptr;
}

class Validator {
 public:
  explicit Validator(std::size_t issues_max) : issues_max_(issues_max) {}

  // `root`: the resource that contains this one; null when it stands by itself.
  void Resource(const Json& resource, const Place& place, const FhirNode* root) {
    if (!resource.is_object()) return Tell("structure", place, "must be a JSON object that is a FHIR resource");
    const Json* name = resource.Find("resourceType");
    const Place type_place{&place, "resourceType"};
    if (name == nullptr || !name->is_string()) return Tell("required", type_place, "is missing: every FHIR resource names its type");
    const TypeDefinition* type = FindType(name->text());
    if (type == nullptr || type->kind != TypeDefinition::Kind::kResource) return Tell("value", type_place, "is no FHIR R4 resource type");
    const FhirNode node{&resource, nullptr, type};
    FhirPathContext context{node, root == nullptr ? node : *root, {}};
    FhirPathContext* const outer = std::exchange(context_, &context);
    Members(resource, *type, place);
    context_ = outer;
  }

  [[nodiscard]] std::vector<Issue> Take() { return std::move(issues_); }

 private:
  [[nodiscard]] bool IsFull() const { return issues_.size() >= issues_max_; }
  void Tell(const char* code, const Place& place, std::string_view fault) {
    if (IsFull()) return;
    std::string path = place.Text();
    issues_.push_back({code, absl::StrCat(path, " ", std::string(fault)), std::move(path)});
  }

  void Members(const Json& object, const TypeDefinition& type, const Place& place) {
    if (object.members().empty()) return Tell("structure", place, "must not be an empty object");
    absl::InlinedVector<const ElementType*, 64> given(type.elements.size(), nullptr);
    for (const auto& [name, value] : object.members()) {
      if (IsFull()) return;
      if (name == "resourceType" && type.kind == TypeDefinition::Kind::kResource) continue;
      const auto found = type.members.find(name);
      if (found == type.members.end()) {
        Tell("structure", place, absl::StrCat("has an element '", name.substr(0, 64), "' that FHIR R4 does not know there"));
        continue;
      }
      const TypeDefinition::Member& member = found->second;
      const ElementType*& chosen = given[static_cast<std::size_t>(member.element - type.elements.data())];
      if (chosen != nullptr && chosen != member.type) Tell("structure", place, "has one element in two types (value[x]); give one");
      chosen = member.type;
      const Place member_place{&place, name};
      if (member.is_extension) {
        Extension(object, value, member, member_place);
      } else {
        Element(object, value, member, member_place);
      }
    }
    for (std::size_t i = 0; i < given.size(); ++i) {
      const ElementDefinition& element = type.elements[i];
      if (given[i] == nullptr && element.required) {
        const std::string name = absl::StrCat(std::string(element.name), element.choice ? "[x]" : "");
        Tell("required", Place{&place, name}, "is required and missing");
      }
    }
    // Of an object that is broken elsewhere too: all faults are told at once.
    Check(type.invariants, {&object, nullptr, &type}, place);
  }

  void Check(const std::vector<Invariant>& invariants, const FhirNode& node, const Place& place) {
    for (const Invariant& invariant : invariants) {
      if (invariant.expression.Holds(node, *context_)) continue;
      Tell("invariant", place, absl::StrCat("breaks ", std::string(invariant.key), ": ", std::string(invariant.text)));
    }
  }

  void Element(const Json& object, const Json& value, const TypeDefinition::Member& member, const Place& place) {
    if (!member.element->list) {
      if (value.is_array()) return Tell("structure", place, "must be one value, not a list");
      const Json* extension = member.type->type != nullptr ? object.Find(member.type->extension_member) : nullptr;
      return Value(value, extension, member, place);
    }
    if (!value.is_array()) return Tell("structure", place, "must be a list");
    if (value.items().empty()) return Tell("structure", place, "must not be an empty list");
    const bool is_primitive = member.type->type != nullptr && member.type->type->kind == TypeDefinition::Kind::kPrimitive;
    const Json* extensions = is_primitive ? object.Find(member.type->extension_member) : nullptr;
    for (std::size_t i = 0; i < value.items().size() && !IsFull(); ++i) {
      const Json* extension = extensions == nullptr ? nullptr : &(*extensions)[i];
      const Place item_place{place.parent, place.name, static_cast<std::ptrdiff_t>(i)};
      // A list of primitives holds null where only the extension has something to say.
      if (value[i].is_null() && extension != nullptr && extension->is_object()) continue;
      Value(value[i], extension, member, item_place);
    }
  }

  void Extension(const Json& object, const Json& value, const TypeDefinition::Member& member, const Place& place) {
    const TypeDefinition& element = *FindType("Element");
    if (!member.element->list) {
      if (!value.is_object()) return Tell("structure", place, "must be an object with id or extension");
      return Members(value, element, place);
    }
    if (!value.is_array() || value.items().empty()) return Tell("structure", place, "must be a list that is not empty");
    const Json* values = object.Find(member.type->member);
    if (values != nullptr && values->is_array() && values->items().size() != value.items().size()) {
      return Tell("structure", place, "must be as long as the list of the values it extends");
    }
    for (std::size_t i = 0; i < value.items().size() && !IsFull(); ++i) {
      const Place item_place{place.parent, place.name, static_cast<std::ptrdiff_t>(i)};
      if (value[i].is_null()) continue;
      if (!value[i].is_object()) {
        Tell("structure", item_place, "must be an object with id or extension");
      } else {
        Members(value[i], element, item_place);
      }
    }
  }

  void Value(const Json& value, const Json* extension, const TypeDefinition::Member& member, const Place& place) {
    if (value.is_null()) return Tell("structure", place, "must not be null");
    const TypeDefinition* type = member.type->type;
    if (type == nullptr) {
      const bool contained = member.element->name == "contained";
      const FhirNode root = context_->root_resource;
      return Resource(value, place, contained ? &root : nullptr);
    }
    if (type->kind == TypeDefinition::Kind::kPrimitive) {
      if (const char* fault = FaultOfPrimitive(*type, value)) return Tell("value", place, fault);
    } else {
      if (!value.is_object()) return Tell("structure", place, "must be an object");
      Members(value, *type, place);
      if (type->name == "Reference") Target(value, *member.type, place);
    }
    if (member.element->codes != nullptr) Codes(value, *type, *member.element->codes, place);
    Check(member.element->invariants, {&value, extension, type}, place);
  }

  void Codes(const Json& value, const TypeDefinition& type, const ValueSet& codes, const Place& place) {
    const auto has = [&](const Json& coding) {
      return codes.system_codes.contains(absl::StrCat(coding.TextOf("system"), "|", coding.TextOf("code")));
    };
    if (type.kind == TypeDefinition::Kind::kPrimitive) {
      if (codes.codes.contains(value.text())) return;
    } else if (type.name == "Coding") {
      if (has(value)) return;
    } else if (type.name == "CodeableConcept") {
      const auto& codings = value["coding"].items();
      if (std::any_of(codings.begin(), codings.end(), has)) return;
    } else if (const Json* code = value.Find("code"); code == nullptr || codes.codes.contains(code->text())) {
      return;
    }
    Tell("code-invalid", place, absl::StrCat("has an unknown code; it must be one of ", Listed(codes)));
  }

  static std::string Listed(const ValueSet& set) {
    constexpr std::size_t kListedMax = 16;
    std::vector<std::string> codes;
    for (const std::string_view code : set.codes) codes.emplace_back(code);
    std::sort(codes.begin(), codes.end());
    const bool cut = codes.size() > kListedMax;
    if (cut) codes.resize(kListedMax);
    return absl::StrCat(absl::StrJoin(codes, ", "), cut ? ", ..." : "");
  }

  // The type that a relative reference names must be one the element may point at.
  void Target(const Json& value, const ElementType& element, const Place& place) {
    const std::string_view text = value.TextOf("reference");
    if (text.empty() || element.targets.empty() || text.find(':') < text.find('/')) return;
    const std::string_view type = text.substr(0, text.find_first_of("/?"));
    if (!IsResourceType(type) || std::find(element.targets.begin(), element.targets.end(), type) != element.targets.end()) return;
    const std::vector<std::string> targets(element.targets.begin(), element.targets.end());
    Tell("value", Place{&place, "reference"}, absl::StrCat("must name a ", absl::StrJoin(targets, " or "), ", not a ", std::string(type)));
  }

  const std::size_t issues_max_;
  std::vector<Issue> issues_;
  FhirPathContext* context_ = nullptr;
};

}  // namespace

std::vector<Issue> ValidateResource(const Json& resource, std::string_view path, std::size_t issues_max) {
  Validator validator(issues_max);
  validator.Resource(resource, Place{nullptr, path}, nullptr);
  return validator.Take();
}

}  // namespace custodian::exchange

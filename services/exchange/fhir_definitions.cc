#include "services/exchange/fhir_definitions.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace custodian::exchange {
namespace {

constexpr char kTable[] =
#include "fhir_definitions.inc"
    ;

std::vector<std::string_view> Split(std::string_view text, char by) {
  std::vector<std::string_view> parts;
  while (true) {
    const auto end = text.find(by);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

// "value[x]" and "Quantity" → "valueQuantity".
std::string MemberOf(std::string_view element, std::string_view type, bool choice) {
  std::string member(element);
  if (!choice) return member;
  member += absl::ascii_toupper(static_cast<unsigned char>(type.front()));
  return member.append(type.substr(1));
}

struct Definitions {
  std::map<std::string_view, TypeDefinition> types;
  std::map<std::string_view, ValueSet> value_sets;
  std::vector<std::string> resource_types;
  std::unordered_set<std::string_view> narrative_elements;
  std::unordered_set<std::string_view> narrative_attributes;
  std::vector<std::string> unchecked;
};

// Types and value sets first, so that everything else finds them.
class Loader {
 public:
  Definitions* Run() {
    std::vector<Fields> lines;
    for (const std::string_view line : Split({kTable, sizeof(kTable) - 1}, '\n')) {
      if (!line.empty()) lines.push_back(Split(line, '\t'));
    }
    for (const Fields& fields : lines) ReadNamed(fields);
    for (const Fields& fields : lines) Read(fields);
    for (auto& [name, type] : definitions_->types) {
      IndexMembers(type);
      PlacePatient(type);
    }
    return definitions_.release();
  }

 private:
  using Fields = std::vector<std::string_view>;

  void ReadNamed(const Fields& fields) {
    if (fields[0] == "T") {
      TypeDefinition& type = definitions_->types[fields[1]];
      type.name = fields[1];
      if (fields[2] == "resource") {
        type.kind = TypeDefinition::Kind::kResource;
        definitions_->resource_types.emplace_back(fields[1]);
      } else if (fields[2] == "primitive") {
        type.kind = TypeDefinition::Kind::kPrimitive;
      }
    } else if (fields[0] == "V") {
      set_ = &definitions_->value_sets[fields[1]];
      set_->name = fields[1];
    } else if (fields[0] == "W") {
      for (std::size_t i = 2; i < fields.size(); ++i) {
        set_->codes.insert(fields[i]);
        set_->system_codes.insert(std::string(fields[1]).append("|").append(fields[i]));
      }
    } else if (fields[0] == "H") {
      for (const auto name : Split(fields[1], ' ')) definitions_->narrative_elements.insert(name);
      for (const auto name : Split(fields[2], ' ')) definitions_->narrative_attributes.insert(name);
    }
  }

  void Read(const Fields& fields) {
    if (fields[0] == "T") {
      type_ = &definitions_->types[fields[1]];
    } else if (fields[0] == "E") {
      ReadElement(fields);
    } else if (fields[0] == "R") {
      type_->regex = std::make_unique<RE2>(std::string(fields[1]));
    } else if (fields[0] == "I") {
      ReadInvariant(fields);
    } else if (fields[0] == "S") {
      ReadSearchParameter(fields);
    } else if (fields[0] == "P") {
      ReadComponent(fields);
    } else if (fields[0] == "C") {
      type_->compartment.assign(fields.begin() + 1, fields.end());
    }
  }

  void ReadElement(const Fields& fields) {
    ElementDefinition& element = type_->elements.emplace_back();
    element.name = fields[1];
    element.choice = element.name.ends_with("[x]");
    if (element.choice) element.name.remove_suffix(3);
    element.required = fields[2] != "0";
    element.list = fields[3] == "*";
    element.modifier = fields[5] == "m";
    element.summary = element.modifier || fields[5] == "s";
    for (std::string_view name : Split(fields[4], '/')) {
      ElementType& type = element.types.emplace_back();
      if (const auto open = name.find('('); open != std::string_view::npos) {
        type.targets = Split(name.substr(open + 1, name.size() - open - 2), '+');
        name = name.substr(0, open);
      }
      const auto known = definitions_->types.find(name);
      // generate.mjs names no unknown type; Resource means any.
      if (known != definitions_->types.end()) type.type = &known->second;
      type.member = MemberOf(element.name, name, element.choice);
      type.extension_member = "_" + type.member;
    }
    if (const auto set = definitions_->value_sets.find(fields[6]); set != definitions_->value_sets.end()) element.codes = &set->second;
  }

  void ReadInvariant(const Fields& fields) {
    auto expression = FhirPath::Compile(fields[3]);
    if (!expression.ok()) {
      definitions_->unchecked.push_back(absl::StrCat(std::string(fields[2]), ": ", std::string(expression.status().message())));
      return;
    }
    std::string_view name = fields[1];
    if (name.ends_with("[x]")) name.remove_suffix(3);
    std::vector<Invariant>* invariants = &type_->invariants;
    for (ElementDefinition& element : type_->elements) {
      if (element.name == name) invariants = &element.invariants;
    }
    invariants->push_back({fields[2], fields[4], *std::move(expression)});
  }

  void ReadSearchParameter(const Fields& fields) {
    auto expression = FhirPath::Compile(fields[3]);
    if (!expression.ok()) {
      definitions_->unchecked.push_back(absl::StrCat(std::string(type_->name), "?", std::string(fields[1])));
      return;
    }
    SearchParameter& parameter = type_->search.emplace_back(SearchParameter{fields[1], KindOf(fields[2]), *std::move(expression)});
    if (fields[4] != "-") parameter.targets = Split(fields[4], '+');
  }

  // Of the composite parameter above it; without one of its components that could not be answered, so that goes too.
  void ReadComponent(const Fields& fields) {
    auto expression = FhirPath::Compile(fields[2]);
    if (expression.ok()) {
      type_->search.back().components.push_back({"", KindOf(fields[1]), *std::move(expression)});
      return;
    }
    definitions_->unchecked.push_back(absl::StrCat(std::string(type_->name), "?", std::string(type_->search.back().name)));
  }

  static SearchParameter::Kind KindOf(std::string_view name) {
    using Kind = SearchParameter::Kind;
    static constexpr std::pair<std::string_view, Kind> kKinds[] = {
        {"token", Kind::kToken},       {"date", Kind::kDate},     {"reference", Kind::kReference}, {"string", Kind::kString},
        {"quantity", Kind::kQuantity}, {"number", Kind::kNumber}, {"uri", Kind::kUri},             {"composite", Kind::kComposite}};
    return std::find_if(std::begin(kKinds), std::end(kKinds), [&](const auto& kind) { return kind.first == name; })->second;
  }

  static void IndexMembers(TypeDefinition& type) {
    for (const ElementDefinition& element : type.elements) {
      type.by_name[element.name] = &element;
      for (const ElementType& each : element.types) {
        type.members[each.member] = {&element, &each, false};
        const bool is_primitive = each.type != nullptr && each.type->kind == TypeDefinition::Kind::kPrimitive;
        if (is_primitive) type.members[each.extension_member] = {&element, &each, true};
      }
    }
  }

  static void PlacePatient(TypeDefinition& type) {
    const auto add = [&](std::string_view name) {
      for (const SearchParameter& parameter : type.search) {
        const auto& targets = parameter.targets;
        const bool of_patients = targets.empty() || std::find(targets.begin(), targets.end(), "Patient") != targets.end();
        if (parameter.name != name || parameter.kind != SearchParameter::Kind::kReference || !of_patients) continue;
        for (auto& path : parameter.expression.ElementPaths()) {
          if (std::find(type.patient_paths.begin(), type.patient_paths.end(), path) == type.patient_paths.end()) {
            type.patient_paths.push_back(std::move(path));
          }
        }
      }
    };
    add("patient");
    add("subject");
    if (type.patient_paths.empty()) {
      for (const std::string_view name : type.compartment) add(name);
    }
    for (SearchParameter& parameter : type.search) {
      if (parameter.kind != SearchParameter::Kind::kReference) continue;
      const auto paths = parameter.expression.ElementPaths();
      parameter.names_patient = !paths.empty() && std::all_of(paths.begin(), paths.end(), [&](const auto& path) {
        return std::find(type.patient_paths.begin(), type.patient_paths.end(), path) != type.patient_paths.end();
      });
    }
  }

  std::unique_ptr<Definitions> definitions_ = std::make_unique<Definitions>();
  TypeDefinition* type_ = nullptr;
  ValueSet* set_ = nullptr;
};

// Made once, never destroyed: read from any thread until exit.
const Definitions& Known() {
  static const Definitions* const kDefinitions = Loader().Run();
  return *kDefinitions;
}

}  // namespace

const TypeDefinition* FindType(std::string_view name) {
  const auto found = Known().types.find(name);
  return found == Known().types.end() ? nullptr : &found->second;
}

const std::vector<std::string>& ResourceTypes() { return Known().resource_types; }

bool IsResourceType(std::string_view name) {
  const TypeDefinition* type = FindType(name);
  return type != nullptr && type->kind == TypeDefinition::Kind::kResource;
}

const SearchParameter* FindSearchParameter(std::string_view resource_type, std::string_view name) {
  const TypeDefinition* type = FindType(resource_type);
  if (type == nullptr) return nullptr;
  for (const SearchParameter& parameter : type->search) {
    if (parameter.name == name) return &parameter;
  }
  return nullptr;
}

const std::unordered_set<std::string_view>& NarrativeElements() { return Known().narrative_elements; }
const std::unordered_set<std::string_view>& NarrativeAttributes() { return Known().narrative_attributes; }
const std::vector<std::string>& UncheckedInvariants() { return Known().unchecked; }

bool IsFhirId(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '-' || c == '.';
  });
}

}  // namespace custodian::exchange

// FHIR R4 (4.0.1) as data: types, elements, cardinalities, required codes, invariants, search parameters, patient compartments; read
// from HL7's definitions when the project is built (definitions/generate.mjs) and indexed once, when first asked for. Never changes
// after that; safe from any thread.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_FHIR_DEFINITIONS_H_
#define CUSTODIAN_SERVICES_EXCHANGE_FHIR_DEFINITIONS_H_

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "re2/re2.h"
#include "services/exchange/fhir_path.h"

namespace custodian::exchange {

// The codes of a required binding.
struct ValueSet {
  std::string_view name;
  std::unordered_set<std::string_view> codes;
  // "system|code".
  std::unordered_set<std::string> system_codes;
};

struct Invariant {
  std::string_view key;
  // In HL7's words.
  std::string_view text;
  FhirPath expression;
};

// One type that an element may have.
struct ElementType {
  // Null for Resource: any of them.
  const TypeDefinition* type = nullptr;
  // Its member in JSON ("valueQuantity"), and the one beside it for a primitive ("_valueString").
  std::string member;
  std::string extension_member;
  // Of a Reference; empty means any.
  std::vector<std::string_view> targets;
};

struct ElementDefinition {
  // As in FHIRPath: "value" of value[x].
  std::string_view name;
  bool required = false;
  bool list = false;
  bool choice = false;
  bool summary = false;
  // What it says changes what the rest means.
  bool modifier = false;
  std::vector<ElementType> types;
  // Null without a required binding whose codes can be listed.
  const ValueSet* codes = nullptr;
  std::vector<Invariant> invariants;
};

struct SearchParameter {
  enum class Kind { kToken, kDate, kReference, kString, kQuantity, kNumber, kUri, kComposite };
  std::string_view name;
  Kind kind = Kind::kToken;
  FhirPath expression;
  // Resource types that a reference may lead to, sorted; empty means any.
  std::vector<std::string_view> targets = {};
  // Of a composite, in the order of its values: parameters of no name, evaluated on each value of `expression`.
  std::vector<SearchParameter> components = {};
  // It searches where a resource names the patient it is about (TypeDefinition::patient_paths).
  bool names_patient = false;
};

struct TypeDefinition {
  enum class Kind { kResource, kComplex, kPrimitive };
  struct Member {
    const ElementDefinition* element = nullptr;
    const ElementType* type = nullptr;
    bool is_extension = false;
  };
  std::string_view name;
  Kind kind = Kind::kComplex;
  std::vector<ElementDefinition> elements;
  // By JSON member name, and by FHIRPath name.
  std::unordered_map<std::string_view, Member> members;
  std::unordered_map<std::string_view, const ElementDefinition*> by_name;
  // Of a primitive that has one.
  std::unique_ptr<RE2> regex;
  std::vector<Invariant> invariants;
  // Of a resource, sorted by name.
  std::vector<SearchParameter> search;
  // Search parameters that place it in a patient's compartment.
  std::vector<std::string_view> compartment;
  // Where a resource names the patient it is about: the elements of its search parameters patient and subject that may lead to a
  // Patient, else of its compartment's. Empty when there is none.
  std::vector<std::vector<std::string>> patient_paths;
};

// Null when R4 has no such type.
[[nodiscard]] const TypeDefinition* FindType(std::string_view name);
// Every R4 resource type, sorted.
[[nodiscard]] const std::vector<std::string>& ResourceTypes();
[[nodiscard]] bool IsResourceType(std::string_view name);
// Null when the resource type has no such search parameter.
[[nodiscard]] const SearchParameter* FindSearchParameter(std::string_view resource_type, std::string_view name);
// XHTML elements and attributes that a narrative may have.
[[nodiscard]] const std::unordered_set<std::string_view>& NarrativeElements();
[[nodiscard]] const std::unordered_set<std::string_view>& NarrativeAttributes();
// Invariants whose expression is not understood here, "key: why"; they are not checked.
[[nodiscard]] const std::vector<std::string>& UncheckedInvariants();

// [A-Za-z0-9\-\.]{1,64}.
[[nodiscard]] bool IsFhirId(std::string_view text);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_FHIR_DEFINITIONS_H_

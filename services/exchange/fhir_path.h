// FHIRPath over FHIR JSON, as far as HL7's own definitions use it: search parameters and invariants
// (http://hl7.org/fhirpath/N1). Expressions are compiled once; evaluation reads the resource and allocates little. Pure; a compiled
// expression is safe from any thread, an evaluation belongs to one.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_FHIR_PATH_H_
#define CUSTODIAN_SERVICES_EXCHANGE_FHIR_PATH_H_

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "boost/container/small_vector.hpp"
#include "services/exchange/fhir_json.h"

namespace custodian::exchange {

struct TypeDefinition;

// One node: its JSON, the `_name` object beside a primitive (or null), and its FHIR type (null when unknown).
struct FhirNode {
  const Json* value = nullptr;
  const Json* extension = nullptr;
  const TypeDefinition* type = nullptr;
};
using FhirNodes = boost::container::small_vector<FhirNode, 4>;

// A whole resource as a node.
[[nodiscard]] FhirNode ResourceNode(const Json& resource);

// Where an expression stands; `computed` keeps what evaluation makes (counts, texts) for as long as the result is used.
struct FhirPathContext {
  FhirNode resource;
  FhirNode root_resource;
  std::deque<Json> computed;
  // Of `resource`, once asked for: an invariant of each contained resource asks several times.
  std::optional<FhirNodes> descendants = {};
};

class FhirPath {
 public:
  struct Expression;

  // InvalidArgument for text that is no FHIRPath, or has a function that is not understood here.
  [[nodiscard]] static absl::StatusOr<FhirPath> Compile(std::string_view text);
  FhirPath(FhirPath&&) noexcept;
  FhirPath& operator=(FhirPath&&) noexcept;
  ~FhirPath();

  [[nodiscard]] FhirNodes Evaluate(const FhirNode& focus, FhirPathContext& context) const;
  // As an invariant: false only when the expression says false; what cannot be decided holds.
  [[nodiscard]] bool Holds(const FhirNode& focus, FhirPathContext& context) const;

  // Plain element paths below the type that an expression begins with, one for each part of a union, conditions left out:
  // "Appointment.participant.actor.where(resolve() is Patient)" → {{"participant", "actor"}}.
  [[nodiscard]] std::vector<std::vector<std::string>> ElementPaths() const;

 private:
  explicit FhirPath(std::unique_ptr<Expression> expression);
  std::unique_ptr<Expression> expression_;
};

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_FHIR_PATH_H_

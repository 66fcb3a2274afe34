// The compiled form of a FHIRPath expression; for fhir_path_parser.cc, which makes it, and fhir_path.cc, which evaluates it.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_FHIR_PATH_EXPRESSION_H_
#define CUSTODIAN_SERVICES_EXCHANGE_FHIR_PATH_EXPRESSION_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "re2/re2.h"
#include "services/exchange/fhir_json.h"
#include "services/exchange/fhir_path.h"

namespace custodian::exchange {

struct FhirPath::Expression {
  enum class Kind {
    kLiteral,
    kThis,
    // %resource, %rootResource, %context, %ucum
    kResource,
    kRootResource,
    // `name` of the operand, or of the focus.
    kMember,
    kFunction,
    kIndex,
    kIs,
    kAs,
    kUnion,
    kEqual,
    kNotEqual,
    kLess,
    kLessOrEqual,
    kGreater,
    kGreaterOrEqual,
    kPlus,
    kMinus,
    kConcatenate,
    kIn,
    kContains,
    kAnd,
    kOr,
    kXor,
    kImplies,
  };
  enum class Function {
    kExists, kEmpty, kNot, kCount, kWhere, kAll, kSelect, kFirst, kTail, kIsDistinct, kDistinct, kAllFalse, kAllTrue, kAnyTrue,
    kHasValue, kChildren, kDescendants, kResolve, kOfType, kAs, kIs, kTrace, kIif, kCombine, kIntersect, kContains, kStartsWith,
    kEndsWith, kMatches, kReplaceMatches, kSubstring, kLength, kToInteger, kToString, kExtension, kHtmlChecks,
  };

  Kind kind = Kind::kThis;
  Function function = Function::kExists;
  // Of a member or a type.
  std::string name;
  // Null is the empty collection.
  Json literal;
  // "_name".
  std::string extension_name;
  std::unique_ptr<Expression> left;
  std::unique_ptr<Expression> right;
  std::vector<std::unique_ptr<Expression>> arguments;
  // Of matches() and replaceMatches() with a literal.
  std::unique_ptr<RE2> regex;
};

[[nodiscard]] absl::StatusOr<std::unique_ptr<FhirPath::Expression>> ParseFhirPath(std::string_view text);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_FHIR_PATH_EXPRESSION_H_

#include "services/exchange/fhir_path.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/exchange/fhir_definitions.h"
#include "services/exchange/fhir_path_expression.h"
#include "services/exchange/fhir_time.h"
#include "services/exchange/fhir_xhtml.h"

namespace custodian::exchange {
namespace {

using Expression = FhirPath::Expression;
using Kind = Expression::Kind;
using Function = Expression::Function;

const Json kNull;
const Json kTrue = Json::Bool(true);
const Json kFalse = Json::Bool(false);

FhirNodes Boolean(bool value) { return {FhirNode{value ? &kTrue : &kFalse, nullptr, nullptr}}; }

// Nothing for an empty collection; a single value that is no boolean counts as true.
std::optional<bool> Truth(const FhirNodes& nodes) {
  if (nodes.empty()) return std::nullopt;
  if (nodes.size() == 1 && nodes[0].value->is_bool()) return nodes[0].value->boolean();
  return true;
}

void AddMember(const FhirNode& node, const ElementType& type, FhirNodes& found) {
  const Json* value = node.value->Find(type.member);
  const bool is_primitive = type.type != nullptr && type.type->kind == TypeDefinition::Kind::kPrimitive;
  const Json* extension = is_primitive ? node.value->Find(type.extension_member) : nullptr;
  if (value == nullptr && extension == nullptr) return;
  const bool is_list = (value != nullptr && value->is_array()) || (extension != nullptr && extension->is_array());
  const auto type_of = [&](const Json& item) { return type.type != nullptr ? type.type : FindType(item.TextOf("resourceType")); };
  if (!is_list) {
    const Json& item = value == nullptr ? kNull : *value;
    found.push_back({&item, extension, type_of(item)});
    return;
  }
  const std::size_t count = std::max(value == nullptr ? 0 : value->items().size(), extension == nullptr ? 0 : extension->items().size());
  for (std::size_t i = 0; i < count; ++i) {
    const Json& item = value == nullptr ? kNull : (*value)[i];
    found.push_back({&item, extension == nullptr ? nullptr : &(*extension)[i], type_of(item)});
  }
}

void AddElement(const FhirNode& node, std::string_view name, FhirNodes& found) {
  if (node.type == nullptr) {
    const Json* value = node.value->Find(name);
    if (value == nullptr) return;
    if (!value->is_array()) return found.push_back({value, nullptr, nullptr});
    for (const Json& item : value->items()) found.push_back({&item, nullptr, nullptr});
    return;
  }
  if (node.type->kind == TypeDefinition::Kind::kPrimitive) {
    if (node.extension != nullptr && node.extension->is_object()) AddElement({node.extension, nullptr, FindType("Element")}, name, found);
    return;
  }
  const auto element = node.type->by_name.find(name);
  if (element == node.type->by_name.end()) return;
  for (const ElementType& type : element->second->types) AddMember(node, type, found);
}

void AddChildren(const FhirNode& node, FhirNodes& found) {
  if (node.type == nullptr || node.type->kind == TypeDefinition::Kind::kPrimitive) {
    if (node.extension != nullptr) AddElement(node, "extension", found);
    return;
  }
  for (const ElementDefinition& element : node.type->elements) {
    for (const ElementType& type : element.types) AddMember(node, type, found);
  }
}

void AddDescendants(const FhirNode& node, FhirNodes& found) {
  FhirNodes children;
  AddChildren(node, children);
  for (const FhirNode& child : children) {
    found.push_back(child);
    AddDescendants(child, found);
  }
}

std::optional<double> NumberOf(const Json& json) {
  double value = 0;
  if (!json.is_number() || !absl::SimpleAtod(json.text(), &value)) return std::nullopt;
  return value;
}

bool Same(const FhirNode& a, const FhirNode& b) {
  if (*a.value == *b.value) return true;
  const auto left = NumberOf(*a.value);
  const auto right = NumberOf(*b.value);
  return left.has_value() && right.has_value() && *left == *right;
}

bool Holds(const FhirNodes& nodes, const FhirNode& wanted) {
  return std::any_of(nodes.begin(), nodes.end(), [&](const FhirNode& node) { return Same(node, wanted); });
}

// -1, 0 or 1; nothing where the two cannot be compared.
std::optional<int> Order(const FhirNode& a, const FhirNode& b) {
  const auto left = NumberOf(*a.value);
  const auto right = NumberOf(*b.value);
  if (left.has_value() && right.has_value()) return *left < *right ? -1 : *left > *right ? 1 : 0;
  if (a.value->is_string() && b.value->is_string()) {
    const auto first = ParseFhirTime(a.value->text(), absl::UTCTimeZone());
    const auto second = ParseFhirTime(b.value->text(), absl::UTCTimeZone());
    if (!first.has_value() || !second.has_value()) return a.value->text().compare(b.value->text());
    if (first->end <= second->begin) return -1;
    if (second->end <= first->begin) return 1;
    // One within the other: of unequal precision, so that neither is the earlier.
    return first->begin == second->begin && first->end == second->end ? std::optional(0) : std::nullopt;
  }
  // Quantities of one unit.
  if (a.value->is_object() && b.value->is_object() && (*a.value)["code"] == (*b.value)["code"] && (*a.value)["unit"] == (*b.value)["unit"]) {
    const Json* first = a.value->Find("value");
    const Json* second = b.value->Find("value");
    if (first != nullptr && second != nullptr) return Order({first, nullptr, nullptr}, {second, nullptr, nullptr});
  }
  return std::nullopt;
}

// "boolean" and "Boolean", "Quantity" and the types that constrain it.
bool IsOfType(const FhirNode& node, std::string_view name) {
  const auto same = [&](std::string_view type) {
    return type.size() == name.size() && type.substr(1) == name.substr(1) && absl::ascii_tolower(static_cast<unsigned char>(type[0])) ==
                                                                                 absl::ascii_tolower(static_cast<unsigned char>(name[0]));
  };
  if (node.type != nullptr) return same(node.type->name);
  if (node.value->is_bool()) return same("boolean");
  if (node.value->is_string()) return same("string");
  return node.value->is_number() && (same("decimal") || same("integer"));
}

class Evaluation {
 public:
  explicit Evaluation(FhirPathContext& context) : context_(context) {}

  FhirNodes Run(const Expression& expression, const FhirNode& focus) {
    switch (expression.kind) {
      case Kind::kLiteral:
        if (expression.literal.is_null()) return {};
        return {FhirNode{&expression.literal, nullptr, nullptr}};
      case Kind::kThis:
        return {focus};
      case Kind::kResource:
        return {context_.resource};
      case Kind::kRootResource:
        return {context_.root_resource};
      case Kind::kMember:
        return Member(expression, focus);
      case Kind::kFunction:
        return Call(expression, focus);
      case Kind::kIndex:
        return At(Run(*expression.left, focus), Run(*expression.right, focus));
      case Kind::kIs: {
        const FhirNodes nodes = Run(*expression.left, focus);
        return nodes.size() == 1 ? Boolean(IsOfType(nodes[0], expression.name)) : FhirNodes();
      }
      case Kind::kAs:
        return OfType(Run(*expression.left, focus), expression.name);
      default:
        return Operate(expression, focus);
    }
  }

 private:
  FhirNodes Member(const Expression& expression, const FhirNode& focus) {
    FhirNodes found;
    if (expression.left != nullptr) {
      for (const FhirNode& node : Run(*expression.left, focus)) AddElement(node, expression.name, found);
      return found;
    }
    AddElement(focus, expression.name, found);
    if (found.empty() && focus.type != nullptr &&
        (focus.type->name == expression.name || expression.name == "Resource" || expression.name == "DomainResource")) {
      found.push_back(focus);
    }
    return found;
  }

  static FhirNodes At(const FhirNodes& nodes, const FhirNodes& index) {
    std::size_t position = 0;
    if (index.size() != 1 || !absl::SimpleAtoi(index[0].value->text(), &position) || position >= nodes.size()) return {};
    return {nodes[position]};
  }

  static FhirNodes OfType(const FhirNodes& nodes, std::string_view name) {
    FhirNodes found;
    for (const FhirNode& node : nodes) {
      if (IsOfType(node, name)) found.push_back(node);
    }
    return found;
  }

  FhirNodes Operate(const Expression& expression, const FhirNode& focus) {
    const FhirNodes left = Run(*expression.left, focus);
    // The right side of and, or, implies need not be looked at when the left decides.
    const bool is_logical = expression.kind == Kind::kAnd || expression.kind == Kind::kOr || expression.kind == Kind::kImplies;
    const std::optional<bool> truth = Truth(left);
    if (is_logical && truth.has_value() && *truth == (expression.kind == Kind::kOr)) return Boolean(expression.kind != Kind::kAnd);
    const FhirNodes right = Run(*expression.right, focus);
    switch (expression.kind) {
      case Kind::kAnd:
      case Kind::kOr:
      case Kind::kImplies:
      case Kind::kXor:
        return Logic(expression.kind, truth, Truth(right));
      case Kind::kUnion: {
        FhirNodes all;
        for (const FhirNodes* nodes : {&left, &right}) {
          for (const FhirNode& node : *nodes) {
            if (!Holds(all, node)) all.push_back(node);
          }
        }
        return all;
      }
      case Kind::kIn:
        return left.size() == 1 ? Boolean(Holds(right, left[0])) : FhirNodes();
      case Kind::kContains:
        return right.size() == 1 ? Boolean(Holds(left, right[0])) : FhirNodes();
      case Kind::kConcatenate:
        return Text(absl::StrCat(left.empty() ? "" : left[0].value->text(), right.empty() ? "" : right[0].value->text()));
      case Kind::kEqual:
      case Kind::kNotEqual:
        return Equality(left, right, expression.kind == Kind::kEqual);
      default:
        return Compare(expression.kind, left, right);
    }
  }

  // http://hl7.org/fhirpath/N1/#boolean-logic; nothing is unknown.
  static FhirNodes Logic(Kind kind, std::optional<bool> left, std::optional<bool> right) {
    if (kind == Kind::kImplies) {
      if (left.has_value()) left = !*left;
      kind = Kind::kOr;
    }
    if (kind == Kind::kXor) return left.has_value() && right.has_value() ? Boolean(*left != *right) : FhirNodes();
    const bool decisive = kind == Kind::kOr;
    if (left == decisive || right == decisive) return Boolean(decisive);
    return left.has_value() && right.has_value() ? Boolean(!decisive) : FhirNodes();
  }

  static FhirNodes Equality(const FhirNodes& left, const FhirNodes& right, bool wanted) {
    if (left.empty() || right.empty()) return {};
    bool equal = left.size() == right.size();
    for (std::size_t i = 0; equal && i < left.size(); ++i) equal = Same(left[i], right[i]);
    return Boolean(equal == wanted);
  }

  FhirNodes Compare(Kind kind, const FhirNodes& left, const FhirNodes& right) {
    if (left.size() != 1 || right.size() != 1) return {};
    if (kind == Kind::kPlus && left[0].value->is_string() && right[0].value->is_string()) {
      return Text(left[0].value->text() + right[0].value->text());
    }
    if (kind == Kind::kPlus || kind == Kind::kMinus) {
      const auto first = NumberOf(*left[0].value);
      const auto second = NumberOf(*right[0].value);
      if (!first.has_value() || !second.has_value()) return {};
      return Keep(Json::Number(absl::StrCat(kind == Kind::kPlus ? *first + *second : *first - *second)));
    }
    const auto order = Order(left[0], right[0]);
    if (!order.has_value()) return {};
    switch (kind) {
      case Kind::kLess:
        return Boolean(*order < 0);
      case Kind::kLessOrEqual:
        return Boolean(*order <= 0);
      case Kind::kGreater:
        return Boolean(*order > 0);
      default:
        return Boolean(*order >= 0);
    }
  }

  FhirNodes Keep(Json value) {
    context_.computed.push_back(std::move(value));
    return {FhirNode{&context_.computed.back(), nullptr, nullptr}};
  }
  FhirNodes Text(std::string text) { return Keep(Json::String(std::move(text))); }

  FhirNodes Call(const Expression& call, const FhirNode& focus) {
    const FhirNodes input = call.left == nullptr ? FhirNodes{focus} : Run(*call.left, focus);
    switch (call.function) {
      case Function::kExists:
        if (call.arguments.empty()) return Boolean(!input.empty());
        return Boolean(std::any_of(input.begin(), input.end(), [&](const FhirNode& node) { return IsTrue(*call.arguments[0], node); }));
      case Function::kEmpty:
        return Boolean(input.empty());
      case Function::kNot: {
        const auto truth = Truth(input);
        return truth.has_value() ? Boolean(!*truth) : FhirNodes();
      }
      case Function::kCount:
        return Keep(Json::Integer(static_cast<std::int64_t>(input.size())));
      case Function::kAll:
        return Boolean(std::all_of(input.begin(), input.end(), [&](const FhirNode& node) { return IsTrue(*call.arguments[0], node); }));
      case Function::kAllTrue:
        return Boolean(std::all_of(input.begin(), input.end(), [](const FhirNode& node) { return node.value->boolean(); }));
      case Function::kAllFalse:
        return Boolean(std::none_of(input.begin(), input.end(), [](const FhirNode& node) { return node.value->boolean(); }));
      case Function::kAnyTrue:
        return Boolean(std::any_of(input.begin(), input.end(), [](const FhirNode& node) { return node.value->boolean(); }));
      case Function::kHasValue:
        return Boolean(input.size() == 1 && !input[0].value->is_null() && !input[0].value->is_object());
      case Function::kIsDistinct:
        return Boolean(Distinct(input).size() == input.size());
      case Function::kTrace:
        return input;
      case Function::kIif: {
        const bool condition = IsTrue(*call.arguments[0], input.empty() ? focus : input[0]);
        if (condition) return Run(*call.arguments[1], focus);
        return call.arguments.size() > 2 ? Run(*call.arguments[2], focus) : FhirNodes();
      }
      case Function::kIs:
        return input.size() == 1 ? Boolean(IsOfType(input[0], call.name)) : FhirNodes();
      case Function::kHtmlChecks:
        return Boolean(input.size() != 1 || IsNarrativeXhtml(input[0].value->text()));
      case Function::kContains:
      case Function::kStartsWith:
      case Function::kEndsWith:
      case Function::kMatches:
      case Function::kReplaceMatches:
      case Function::kSubstring:
      case Function::kLength:
      case Function::kToInteger:
      case Function::kToString:
        return input.size() == 1 ? OnText(call, *input[0].value, focus) : FhirNodes();
      default:
        return Filter(call, input, focus);
    }
  }

  bool IsTrue(const Expression& condition, const FhirNode& node) { return Truth(Run(condition, node)).value_or(false); }

  static FhirNodes Distinct(const FhirNodes& nodes) {
    FhirNodes distinct;
    for (const FhirNode& node : nodes) {
      if (!Holds(distinct, node)) distinct.push_back(node);
    }
    return distinct;
  }

  const FhirNodes& DescendantsOfResource() {
    if (!context_.descendants) AddDescendants(context_.resource, context_.descendants.emplace());
    return *context_.descendants;
  }

  // Functions from a collection to a collection.
  FhirNodes Filter(const Expression& call, const FhirNodes& input, const FhirNode& focus) {
    FhirNodes found;
    switch (call.function) {
      case Function::kWhere:
        for (const FhirNode& node : input) {
          if (IsTrue(*call.arguments[0], node)) found.push_back(node);
        }
        return found;
      case Function::kSelect:
        for (const FhirNode& node : input) {
          for (const FhirNode& each : Run(*call.arguments[0], node)) found.push_back(each);
        }
        return found;
      case Function::kFirst:
        return input.empty() ? FhirNodes() : FhirNodes{input[0]};
      case Function::kTail:
        if (!input.empty()) found.assign(input.begin() + 1, input.end());
        return found;
      case Function::kDistinct:
        return Distinct(input);
      case Function::kOfType:
      case Function::kAs:
        return OfType(input, call.name);
      case Function::kChildren:
        for (const FhirNode& node : input) AddChildren(node, found);
        return found;
      case Function::kDescendants:
        if (call.left != nullptr && call.left->kind == Kind::kResource) return DescendantsOfResource();
        for (const FhirNode& node : input) AddDescendants(node, found);
        return found;
      case Function::kExtension: {
        const FhirNodes url = Run(*call.arguments[0], focus);
        FhirNodes extensions;
        for (const FhirNode& node : input) AddElement(node, "extension", extensions);
        for (const FhirNode& node : extensions) {
          if (url.size() == 1 && node.value->TextOf("url") == url[0].value->text()) found.push_back(node);
        }
        return found;
      }
      case Function::kCombine:
        found = input;
        for (const FhirNode& node : Run(*call.arguments[0], focus)) found.push_back(node);
        return found;
      case Function::kIntersect: {
        const FhirNodes other = Run(*call.arguments[0], focus);
        for (const FhirNode& node : input) {
          if (Holds(other, node) && !Holds(found, node)) found.push_back(node);
        }
        return found;
      }
      case Function::kResolve:
        for (const FhirNode& node : input) Resolve(*node.value, found);
        return found;
      default:
        return found;
    }
  }

  // What a reference says of its target: the contained resource, else its type alone.
  void Resolve(const Json& reference, FhirNodes& found) {
    std::string_view text = reference.is_string() ? std::string_view(reference.text()) : std::string_view(reference.TextOf("reference"));
    if (text.starts_with('#')) {
      for (const Json& contained : (*context_.root_resource.value)["contained"].items()) {
        if (contained.TextOf("id") == text.substr(1)) found.push_back(ResourceNode(contained));
      }
      return;
    }
    if (const auto history = text.find("/_history/"); history != std::string_view::npos) text = text.substr(0, history);
    std::string_view type;
    if (const auto question = text.find('?'); question != std::string_view::npos) {
      type = text.substr(0, question);
    } else if (const auto slash = text.rfind('/'); slash != std::string_view::npos) {
      const auto before = text.substr(0, slash).rfind('/');
      type = text.substr(before == std::string_view::npos ? 0 : before + 1, slash - (before == std::string_view::npos ? 0 : before + 1));
    }
    const TypeDefinition* known = FindType(IsResourceType(type) ? type : std::string_view(reference.TextOf("type")));
    if (known != nullptr) found.push_back({&kNull, nullptr, known});
  }

  FhirNodes OnText(const Expression& call, const Json& value, const FhirNode& focus) {
    const std::string& text = value.text();
    const auto argument = [&](std::size_t i) -> std::string {
      const FhirNodes nodes = i < call.arguments.size() ? Run(*call.arguments[i], focus) : FhirNodes();
      return nodes.size() == 1 ? nodes[0].value->text() : "";
    };
    switch (call.function) {
      case Function::kContains:
        return Boolean(text.find(argument(0)) != std::string::npos);
      case Function::kStartsWith:
        return Boolean(text.starts_with(argument(0)));
      case Function::kEndsWith:
        return Boolean(text.ends_with(argument(0)));
      case Function::kMatches:
        return Boolean(RE2::PartialMatch(text, *call.regex));
      case Function::kReplaceMatches: {
        std::string replaced = text;
        RE2::GlobalReplace(&replaced, *call.regex, argument(1));
        return Text(std::move(replaced));
      }
      case Function::kSubstring: {
        std::size_t from = 0;
        std::size_t length = std::string::npos;
        if (!absl::SimpleAtoi(argument(0), &from) || from >= text.size()) return {};
        if (call.arguments.size() > 1 && !absl::SimpleAtoi(argument(1), &length)) return {};
        return Text(text.substr(from, length));
      }
      case Function::kLength:
        return Keep(Json::Integer(static_cast<std::int64_t>(text.size())));
      case Function::kToInteger: {
        std::int64_t number = 0;
        return absl::SimpleAtoi(text, &number) ? Keep(Json::Integer(number)) : FhirNodes();
      }
      default:
        return Text(text);
    }
  }

  FhirPathContext& context_;
};

// The members an expression begins with; false when it is no plain path.
bool PathOf(const Expression& expression, std::vector<std::string>& path) {
  if (expression.kind == Kind::kMember) {
    if (expression.left != nullptr) {
      if (!PathOf(*expression.left, path)) return false;
      path.push_back(expression.name);
    }
    // The first member is the type's name.
    return true;
  }
  const bool passes_on = expression.kind == Kind::kAs || expression.kind == Kind::kFunction;
  return passes_on && expression.left != nullptr && PathOf(*expression.left, path);
}

void PathsOf(const Expression& expression, std::vector<std::vector<std::string>>& paths) {
  if (expression.kind == Kind::kUnion) {
    PathsOf(*expression.left, paths);
    PathsOf(*expression.right, paths);
    return;
  }
  std::vector<std::string> path;
  if (PathOf(expression, path) && !path.empty()) paths.push_back(std::move(path));
}

}  // namespace

FhirNode ResourceNode(const Json& resource) { return {&resource, nullptr, FindType(resource.TextOf("resourceType"))}; }

FhirPath::FhirPath(std::unique_ptr<Expression> expression) : expression_(std::move(expression)) {}
FhirPath::FhirPath(FhirPath&&) noexcept = default;
FhirPath& FhirPath::operator=(FhirPath&&) noexcept = default;
FhirPath::~FhirPath() = default;

absl::StatusOr<FhirPath> FhirPath::Compile(std::string_view text) {
  auto expression = ParseFhirPath(text);
  if (!expression.ok()) return expression.status();
  return FhirPath(*std::move(expression));
}

FhirNodes FhirPath::Evaluate(const FhirNode& focus, FhirPathContext& context) const { return Evaluation(context).Run(*expression_, focus); }

bool FhirPath::Holds(const FhirNode& focus, FhirPathContext& context) const {
  return Truth(Evaluate(focus, context)).value_or(true);
}

std::vector<std::vector<std::string>> FhirPath::ElementPaths() const {
  std::vector<std::vector<std::string>> paths;
  PathsOf(*expression_, paths);
  return paths;
}

}  // namespace custodian::exchange

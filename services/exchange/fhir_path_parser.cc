#include <map>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "services/exchange/fhir_path_expression.h"

namespace custodian::exchange {
namespace {

using Expression = FhirPath::Expression;
using Kind = Expression::Kind;
using Function = Expression::Function;
using Node = std::unique_ptr<Expression>;

struct FunctionForm {
  Function function;
  std::size_t arguments_min;
  std::size_t arguments_max;
};
const std::map<std::string_view, FunctionForm>& Functions() {
  static const auto* const kFunctions = new std::map<std::string_view, FunctionForm>{
      {"exists", {Function::kExists, 0, 1}},          {"empty", {Function::kEmpty, 0, 0}},
      {"not", {Function::kNot, 0, 0}},                {"count", {Function::kCount, 0, 0}},
      {"where", {Function::kWhere, 1, 1}},            {"all", {Function::kAll, 1, 1}},
      {"select", {Function::kSelect, 1, 1}},          {"first", {Function::kFirst, 0, 0}},
      {"tail", {Function::kTail, 0, 0}},              {"isDistinct", {Function::kIsDistinct, 0, 0}},
      {"distinct", {Function::kDistinct, 0, 0}},      {"allFalse", {Function::kAllFalse, 0, 0}},
      {"allTrue", {Function::kAllTrue, 0, 0}},        {"anyTrue", {Function::kAnyTrue, 0, 0}},
      {"hasValue", {Function::kHasValue, 0, 0}},      {"children", {Function::kChildren, 0, 0}},
      {"descendants", {Function::kDescendants, 0, 0}}, {"resolve", {Function::kResolve, 0, 0}},
      {"ofType", {Function::kOfType, 1, 1}},          {"as", {Function::kAs, 1, 1}},
      {"is", {Function::kIs, 1, 1}},                  {"trace", {Function::kTrace, 1, 2}},
      {"iif", {Function::kIif, 2, 3}},                {"combine", {Function::kCombine, 1, 1}},
      {"intersect", {Function::kIntersect, 1, 1}},    {"contains", {Function::kContains, 1, 1}},
      {"startsWith", {Function::kStartsWith, 1, 1}},  {"endsWith", {Function::kEndsWith, 1, 1}},
      {"matches", {Function::kMatches, 1, 1}},        {"replaceMatches", {Function::kReplaceMatches, 2, 2}},
      {"substring", {Function::kSubstring, 1, 2}},    {"length", {Function::kLength, 0, 0}},
      {"toInteger", {Function::kToInteger, 0, 0}},    {"toString", {Function::kToString, 0, 0}},
      {"extension", {Function::kExtension, 1, 1}},    {"htmlChecks", {Function::kHtmlChecks, 0, 0}},
  };
  return *kFunctions;
}

// Binary operators by precedence, the loosest first (http://hl7.org/fhirpath/N1/#operator-precedence).
struct Operator {
  std::string_view text;
  Kind kind;
  int precedence;
};
constexpr Operator kOperators[] = {
    {"implies", Kind::kImplies, 1}, {"or", Kind::kOr, 2},           {"xor", Kind::kXor, 2},        {"and", Kind::kAnd, 3},
    {"in", Kind::kIn, 4},           {"contains", Kind::kContains, 4}, {"!=", Kind::kNotEqual, 5},  {"=", Kind::kEqual, 5},
    {"<=", Kind::kLessOrEqual, 6},  {">=", Kind::kGreaterOrEqual, 6}, {"<", Kind::kLess, 6},       {">", Kind::kGreater, 6},
    {"|", Kind::kUnion, 7},         {"is", Kind::kIs, 8},           {"as", Kind::kAs, 8},          {"+", Kind::kPlus, 9},
    {"-", Kind::kMinus, 9},         {"&", Kind::kConcatenate, 9},
};

bool IsNameStart(char c) { return absl::ascii_isalpha(static_cast<unsigned char>(c)) || c == '_'; }
bool IsNamePart(char c) { return IsNameStart(c) || absl::ascii_isdigit(static_cast<unsigned char>(c)); }

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  absl::StatusOr<Node> Run() {
    Node node = Binary(1);
    SkipSpace();
    if (fault_.empty() && at_ != text_.size()) fault_ = "something follows the expression";
    if (!fault_.empty()) return absl::InvalidArgumentError(absl::StrCat("FHIRPath, character ", at_ + 1, ": ", fault_));
    return node;
  }

 private:
  void Fail(std::string fault) {
    if (fault_.empty()) fault_ = std::move(fault);
  }
  void SkipSpace() {
    while (at_ < text_.size() && absl::ascii_isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
  }
  bool Take(std::string_view token) {
    SkipSpace();
    if (!text_.substr(at_).starts_with(token)) return false;
    if (IsNameStart(token.front()) && at_ + token.size() < text_.size() && IsNamePart(text_[at_ + token.size()])) return false;
    at_ += token.size();
    return true;
  }
  static Node Make(Kind kind, Node left = nullptr, Node right = nullptr) {
    auto node = std::make_unique<Expression>();
    node->kind = kind;
    node->left = std::move(left);
    node->right = std::move(right);
    return node;
  }

  const Operator* TakeOperator(int precedence) {
    const std::size_t before = at_;
    for (const Operator& each : kOperators) {
      if (each.precedence == precedence && Take(each.text)) return &each;
      at_ = before;
    }
    return nullptr;
  }

  Node Binary(int precedence) {
    constexpr int kTightest = 9;
    if (precedence > kTightest) return Postfix();
    Node left = Binary(precedence + 1);
    while (fault_.empty()) {
      const Operator* found = TakeOperator(precedence);
      if (found == nullptr) break;
      if (found->kind == Kind::kIs || found->kind == Kind::kAs) {
        left = Make(found->kind, std::move(left));
        left->name = TypeName();
      } else {
        Node right = Binary(precedence + 1);
        left = Make(found->kind, std::move(left), std::move(right));
      }
    }
    return left;
  }

  Node Postfix() {
    Node node = Term();
    while (fault_.empty()) {
      if (Take(".")) {
        node = Invocation(std::move(node));
      } else if (Take("[")) {
        Node index = Binary(1);
        node = Make(Kind::kIndex, std::move(node), std::move(index));
        if (!Take("]")) Fail("a ']' is missing");
      } else {
        break;
      }
    }
    return node;
  }

  Node Term() {
    SkipSpace();
    if (at_ >= text_.size()) {
      Fail("it ends too early");
      return Make(Kind::kThis);
    }
    const char first = text_[at_];
    if (Take("(")) {
      Node inner = Binary(1);
      if (!Take(")")) Fail("a ')' is missing");
      return inner;
    }
    if (Take("{")) {
      if (!Take("}")) Fail("a '}' is missing");
      return Literal(Json());
    }
    if (first == '\'') return Text();
    if (absl::ascii_isdigit(static_cast<unsigned char>(first))) return Number();
    if (first == '%') return Variable();
    if (Take("$this")) return Make(Kind::kThis);
    if (Take("true")) return Literal(Json::Bool(true));
    if (Take("false")) return Literal(Json::Bool(false));
    return Invocation(nullptr);
  }

  static Node Literal(Json value) {
    Node node = Make(Kind::kLiteral);
    node->literal = std::move(value);
    return node;
  }

  Node Number() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && (absl::ascii_isdigit(static_cast<unsigned char>(text_[at_])) || text_[at_] == '.')) ++at_;
    return Literal(Json::Number(std::string(text_.substr(begin, at_ - begin))));
  }

  Node Text() {
    std::string value;
    for (++at_; at_ < text_.size() && text_[at_] != '\''; ++at_) {
      if (text_[at_] != '\\' || at_ + 1 >= text_.size()) {
        value += text_[at_];
        continue;
      }
      const char escaped = text_[++at_];
      value += escaped == 'n' ? '\n' : escaped == 't' ? '\t' : escaped == 'r' ? '\r' : escaped;
    }
    if (at_ >= text_.size()) Fail("a text does not end");
    ++at_;
    return Literal(Json::String(std::move(value)));
  }

  Node Variable() {
    if (Take("%resource") || Take("%context")) return Make(Kind::kResource);
    if (Take("%rootResource")) return Make(Kind::kRootResource);
    if (Take("%ucum")) return Literal(Json::String("http://unitsofmeasure.org"));
    Fail("a variable is not known");
    return Make(Kind::kThis);
  }

  std::string Name() {
    SkipSpace();
    const std::size_t begin = at_;
    if (at_ < text_.size() && IsNameStart(text_[at_])) {
      while (at_ < text_.size() && IsNamePart(text_[at_])) ++at_;
    }
    if (at_ == begin) Fail("a name is missing");
    return std::string(text_.substr(begin, at_ - begin));
  }
  std::string TypeName() {
    std::string name = Name();
    if ((name == "FHIR" || name == "System") && Take(".")) name = Name();
    return name;
  }

  Node Invocation(Node operand) {
    std::string name = Name();
    if (!Take("(")) {
      Node node = Make(Kind::kMember, std::move(operand));
      node->extension_name = "_" + name;
      node->name = std::move(name);
      return node;
    }
    Node node = Make(Kind::kFunction, std::move(operand));
    const auto form = Functions().find(name);
    if (form == Functions().end()) {
      Fail(absl::StrCat("the function ", name, " is not known"));
      return node;
    }
    node->function = form->second.function;
    const bool of_type = node->function == Function::kOfType || node->function == Function::kAs || node->function == Function::kIs;
    if (of_type) {
      node->name = TypeName();
      if (!Take(")")) Fail("a ')' is missing");
      return node;
    }
    if (!Take(")")) {
      do node->arguments.push_back(Binary(1));
      while (fault_.empty() && Take(","));
      if (!Take(")")) Fail("a ')' is missing");
    }
    if (node->arguments.size() < form->second.arguments_min || node->arguments.size() > form->second.arguments_max) {
      Fail(absl::StrCat(name, "() has another number of arguments"));
    }
    if (fault_.empty() && (node->function == Function::kMatches || node->function == Function::kReplaceMatches)) CompileRegex(*node);
    return node;
  }

  void CompileRegex(Expression& node) {
    if (node.arguments[0]->kind != Kind::kLiteral) return Fail("a regular expression must be a literal");
    RE2::Options options;
    options.set_log_errors(false);
    node.regex = std::make_unique<RE2>(node.arguments[0]->literal.text(), options);
    if (!node.regex->ok()) Fail("a regular expression is malformed");
  }

  const std::string_view text_;
  std::size_t at_ = 0;
  std::string fault_;
};

}  // namespace

absl::StatusOr<Node> ParseFhirPath(std::string_view text) { return Parser(text).Run(); }

}  // namespace custodian::exchange

// JSON as FHIR needs it: number text is kept as written (1.10 is not 1.1), member order is kept, duplicate names and broken UTF-8
// are refused, size and depth have limits. Plain values over RapidJSON, which stays in fhir_json.cc. Pure; a Json is used by one
// thread at a time unless only read.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_FHIR_JSON_H_
#define CUSTODIAN_SERVICES_EXCHANGE_FHIR_JSON_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"

namespace custodian::exchange {

class Json {
 public:
  enum class Type { kNull, kBool, kNumber, kString, kArray, kObject };
  struct Member;
  struct NewMember;
  struct NewItem;

  Json() = default;
  [[nodiscard]] static Json Bool(bool value);
  // `text` is a JSON number, kept as it is.
  [[nodiscard]] static Json Number(std::string text);
  [[nodiscard]] static Json Integer(std::int64_t value);
  [[nodiscard]] static Json String(std::string text);
  [[nodiscard]] static Json Array();
  [[nodiscard]] static Json Array(std::vector<Json> items);
  [[nodiscard]] static Json Array(std::initializer_list<NewItem> items);
  [[nodiscard]] static Json Object();
  [[nodiscard]] static Json Object(std::vector<Member> members);
  [[nodiscard]] static Json Object(std::initializer_list<NewMember> members);

  struct Limits {
    std::size_t bytes_max = 64u << 20;
    int depth_max = 64;
  };
  // RFC 8259. InvalidArgument naming line and column (and never quoting the text).
  [[nodiscard]] static absl::StatusOr<Json> Parse(std::string_view text, const Limits& limits);
  [[nodiscard]] static absl::StatusOr<Json> Parse(std::string_view text) { return Parse(text, Limits()); }
  // Without whitespace; what Parse() read comes out equal, numbers as written.
  [[nodiscard]] std::string Text() const;

  [[nodiscard]] Type type() const { return static_cast<Type>(value_.index()); }
  [[nodiscard]] bool is_null() const { return type() == Type::kNull; }
  [[nodiscard]] bool is_string() const { return type() == Type::kString; }
  [[nodiscard]] bool is_number() const { return type() == Type::kNumber; }
  [[nodiscard]] bool is_bool() const { return type() == Type::kBool; }
  [[nodiscard]] bool is_array() const { return type() == Type::kArray; }
  [[nodiscard]] bool is_object() const { return type() == Type::kObject; }

  // The text of a string or number; empty for anything else.
  [[nodiscard]] const std::string& text() const;
  [[nodiscard]] bool boolean() const;
  // Items of an array; empty for anything else, where what is put in is lost.
  [[nodiscard]] const std::vector<Json>& items() const;
  [[nodiscard]] std::vector<Json>& items();
  // Members of an object, in order; empty for anything else, where what is put in is lost.
  [[nodiscard]] const std::vector<Member>& members() const;
  [[nodiscard]] std::vector<Member>& members();

  // Member of an object, or null when there is none (or this is no object).
  [[nodiscard]] const Json* Find(std::string_view name) const;
  [[nodiscard]] Json* Find(std::string_view name);
  // A null value stands for what is missing: json["code"]["coding"][0]["system"].text() never fails.
  [[nodiscard]] const Json& operator[](std::string_view name) const;
  [[nodiscard]] const Json& operator[](std::size_t index) const;
  // Text of a string member; empty when there is none.
  [[nodiscard]] const std::string& TextOf(std::string_view name) const { return (*this)[name].text(); }

  // Sets a member (the object keeps its order; a new member comes last). Turns null into an object.
  void Set(std::string_view name, Json value);
  void Remove(std::string_view name);
  // Appends to an array. Turns null into an array.
  void Append(Json value);

  // Equal as JSON: members in any order, array items in order, numbers by their text.
  friend bool operator==(const Json& a, const Json& b);

 private:
  friend class JsonBuilder;
  struct NumberText {
    std::string text;
  };
  // In the order of Type.
  std::variant<std::monostate, bool, NumberText, std::string, std::vector<Json>, std::vector<Member>> value_;
};

struct Json::Member {
  std::string name;
  Json value;
};

// What stands between braces, as in Json::Object({{"system", Json::String(system)}}): an initializer list gives constant elements only, and these
// are moved out of all the same, so that nothing is copied however deep it is nested.
struct Json::NewMember {
  NewMember(std::string_view name_of, Json value_of) : name(name_of), value(std::move(value_of)) {}
  std::string_view name;
  mutable Json value;
};
struct Json::NewItem {
  NewItem(Json item) : value(std::move(item)) {}  // NOLINT(google-explicit-constructor): written as the item itself
  mutable Json value;
};

// One issue of an OperationOutcome (http://hl7.org/fhir/R4/operationoutcome.html).
struct Issue {
  // IssueType: "structure", "required", "value", "invariant", "not-found", "conflict", "security", "exception", ...
  std::string code;
  // What is wrong and what to do; never health data.
  std::string diagnostics;
  // FHIRPath of the fault, e.g. "Bundle.entry[3].resource.birthDate"; empty when the fault has no place.
  std::string expression;
};
// With severity "error" for each issue, or "information" when `information`.
[[nodiscard]] std::string OperationOutcome(const std::vector<Issue>& issues, bool information = false);

// Where a value stands in a resource. Made on the stack on the way down; its text is made only for what is told.
struct Place {
  const Place* parent = nullptr;
  std::string_view name;
  // Of an item of a list.
  std::ptrdiff_t index = -1;

  // FHIRPath: "Patient.name[0].given[1]".
  [[nodiscard]] std::string Text() const;
};

// Calls `visit` with every `reference` text of a Reference in `resource` (contained ones too) and its FHIRPath below `path`; what
// `visit` leaves in the text is stored back.
void VisitReferences(Json& resource, std::string_view path, const std::function<void(std::string& reference, const std::string& path)>& visit);
// The same for reading only.
void VisitReferences(const Json& resource, std::string_view path,
                     const std::function<void(const std::string& reference, const std::string& path)>& visit);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_FHIR_JSON_H_

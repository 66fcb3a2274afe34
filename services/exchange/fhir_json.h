// JSON as FHIR needs it: number text is kept as written (1.10 is not 1.1), member order is kept, duplicate names and broken UTF-8
// are refused, size and depth have limits. Plain values over RapidJSON, which stays in fhir_json.cc. Pure; a Json is used by one
// thread at a time unless only read.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_FHIR_JSON_H_
#define CUSTODIAN_SERVICES_EXCHANGE_FHIR_JSON_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace custodian::exchange {

class Json {
 public:
  enum class Type { kNull, kBool, kNumber, kString, kArray, kObject };
  struct Member;

  Json() = default;
  [[nodiscard]] static Json Bool(bool value);
  // `text` is a JSON number, kept as it is.
  [[nodiscard]] static Json Number(std::string text);
  [[nodiscard]] static Json Integer(std::int64_t value);
  [[nodiscard]] static Json String(std::string text);
  [[nodiscard]] static Json Array();
  [[nodiscard]] static Json Array(std::vector<Json> items);
  [[nodiscard]] static Json Object();
  [[nodiscard]] static Json Object(std::vector<Member> members);

  struct Limits {
    std::size_t bytes_max = 64u << 20;
    int depth_max = 64;
  };
  // RFC 8259. InvalidArgument naming line and column (and never quoting the text).
  [[nodiscard]] static absl::StatusOr<Json> Parse(std::string_view text, const Limits& limits);
  [[nodiscard]] static absl::StatusOr<Json> Parse(std::string_view text) { return Parse(text, Limits()); }
  // Without whitespace; what Parse() read comes out equal, numbers as written.
  [[nodiscard]] std::string Text() const;

  [[nodiscard]] Type type() const { return type_; }
  [[nodiscard]] bool is_null() const { return type_ == Type::kNull; }
  [[nodiscard]] bool is_string() const { return type_ == Type::kString; }
  [[nodiscard]] bool is_number() const { return type_ == Type::kNumber; }
  [[nodiscard]] bool is_bool() const { return type_ == Type::kBool; }
  [[nodiscard]] bool is_array() const { return type_ == Type::kArray; }
  [[nodiscard]] bool is_object() const { return type_ == Type::kObject; }

  // The text of a string or number; empty for anything else.
  [[nodiscard]] const std::string& text() const { return text_; }
  [[nodiscard]] bool boolean() const { return boolean_; }
  // Items of an array; empty for anything else.
  [[nodiscard]] const std::vector<Json>& items() const { return items_; }
  [[nodiscard]] std::vector<Json>& items() { return items_; }
  // Members of an object, in order; empty for anything else.
  [[nodiscard]] const std::vector<Member>& members() const { return members_; }
  [[nodiscard]] std::vector<Member>& members() { return members_; }

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
  Type type_ = Type::kNull;
  bool boolean_ = false;
  std::string text_;
  std::vector<Json> items_;
  std::vector<Member> members_;
};

struct Json::Member {
  std::string name;
  Json value;
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

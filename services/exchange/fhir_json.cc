#include "services/exchange/fhir_json.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <unordered_set>
#include <utility>

#include <unicode/utf8.h>

#include "absl/strings/str_cat.h"

#define RAPIDJSON_HAS_STDSTRING 1
#include "rapidjson/error/en.h"
#include "rapidjson/reader.h"
#include "rapidjson/stringbuffer.h"
#include "rapidjson/writer.h"

namespace custodian::exchange {
namespace {

// Members past which duplicates are looked for with a hash set.
constexpr std::size_t kLinearSearchMax = 16;
// So that ordinary resources make few allocations while they are parsed.
constexpr std::size_t kDepthExpected = 16;
constexpr std::size_t kMembersExpected = 4;

const Json kMissing;

// What a client sent may stand in it: controls and broken UTF-8, which no FHIR string may have, become U+FFFD.
std::string Printable(std::string_view text) {
  std::string printable;
  const auto size = static_cast<std::int32_t>(text.size());
  for (std::int32_t at = 0; at < size;) {
    const std::int32_t begin = at;
    UChar32 letter = 0;
    U8_NEXT(text.data(), at, size, letter);
    const bool is_control = letter < 0x20 ? letter != '\n' && letter != '\r' && letter != '\t' : letter == 0x7f;
    if (letter < 0 || is_control) printable += "\xef\xbf\xbd";
    else printable += text.substr(static_cast<std::size_t>(begin), static_cast<std::size_t>(at - begin));
  }
  return printable;
}

// RapidJSON lets a lone low surrogate ("\udc00") through as broken UTF-8, and a NUL: neither may be stored.
const char* FaultOfText(std::string_view text) {
  constexpr char kLeadOfSurrogates = '\xED';
  if (text.find('\0') != std::string_view::npos) return "a NUL character";
  for (std::size_t i = text.find(kLeadOfSurrogates); i != std::string_view::npos; i = text.find(kLeadOfSurrogates, i + 1))
    if (i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) >= 0xA0) return "a lone surrogate";
  return nullptr;
}

// Where the first byte stands that is no UTF-8; npos without.
std::size_t FindBrokenUtf8(std::string_view text) {
  constexpr std::uint64_t kHighBits = 0x8080808080808080;
  const auto size = static_cast<std::int32_t>(text.size());
  for (std::int32_t at = 0; at < size;) {
    std::uint64_t eight = kHighBits;
    if (size - at >= 8) std::memcpy(&eight, text.data() + at, sizeof eight);
    if ((eight & kHighBits) == 0) {
      at += 8;
      continue;
    }
    const std::int32_t begin = at;
    UChar32 letter = 0;
    U8_NEXT(text.data(), at, size, letter);
    if (letter < 0) return static_cast<std::size_t>(begin);
  }
  return std::string_view::npos;
}

absl::Status NotWellFormed(std::string_view text, std::size_t offset, std::string_view reason) {
  offset = std::min(offset, text.size());
  const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(offset), '\n');
  const std::size_t last_break = offset == 0 ? std::string_view::npos : text.rfind('\n', offset - 1);
  const std::size_t column = last_break == std::string_view::npos ? offset + 1 : offset - last_break;
  return absl::InvalidArgumentError(absl::StrCat("not well-formed JSON at line ", line, ", column ", column, ": ", std::string(reason)));
}

}  // namespace

// Builds the tree from RapidJSON's events; returning false ends the parse with `fault` as its reason.
class JsonBuilder {
 public:
  explicit JsonBuilder(int depth_max) : depth_max_(depth_max) { levels_.reserve(kDepthExpected); }

  bool Null() { return Add(Json()); }
  bool Bool(bool value) { return Add(Json::Bool(value)); }
  bool RawNumber(const char* text, rapidjson::SizeType size, bool) { return Add(Json::Number(std::string(text, size))); }
  // Numbers come as text only.
  bool Int(int) { return Unreachable(); }
  bool Uint(unsigned) { return Unreachable(); }
  bool Int64(std::int64_t) { return Unreachable(); }
  bool Uint64(std::uint64_t) { return Unreachable(); }
  bool Double(double) { return Unreachable(); }
  bool String(const char* text, rapidjson::SizeType size, bool) {
    if ((fault_ = FaultOfText({text, size})) != nullptr) return false;
    return Add(Json::String(std::string(text, size)));
  }
  bool StartObject() { return Open(Json::Object()); }
  bool Key(const char* text, rapidjson::SizeType size, bool) {
    if ((fault_ = FaultOfText({text, size})) != nullptr) return false;
    Level& level = levels_.back();
    std::string name(text, size);
    if (!IsNew(level, name)) {
      fault_ = "a member name that the object already has";
      return false;
    }
    std::get<std::vector<Json::Member>>(level.value.value_).push_back({std::move(name), Json()});
    return true;
  }
  bool EndObject(rapidjson::SizeType) { return Close(); }
  bool StartArray() { return Open(Json::Array()); }
  bool EndArray(rapidjson::SizeType) { return Close(); }

  [[nodiscard]] const char* fault() const { return fault_; }
  [[nodiscard]] Json Take() { return std::move(result_); }

 private:
  struct Level {
    Json value;
    std::unordered_set<std::string> names;
  };

  static bool IsNew(Level& level, const std::string& name) {
    const auto& members = level.value.members();
    if (members.size() < kLinearSearchMax) {
      return std::none_of(members.begin(), members.end(), [&](const Json::Member& member) { return member.name == name; });
    }
    if (level.names.empty()) {
      for (const auto& member : members) level.names.insert(member.name);
    }
    return level.names.insert(name).second;
  }
  bool Unreachable() {
    fault_ = "a number";
    return false;
  }
  bool Open(Json value) {
    if (static_cast<int>(levels_.size()) >= depth_max_) {
      fault_ = "deeper nesting than is allowed";
      return false;
    }
    levels_.push_back({std::move(value), {}});
    if (levels_.back().value.is_object()) levels_.back().value.members().reserve(kMembersExpected);
    return true;
  }
  bool Close() {
    Json value = std::move(levels_.back().value);
    levels_.pop_back();
    return Add(std::move(value));
  }
  bool Add(Json value) {
    if (levels_.empty()) {
      result_ = std::move(value);
    } else if (Json& parent = levels_.back().value; parent.is_array()) {
      parent.items().push_back(std::move(value));
    } else {
      parent.members().back().value = std::move(value);
    }
    return true;
  }

  const int depth_max_;
  std::vector<Level> levels_;
  Json result_;
  const char* fault_ = nullptr;
};

Json Json::Bool(bool value) {
  Json json;
  json.value_ = value;
  return json;
}

Json Json::Number(std::string text) {
  Json json;
  json.value_ = NumberText{std::move(text)};
  return json;
}

Json Json::Integer(std::int64_t value) { return Number(absl::StrCat(value)); }

Json Json::String(std::string text) {
  Json json;
  json.value_ = std::move(text);
  return json;
}

Json Json::Array() { return Array(std::vector<Json>()); }

Json Json::Array(std::vector<Json> items) {
  Json json;
  json.value_ = std::move(items);
  return json;
}

Json Json::Array(std::initializer_list<NewItem> items) {
  std::vector<Json> moved;
  moved.reserve(items.size());
  for (const NewItem& item : items) moved.push_back(std::move(item.value));
  return Array(std::move(moved));
}

Json Json::Object() { return Object(std::vector<Member>()); }

Json Json::Object(std::vector<Member> members) {
  Json json;
  json.value_ = std::move(members);
  return json;
}

Json Json::Object(std::initializer_list<NewMember> members) {
  std::vector<Member> moved;
  moved.reserve(members.size());
  for (const NewMember& member : members) moved.push_back({std::string(member.name), std::move(member.value)});
  return Object(std::move(moved));
}

const std::string& Json::text() const {
  static const std::string none;
  if (const auto* string = std::get_if<std::string>(&value_)) return *string;
  const auto* number = std::get_if<NumberText>(&value_);
  return number == nullptr ? none : number->text;
}

bool Json::boolean() const {
  const bool* flag = std::get_if<bool>(&value_);
  return flag != nullptr && *flag;
}

const std::vector<Json>& Json::items() const {
  static const std::vector<Json> none;
  const auto* items = std::get_if<std::vector<Json>>(&value_);
  return items == nullptr ? none : *items;
}

std::vector<Json>& Json::items() {
  thread_local std::vector<Json> lost;
  lost.clear();
  auto* items = std::get_if<std::vector<Json>>(&value_);
  return items == nullptr ? lost : *items;
}

const std::vector<Json::Member>& Json::members() const {
  static const std::vector<Member> none;
  const auto* members = std::get_if<std::vector<Member>>(&value_);
  return members == nullptr ? none : *members;
}

std::vector<Json::Member>& Json::members() {
  thread_local std::vector<Member> lost;
  lost.clear();
  auto* members = std::get_if<std::vector<Member>>(&value_);
  return members == nullptr ? lost : *members;
}

absl::StatusOr<Json> Json::Parse(std::string_view text, const Limits& limits) {
  if (text.size() > limits.bytes_max) {
    return absl::InvalidArgumentError(absl::StrCat("JSON of ", text.size(), " bytes, at most ", limits.bytes_max, " are taken"));
  }
  // RapidJSON takes a NUL for the end of the text.
  if (text.find('\0') != std::string_view::npos) return absl::InvalidArgumentError("not well-formed JSON: it contains a NUL byte");
  if (const std::size_t broken = FindBrokenUtf8(text); broken != std::string_view::npos) return NotWellFormed(text, broken, "Invalid encoding in string.");
  // A byte order mark may be ignored (RFC 8259, section 8.1).
  const std::size_t mark = text.starts_with("\xEF\xBB\xBF") ? 3 : 0;
  const std::string ended(text.substr(mark));
  rapidjson::StringStream stream(ended.c_str());
  rapidjson::GenericReader<rapidjson::UTF8<>, rapidjson::UTF8<>> reader;
  JsonBuilder builder(limits.depth_max);
  const rapidjson::ParseResult result = reader.Parse<rapidjson::kParseNumbersAsStringsFlag>(stream, builder);
  if (result.IsError()) {
    return NotWellFormed(text, mark + result.Offset(), builder.fault() != nullptr ? absl::StrCat("There is ", builder.fault(), ".")
                                                                           : std::string(rapidjson::GetParseError_En(result.Code())));
  }
  return builder.Take();
}

namespace {

void WriteJson(const Json& json, rapidjson::Writer<rapidjson::StringBuffer>& writer) {
  switch (json.type()) {
    case Json::Type::kNull:
      writer.Null();
      break;
    case Json::Type::kBool:
      writer.Bool(json.boolean());
      break;
    case Json::Type::kNumber:
      writer.RawValue(json.text().data(), json.text().size(), rapidjson::kNumberType);
      break;
    case Json::Type::kString:
      writer.String(json.text());
      break;
    case Json::Type::kArray:
      writer.StartArray();
      for (const Json& item : json.items()) WriteJson(item, writer);
      writer.EndArray();
      break;
    case Json::Type::kObject:
      writer.StartObject();
      for (const auto& [name, value] : json.members()) {
        writer.Key(name.data(), static_cast<rapidjson::SizeType>(name.size()));
        WriteJson(value, writer);
      }
      writer.EndObject();
      break;
  }
}

}  // namespace

std::string Json::Text() const {
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
  WriteJson(*this, writer);
  return std::string(buffer.GetString(), buffer.GetSize());
}

const Json* Json::Find(std::string_view name) const {
  for (const Member& member : members()) {
    if (member.name == name) return &member.value;
  }
  return nullptr;
}

Json* Json::Find(std::string_view name) { return const_cast<Json*>(std::as_const(*this).Find(name)); }

const Json& Json::operator[](std::string_view name) const {
  const Json* found = Find(name);
  return found == nullptr ? kMissing : *found;
}

const Json& Json::operator[](std::size_t index) const { return index < items().size() ? items()[index] : kMissing; }

void Json::Set(std::string_view name, Json value) {
  if (!is_object()) *this = Object();
  if (Json* found = Find(name)) {
    *found = std::move(value);
  } else {
    members().push_back({std::string(name), std::move(value)});
  }
}

void Json::Remove(std::string_view name) {
  std::erase_if(members(), [&](const Member& member) { return member.name == name; });
}

void Json::Append(Json value) {
  if (!is_array()) *this = Array();
  items().push_back(std::move(value));
}

bool operator==(const Json& a, const Json& b) {
  if (a.type() != b.type() || a.boolean() != b.boolean() || a.text() != b.text() || a.items() != b.items() ||
      a.members().size() != b.members().size()) {
    return false;
  }
  for (const Json::Member& member : a.members()) {
    const Json* other = b.Find(member.name);
    if (other == nullptr || !(member.value == *other)) return false;
  }
  return true;
}

std::string OperationOutcome(const std::vector<Issue>& issues, bool information) {
  Json list = Json::Array();
  for (const Issue& issue : issues) {
    Json each = Json::Object({{"severity", Json::String(information ? "information" : "error")},
                              {"code", Json::String(issue.code)},
                              {"diagnostics", Json::String(Printable(issue.diagnostics))}});
    if (!issue.expression.empty()) each.Set("expression", Json::Array({Json::String(Printable(issue.expression))}));
    list.Append(std::move(each));
  }
  return Json::Object({{"resourceType", Json::String("OperationOutcome")}, {"issue", std::move(list)}}).Text();
}

std::string Place::Text() const {
  std::string text = parent == nullptr ? std::string(name) : absl::StrCat(parent->Text(), ".", std::string(name));
  if (index >= 0) absl::StrAppend(&text, "[", index, "]");
  return text;
}

namespace {

// `visit` gets each member that is the text of a reference, and its place.
template <typename JsonOrConst, typename Visit>
void VisitReferenceTexts(JsonOrConst& value, const Place& place, const Visit& visit) {
  std::ptrdiff_t index = 0;
  for (auto& item : value.items()) VisitReferenceTexts(item, Place{place.parent, place.name, index++}, visit);
  for (auto& [name, member] : value.members()) {
    const Place below{&place, name};
    if (name == "reference" && member.is_string()) {
      visit(member, below);
    } else if (member.is_object() || member.is_array()) {
      VisitReferenceTexts(member, below, visit);
    }
  }
}

}  // namespace

void VisitReferences(Json& resource, std::string_view path, const std::function<void(std::string&, const std::string&)>& visit) {
  VisitReferenceTexts(resource, Place{nullptr, path}, [&visit](Json& value, const Place& place) {
    std::string text = value.text();
    visit(text, place.Text());
    if (text != value.text()) value = Json::String(std::move(text));
  });
}

void VisitReferences(const Json& resource, std::string_view path,
                     const std::function<void(const std::string&, const std::string&)>& visit) {
  VisitReferenceTexts(resource, Place{nullptr, path}, [&visit](const Json& value, const Place& place) { visit(value.text(), place.Text()); });
}

}  // namespace custodian::exchange

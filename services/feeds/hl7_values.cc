#include "services/feeds/hl7_values.h"

#include <algorithm>
#include <cctype>
#include <functional>
#include <map>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "services/feeds/hl7_time.h"
#include "services/rpc/http.h"

namespace custodian::feeds {
namespace {

using exchange::Json;
using Converted = OrFault<std::optional<Json>>;

// What one conversion works on.
struct Input {
  const ValueContext& context;
  const std::string& detail;
  const Value& value;
  const Location& where;

  [[nodiscard]] Fault Refuse(FaultCode code, std::string text) const { return Fault{code, where, std::move(text)}; }
};

std::optional<Json> Text(const std::string& text) {
  if (text.empty()) return std::nullopt;
  return Json::String(text);
}

bool IsUri(std::string_view text) {
  return text.find(':') != std::string_view::npos &&
         std::none_of(text.begin(), text.end(), [](char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; });
}

bool IsOid(std::string_view text) { return !text.empty() && text.find_first_not_of("0123456789.") == std::string_view::npos && text.front() >= '0' && text.front() <= '2'; }

std::string LocalUri(const ValueContext& context, std::string_view kind, const std::string& name) {
  return absl::StrCat(context.local_base, "/", std::string(kind), "/", rpc::PercentEncode(name));
}

// [-]digits[.digits] as FHIR's decimal keeps it; HL7 allows a plus sign and leaves out a leading zero.
std::optional<std::string> DecimalText(std::string_view text) {
  std::string number;
  if (text.starts_with('-')) number = "-";
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  const auto point = text.find('.');
  std::string whole(text.substr(0, point));
  const std::string_view part = point == std::string_view::npos ? std::string_view() : text.substr(point + 1);
  const auto digits = [](std::string_view t) { return t.find_first_not_of("0123456789") == std::string_view::npos; };
  if (!digits(whole) || !digits(part) || (whole.empty() && part.empty()) || text.size() > 40) return std::nullopt;
  whole.erase(0, std::min(whole.find_first_not_of('0'), whole.size()));
  absl::StrAppend(&number, whole.empty() ? "0" : whole);
  if (!part.empty()) absl::StrAppend(&number, ".", std::string(part));
  return number;
}

Converted ConvertTime(const Input& in, const std::function<std::optional<Json>(const Hl7Time&)>& make) {
  const std::string text = in.value.Text();
  if (text.empty()) return std::optional<Json>();
  const auto time = Hl7Time::Parse(text);
  if (!time) return in.Refuse(FaultCode::kDataType, "The time is not of the form YYYY[MM[DD[HH[MM[SS[.S]]]]]][+/-ZZZZ], or no such time.");
  return make(*time);
}

// A code by its table: nothing for a row without target, a fault for a code that the table has not.
Converted ConvertCode(const Input& in) {
  const std::string code = in.value.Text();
  if (code.empty()) return std::optional<Json>();
  if (in.detail.empty()) return Text(code);
  const CodeRow* row = in.context.map->FindCode(in.detail, code);
  if (row == nullptr) return in.Refuse(FaultCode::kTableValue, absl::StrCat("The code is not in table ", in.detail, " of the feed map."));
  if (row->target.empty()) return std::optional<Json>();
  return Text(row->target == "=" ? code : row->target);
}

std::optional<Json> CodingOf(const Input& in, const std::string& code) {
  const CodeRow* row = in.context.map->FindCode(in.detail, code);
  if (row == nullptr || row->target.empty()) return std::nullopt;
  Json coding = Json::Object();
  if (!row->system.empty()) coding.Set("system", Json::String(row->system));
  coding.Set("code", Json::String(row->target == "=" ? code : row->target));
  if (!row->display.empty()) coding.Set("display", Json::String(row->display));
  return coding;
}

Converted ConvertConcept(const Input& in) {
  const std::string code = in.value.Text();
  if (code.empty()) return std::optional<Json>();
  // Some write a coded element where an older version has a code alone: its text then says more.
  const std::string text = in.value.Part(2).Text();
  if (auto coding = CodingOf(in, code)) {
    Json concept_json = Json::Object({{"coding", Json::Array({*std::move(coding)})}});
    if (!text.empty()) concept_json.Set("text", Json::String(text));
    return std::optional(std::move(concept_json));
  }
  if (in.context.map->FindCode(in.detail, code) != nullptr) return std::optional<Json>();
  return std::optional(Json::Object({{"text", Json::String(text.empty() ? code : text)}}));
}

Converted ConvertCoding(const Input& in) {
  const std::string code = in.value.Text();
  if (code.empty()) return std::optional<Json>();
  return CodingOf(in, code);
}

// A coding system: its URI by the table, its OID, else one of the tenant's own.
Converted ConvertCodeSystem(const Input& in) {
  const std::string name = in.value.Text();
  if (name.empty()) return std::optional<Json>();
  const CodeRow* row = in.context.map->FindExactly(in.detail, name);
  if (row != nullptr) return Text(row->target);
  if (IsOid(name) && name.find('.') != std::string::npos) return Text("urn:oid:" + name);
  return Text(IsUri(name) ? name : LocalUri(in.context, "code-system", name));
}

Converted ConvertNumber(const Input& in, bool whole) {
  const std::string text = in.value.Text();
  if (text.empty()) return std::optional<Json>();
  auto number = DecimalText(text);
  if (!number || (whole && (number->find('.') != std::string::npos || number->size() > 9))) {
    return in.Refuse(FaultCode::kDataType, whole ? "A whole number is expected." : "A number is expected, such as 7.10 (text goes with OBX-2 ST).");
  }
  return std::optional(Json::Number(*std::move(number)));
}

// NM that says it is below or above what was measured, as many a laboratory writes it: "<5", ">= 1000". A Quantity, its comparator by the table.
Converted ConvertCompared(const Input& in) {
  const std::string text = in.value.Text();
  if (text.empty()) return std::optional<Json>();
  const auto sign = std::min(text.find_first_not_of("<>="), text.size());
  Json quantity = Json::Object();
  if (sign > 0) {
    const CodeRow* row = in.context.map->FindExactly(in.detail, text.substr(0, sign));
    if (row == nullptr) return in.Refuse(FaultCode::kTableValue, absl::StrCat("The comparator is not in table ", in.detail, " of the feed map."));
    if (!row->target.empty()) quantity.Set("comparator", Json::String(row->target));
  }
  const auto begin = std::min(text.find_first_not_of(' ', sign), text.size());
  auto number = DecimalText(std::string_view(text).substr(begin));
  if (!number) return in.Refuse(FaultCode::kDataType, "A number is expected, such as 7.10 or <5 (text goes with OBX-2 ST).");
  quantity.Set("value", Json::Number(*std::move(number)));
  return std::optional(std::move(quantity));
}

Converted ConvertBoolean(const Input& in) {
  const std::string text = in.value.Text();
  if (text.empty()) return std::optional<Json>();
  if (text != "Y" && text != "N") return in.Refuse(FaultCode::kTableValue, "Y or N is expected (table 0136).");
  return std::optional(Json::Bool(text == "Y"));
}

// XTN from its parts: +country (area) local, extension.
std::optional<Json> PhoneOf(const Value& value) {
  const std::string country = value.Part(5).Text(), area = value.Part(6).Text(), local = value.Part(7).Text(), extension = value.Part(8).Text();
  if (local.empty()) return std::nullopt;
  std::string text;
  if (!country.empty()) absl::StrAppend(&text, country.front() == '+' ? "" : "+", country, " ");
  if (!area.empty()) absl::StrAppend(&text, area, " ");
  absl::StrAppend(&text, local);
  if (!extension.empty()) absl::StrAppend(&text, " ext. ", extension);
  return Text(text);
}

// XCN: prefix, given, further given, family, suffix.
std::optional<Json> PersonOf(const Value& value) {
  std::string name;
  for (const int part : {6, 3, 4, 2, 5}) {
    const std::string word = value.Part(part).Text();
    if (!word.empty()) absl::StrAppend(&name, name.empty() ? "" : " ", word);
  }
  return Text(name);
}

// ED.5 by ED.4: base64 as it is, anything else as text.
Converted ConvertEncapsulated(const Input& in) {
  const std::string encoding = in.value.Part(4).Text();
  const std::string data = in.value.Part(5).Prose();
  if (data.empty()) return std::optional<Json>();
  if (encoding == "Base64") {
    std::string bytes;
    if (!absl::Base64Unescape(data, &bytes)) return in.Refuse(FaultCode::kDataType, "The encapsulated data is no base64.");
    return Text(absl::Base64Escape(bytes));
  }
  if (encoding != "A") return in.Refuse(FaultCode::kTableValue, "Encapsulated data is encoded as Base64 or A (table 0299).");
  return Text(absl::Base64Escape(data));
}

Converted ConvertContentType(const Input& in) {
  const std::string pair = absl::StrCat(in.value.Part(2).Text(), "^", in.value.Part(3).Text());
  const CodeRow* row = in.context.map->FindExactly(in.detail, pair);
  return Text(row == nullptr ? "application/octet-stream" : row->target);
}

std::optional<Json> AuthorityText(const Input& in, int first) {
  return Text(AuthoritySystem(in.context, in.value.Part(first).Text(), in.value.Part(first + 1).Text(), in.value.Part(first + 2).Text()));
}

using Conversion = std::function<Converted(const Input&)>;
const std::map<std::string, Conversion, std::less<>>& Conversions() {
  static const std::map<std::string, Conversion, std::less<>> kConversions = {
      {"ST", [](const Input& in) { return Converted(Text(in.value.Text())); }},
      {"TEXT", [](const Input& in) { return Converted(Text(in.value.Prose())); }},
      {"CODE", ConvertCode},
      {"CONCEPT", ConvertConcept},
      {"CODING", ConvertCoding},
      {"CODE_SYSTEM", ConvertCodeSystem},
      {"NM", [](const Input& in) { return ConvertNumber(in, false); }},
      {"COMPARED", ConvertCompared},
      {"INT", [](const Input& in) { return ConvertNumber(in, true); }},
      {"BOOL", ConvertBoolean},
      {"DTM", [](const Input& in) { return ConvertTime(in, [&](const Hl7Time& time) { return Text(time.DateTime(in.context.zone)); }); }},
      {"DT", [](const Input& in) { return ConvertTime(in, [](const Hl7Time& time) { return Text(time.Date()); }); }},
      // FHIR's instant is exact to the second; what is not is left out.
      {"INSTANT",
       [](const Input& in) {
         return ConvertTime(in, [&](const Hl7Time& time) { return time.digits < 12 ? std::nullopt : Text(time.DateTime(in.context.zone)); });
       }},
      {"TM",
       [](const Input& in) -> Converted {
         const std::string text = in.value.Text();
         if (text.empty()) return std::optional<Json>();
         const auto time = FhirTimeOfDay(text);
         if (!time) return in.Refuse(FaultCode::kDataType, "The time is not of the form HH[MM[SS[.S]]].");
         return Text(*time);
       }},
      {"HD", [](const Input& in) { return Converted(AuthorityText(in, 1)); }},
      {"EI_SYSTEM", [](const Input& in) { return Converted(AuthorityText(in, 2)); }},
      {"AUTHORITY",
       [](const Input& in) {
         const std::string name = in.value.Text();
         const CodeRow* row = in.context.map->FindExactly(in.detail, name);
         return Converted(name.empty() ? std::nullopt : Text(row != nullptr ? row->target : LocalUri(in.context, "authority", name)));
       }},
      {"ACCESSION_SYSTEM", [](const Input& in) { return Converted(Text(in.context.accession_system)); }},
      {"PHONE", [](const Input& in) { return Converted(PhoneOf(in.value)); }},
      {"PERSON", [](const Input& in) { return Converted(PersonOf(in.value)); }},
      {"SN_TEXT",
       [](const Input& in) {
         return Converted(Text(absl::StrCat(in.value.Part(1).Text(), in.value.Part(2).Text(), in.value.Part(3).Text(), in.value.Part(4).Text())));
       }},
      {"ENCAPSULATED", ConvertEncapsulated},
      {"CONTENT_TYPE", ConvertContentType},
      {"FIXED", [](const Input& in) { return Converted(Text(in.detail)); }},
      // Not a value: the type is nothing without its target.
      {"REQUIRED", [](const Input&) { return Converted(std::optional<Json>()); }},
  };
  return kConversions;
}

const Json* At(const Json& object, const std::vector<Step>& target) {
  const Json* at = &object;
  for (const Step& step : target) {
    at = at->Find(step.name);
    if (at == nullptr) return nullptr;
    if (step.index >= 0) at = &(*at)[static_cast<std::size_t>(step.index)];
  }
  return at;
}

void Merge(Json& into, Json value) {
  if (into.is_null()) {
    into = std::move(value);
  } else if (into.is_object() && value.is_object()) {
    for (auto& [name, member] : value.members()) {
      if (into.Find(name) == nullptr) into.Set(name, std::move(member));
    }
  }
}

bool IsEmpty(const Json& json) {
  return json.is_null() || (json.is_object() && json.members().empty()) || (json.is_array() && json.items().empty());
}

Converted ConvertType(const ValueContext& context, const std::vector<TypeRow>& rows, const Value& value, const Location& where) {
  if (value.empty() || value.is_null()) return std::optional<Json>();
  Json object = Json::Object();
  for (const TypeRow& row : rows) {
    if (row.type == "REQUIRED") {
      const Json* required = At(object, row.target);
      if (required == nullptr || IsEmpty(*required)) return std::optional<Json>();
      continue;
    }
    Location part = where;
    if (row.part > 0) (where.component == 0 ? part.component : part.subcomponent) = row.part;
    const Value source = row.part == TypeRow::kNothing || row.part == 0 ? value : value.Part(row.part);
    auto converted = Convert(context, row.type, row.detail, source, part);
    if (auto* fault = std::get_if<Fault>(&converted)) return *std::move(fault);
    auto& json = std::get<std::optional<Json>>(converted);
    if (!json.has_value()) continue;
    if (row.target.empty()) {
      Merge(object, *std::move(json));
    } else {
      Assign(object, row.target, *std::move(json));
    }
  }
  if (IsEmpty(object)) return std::optional<Json>();
  return std::optional(std::move(object));
}

}  // namespace

bool IsConversion(std::string_view type) { return Conversions().contains(type); }

Converted Convert(const ValueContext& context, const std::string& type, const std::string& detail, const Value& value, const Location& where) {
  if (const auto* rows = context.map->FindType(type)) return ConvertType(context, *rows, value, where);
  const auto conversion = Conversions().find(type);
  if (conversion == Conversions().end()) return std::optional<Json>();
  return conversion->second(Input{context, detail, value, where});
}

void Assign(Json& object, const std::vector<Step>& target, Json value) {
  Json* at = &object;
  for (const Step& step : target) {
    if (at->is_null()) *at = Json::Object();
    if (at->Find(step.name) == nullptr) at->Set(step.name, step.index == Step::kNone ? Json() : Json::Array());
    at = at->Find(step.name);
    if (step.index == Step::kNone) continue;
    if (!at->is_array()) return;
    if (step.index == Step::kAppend) {
      if (&step == &target.back() && std::find(at->items().begin(), at->items().end(), value) != at->items().end()) return;
      at->Append(Json());
      at = &at->items().back();
    } else {
      while (at->items().size() <= static_cast<std::size_t>(step.index)) at->Append(Json());
      at = &at->items()[static_cast<std::size_t>(step.index)];
    }
  }
  Merge(*at, std::move(value));
}

std::string AuthoritySystem(const ValueContext& context, const std::string& name, const std::string& id, const std::string& type) {
  if (!id.empty()) {
    if (type == "ISO" && IsOid(id)) return "urn:oid:" + id;
    if (type == "UUID" || type == "GUID") {
      std::string lower = id;
      std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      return "urn:uuid:" + lower;
    }
    if (IsUri(id)) return id;
  }
  const std::string& known = name.empty() ? id : name;
  if (known.empty()) return "";
  const CodeRow* row = context.map->FindExactly("AssigningAuthority", known);
  return row != nullptr ? row->target : LocalUri(context, "authority", known);
}

}  // namespace custodian::feeds

#include "services/feeds/hl7_element_mapper.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace custodian::feeds {
namespace {

using exchange::Json;

Value Inner(Value value, const Source& source) {
  if (source.component != 0) value = value.Part(source.component);
  return source.subcomponent != 0 ? value.Part(source.subcomponent) : value;
}

// Items and members that nothing was put into: coding[1] without a coding[0].
void Prune(Json& json) {
  const auto empty = [](const Json& part) {
    return part.is_null() || (part.is_object() && part.members().empty()) || (part.is_array() && part.items().empty());
  };
  for (Json& item : json.items()) Prune(item);
  for (auto& member : json.members()) Prune(member.value);
  std::erase_if(json.items(), empty);
  std::erase_if(json.members(), [&](const Json::Member& member) { return empty(member.value); });
}

// Codes that the tenant's table translates are said in both ways.
void AddTranslations(const FeedMap& map, const std::string& table, Json& concept_json) {
  Json* codings = concept_json.Find("coding");
  if (codings == nullptr) return;
  std::vector<Json> translations;
  for (const Json& coding : codings->items()) {
    const CodeRow* row = map.FindExactly(table, coding.TextOf("code"));
    if (row == nullptr || row->target.empty()) continue;
    Json translation = Json::Object();
    if (!row->system.empty()) translation.Set("system", Json::String(row->system));
    translation.Set("code", Json::String(row->target));
    if (!row->display.empty()) translation.Set("display", Json::String(row->display));
    translations.push_back(std::move(translation));
  }
  for (Json& translation : translations) codings->Append(std::move(translation));
}

}  // namespace

// Text of elements that take it line by line, over repetitions and segments.
struct ElementMapper::Lines {
  std::vector<std::pair<const ElementRow*, std::string>> texts;

  void Add(const ElementRow& row, const std::string& line) {
    for (auto& [known, text] : texts) {
      if (known->target_text == row.target_text) {
        absl::StrAppend(&text, "\n", line);
        return;
      }
    }
    texts.emplace_back(&row, line);
  }
};

Location LocationOf(const Segment& segment, int field) { return Location{std::string(segment.name), segment.sequence, field}; }

Value ElementMapper::At(const SegmentGroup& group, const Source& source) const {
  const auto segments = group.find(source.segment);
  if (segments == group.end() || segments->second.empty()) return {};
  return Inner(message_.First(*segments->second.front(), source.field), source);
}

std::string ElementMapper::TextAt(const SegmentGroup& group, std::string_view source) const {
  const auto parsed = Source::Parse(source);
  return parsed ? At(group, *parsed).Text() : "";
}

bool ElementMapper::Holds(const std::vector<Clause>& when, const SegmentGroup& group, const Segment* current) const {
  return std::all_of(when.begin(), when.end(), [&](const Clause& clause) {
    const bool own = current != nullptr && current->name == clause.source.segment;
    const std::string text = own ? Inner(message_.First(*current, clause.source.field), clause.source).Text() : At(group, clause.source).Text();
    const bool listed = clause.values.empty() ? text.empty() : std::find(clause.values.begin(), clause.values.end(), text) != clause.values.end();
    return listed != clause.negated;
  });
}

std::optional<Fault> ElementMapper::MapRow(const ElementRow& row, const Segment& segment, MappedElements& mapped, Lines& lines) const {
  const bool list = row.target.back().index == Step::kAppend;
  const std::vector<Value> repetitions = message_.Repetitions(segment, row.source->field);
  for (std::size_t i = 0; i < repetitions.size(); ++i) {
    if (repetitions[i].is_null()) {
      mapped.cleared.insert(row.target.front().name);
      continue;
    }
    const Value value = Inner(repetitions[i], *row.source);
    Location where = LocationOf(segment, row.source->field);
    if (repetitions.size() > 1) where.repetition = static_cast<int>(i) + 1;
    where.component = row.source->component;
    where.subcomponent = row.source->subcomponent;
    auto converted = Convert(context_, row.type, row.detail, value, where);
    if (auto* fault = std::get_if<Fault>(&converted)) return *std::move(fault);
    auto& json = std::get<std::optional<Json>>(converted);
    if (row.type == "TEXT" && !list) {
      // An empty line among others is one of the text's.
      if (json.has_value() || repetitions.size() > 1) lines.Add(row, json.has_value() ? json->text() : "");
      continue;
    }
    if (!json.has_value()) continue;
    if (!row.detail.empty() && context_.map->FindType(row.type) != nullptr) AddTranslations(*context_.map, row.detail, *json);
    Assign(mapped.content, row.target, *std::move(json));
    if (!list) break;
  }
  return std::nullopt;
}

OrFault<MappedElements> ElementMapper::Map(const std::string& resource, const SegmentGroup& group) const {
  for (const RequiredRow& row : context_.map->Required(resource)) {
    if (!Holds(row.when, group, nullptr) || !At(group, row.source).Text().empty()) continue;
    const auto segments = group.find(row.source.segment);
    const int sequence = segments == group.end() || segments->second.empty() ? 1 : segments->second.front()->sequence;
    return Fault{FaultCode::kRequiredField, Location{row.source.segment, sequence, row.source.field}, "The field is required."};
  }
  MappedElements mapped;
  mapped.content = Json::Object();
  Lines lines;
  for (const ElementRow& row : context_.map->Elements(resource)) {
    if (!row.source) {
      if (Holds(row.when, group, nullptr)) Assign(mapped.content, row.target, Json::String(row.detail));
      continue;
    }
    const auto segments = group.find(row.source->segment);
    if (segments == group.end()) continue;
    for (const Segment* segment : segments->second) {
      if (!Holds(row.when, group, segment)) continue;
      if (auto fault = MapRow(row, *segment, mapped, lines)) return *std::move(fault);
    }
  }
  for (auto& [row, text] : lines.texts) {
    if (text.find_first_not_of(" \n\t\r") != std::string::npos) Assign(mapped.content, row->target, Json::String(std::move(text)));
  }
  Prune(mapped.content);
  return mapped;
}

}  // namespace custodian::feeds

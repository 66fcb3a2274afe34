#include "services/feeds/feed_map.h"

#include <algorithm>
#include <cstdlib>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/consent/governed_table.h"
#include "services/feeds/embedded_maps.h"
#include "services/feeds/hl7_message.h"
#include "services/feeds/hl7_values.h"
#include "spdlog/spdlog.h"

namespace custodian::feeds {
namespace {

const std::vector<std::string> kColumns = {"table", "name", "source", "target", "type", "detail", "when"};
constexpr std::size_t kRowsMax = 20'000;
constexpr int kFieldMax = 999;
// Of a target's index.
constexpr int kIndexMax = 9;

const std::map<std::string, FeedAction>& Actions() {
  static const std::map<std::string, FeedAction> kActions = {
      {"patient", FeedAction::kPatient}, {"merge", FeedAction::kMerge},   {"link", FeedAction::kLink},          {"unlink", FeedAction::kUnlink},
      {"order", FeedAction::kOrder},     {"result", FeedAction::kResult}, {"heartbeat", FeedAction::kHeartbeat}};
  return kActions;
}

std::optional<int> Number(std::string_view text, int max) {
  int value = 0;
  if (text.empty() || text.size() > 4 || !absl::SimpleAtoi(absl::string_view(text.data(), text.size()), &value) || value < 0 || value > max) return std::nullopt;
  return value;
}

std::optional<std::vector<Clause>> ParseWhen(const std::string& text) {
  std::vector<Clause> clauses;
  if (text.empty()) return clauses;
  for (const std::string& part : std::vector<std::string>(absl::StrSplit(text, '&'))) {
    // The source has neither character.
    const auto equals = part.find('=');
    if (equals == std::string::npos || equals == 0) return std::nullopt;
    Clause clause;
    clause.negated = part[equals - 1] == '!';
    const auto source = Source::Parse(std::string_view(part).substr(0, equals - (clause.negated ? 1 : 0)));
    if (!source) return std::nullopt;
    clause.source = *source;
    if (equals + 1 < part.size()) clause.values = absl::StrSplit(part.substr(equals + 1), '|');
    clauses.push_back(std::move(clause));
  }
  return clauses;
}

std::optional<std::vector<Step>> ParseTarget(const std::string& text) {
  std::vector<Step> steps;
  for (const std::string& part : std::vector<std::string>(absl::StrSplit(text, '.'))) {
    Step step;
    const auto bracket = part.find('[');
    step.name = part.substr(0, bracket);
    if (step.name.empty() || step.name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") != std::string::npos) return std::nullopt;
    if (bracket != std::string::npos) {
      if (part.back() != ']') return std::nullopt;
      const std::string inside = part.substr(bracket + 1, part.size() - bracket - 2);
      const auto index = inside.empty() ? std::optional<int>(Step::kAppend) : Number(inside, kIndexMax);
      if (!index) return std::nullopt;
      step.index = *index;
    }
    steps.push_back(std::move(step));
  }
  return steps;
}

// One line of a table, by column.
class Row {
 public:
  explicit Row(const consent::CsvRecord& record) : record_(record) {}
  [[nodiscard]] const std::string& table() const { return record_.fields[0]; }
  [[nodiscard]] const std::string& name() const { return record_.fields[1]; }
  [[nodiscard]] const std::string& source() const { return record_.fields[2]; }
  [[nodiscard]] const std::string& target() const { return record_.fields[3]; }
  [[nodiscard]] const std::string& type() const { return record_.fields[4]; }
  [[nodiscard]] const std::string& detail() const { return record_.fields[5]; }
  [[nodiscard]] const std::string& when() const { return record_.fields[6]; }
  [[nodiscard]] absl::Status Fault(const char* column, std::string_view what) const {
    return absl::InvalidArgumentError(absl::StrCat("feed map: line ", record_.line, ", column ", column, ": ", std::string(what)));
  }

 private:
  const consent::CsvRecord& record_;
};

constexpr std::string_view kSourceForm = "expected a field such as PID-3 or OBR-27.6";
constexpr std::string_view kTargetForm = "expected a path such as identifier[] or type.coding[0].code";
constexpr std::string_view kWhenForm = "expected clauses such as OBX-2=NM|SN&OBX-5.3=";

}  // namespace

std::optional<Source> Source::Parse(std::string_view text) {
  if (text.size() < 5 || text[3] != '-') return std::nullopt;
  Source source;
  source.segment = text.substr(0, 3);
  int* parts[] = {&source.field, &source.component, &source.subcomponent};
  std::string_view rest = text.substr(4);
  for (std::size_t i = 0; i < 3; ++i) {
    const auto dot = rest.find('.');
    const auto number = Number(rest.substr(0, dot), kFieldMax);
    if (!number || *number == 0) return std::nullopt;
    *parts[i] = *number;
    if (dot == std::string_view::npos) return source;
    rest.remove_prefix(dot + 1);
  }
  return std::nullopt;
}

absl::StatusOr<FeedMap> FeedMap::With(std::string_view csv) const {
  auto records = consent::ParseCsv(csv);
  if (!records.ok()) return absl::InvalidArgumentError(absl::StrCat("feed map: ", std::string(records.status().message())));
  if (records->empty() || records->front().fields != kColumns) {
    return absl::InvalidArgumentError("feed map: line 1: expected the header table,name,source,target,type,detail,when");
  }
  if (records->size() > kRowsMax) return absl::InvalidArgumentError(absl::StrCat("feed map: at most ", kRowsMax, " rows"));
  FeedMap result;
  std::set<std::pair<std::string, std::string>> no_elements;
  std::set<std::pair<std::string, std::string>> no_types;
  std::set<std::string> no_events;
  for (std::size_t i = 1; i < records->size(); ++i) {
    const consent::CsvRecord& record = (*records)[i];
    if (record.fields.size() != kColumns.size()) {
      return absl::InvalidArgumentError(absl::StrCat("feed map: line ", record.line, ": expected ", kColumns.size(), " fields"));
    }
    const Row row(record);
    if (row.name().empty()) return row.Fault("name", "is missing");
    const auto when = ParseWhen(row.when());
    if (!when) return row.Fault("when", kWhenForm);
    if (row.table() == "event") {
      if (row.target() == "none") {
        no_events.insert(row.name());
        continue;
      }
      const auto action = Actions().find(row.target());
      if (action == Actions().end()) return row.Fault("target", "expected patient, merge, link, unlink, order, result, heartbeat or none");
      result.events_[row.name()] = {action->second, row.detail()};
    } else if (row.table() == "element") {
      if (row.type() == "none") {
        no_elements.emplace(row.name(), absl::StrCat(row.source(), ">", row.target()));
        continue;
      }
      ElementRow element{Source::Parse(row.source()), row.target(), {}, row.type(), row.detail(), *when};
      if (!element.source && (!row.source().empty() || row.type() != "FIXED")) return row.Fault("source", kSourceForm);
      auto target = ParseTarget(row.target());
      if (!target) return row.Fault("target", kTargetForm);
      element.target = *std::move(target);
      result.elements_[row.name()].push_back(std::move(element));
    } else if (row.table() == "require") {
      const auto source = Source::Parse(row.source());
      if (!source) return row.Fault("source", kSourceForm);
      result.required_[row.name()].push_back({*source, *when});
    } else if (row.table() == "type") {
      if (row.type() == "none") {
        no_types.emplace(row.name(), absl::StrCat(row.source(), ">", row.target()));
        continue;
      }
      const auto part = row.source().empty() ? std::optional<int>(TypeRow::kNothing) : Number(row.source(), kFieldMax);
      if (!part) return row.Fault("source", "expected a component's number, or 0 for the whole value");
      std::optional<std::vector<Step>> target = std::vector<Step>();
      if (!row.target().empty()) target = ParseTarget(row.target());
      if (!target) return row.Fault("target", kTargetForm);
      result.types_[row.name()].push_back({*part, *std::move(target), row.type(), row.detail()});
    } else if (row.table() == "code") {
      result.codes_[row.name()].insert_or_assign(row.source(), CodeRow{row.target(), row.type(), row.detail()});
    } else if (row.table() == "setting") {
      if (row.name() != "character_set") return row.Fault("name", "the setting is character_set");
      if (!IsCharacterSet(row.target())) return row.Fault("target", "expected UNICODE UTF-8, 8859/1 or ASCII");
      result.settings_[row.name()] = row.target();
    } else {
      return row.Fault("table", "expected event, element, require, type, code or setting");
    }
  }
  // What was there, behind the new rows, so that the new ones win.
  for (const auto& [name, event] : events_)
    if (!no_events.contains(name)) result.events_.emplace(name, event);
  const auto text_of = [](const std::optional<Source>& source) {
    if (!source) return std::string();
    std::string text = absl::StrCat(source->segment, "-", source->field);
    if (source->component != 0) absl::StrAppend(&text, ".", source->component);
    if (source->subcomponent != 0) absl::StrAppend(&text, ".", source->subcomponent);
    return text;
  };
  for (const auto& [name, rows] : elements_)
    for (const ElementRow& row : rows)
      if (!no_elements.contains({name, absl::StrCat(text_of(row.source), ">", row.target_text)})) result.elements_[name].push_back(row);
  for (const auto& [name, rows] : required_)
    for (const RequiredRow& row : rows) result.required_[name].push_back(row);
  for (const auto& [name, rows] : types_) {
    for (const TypeRow& row : rows) {
      std::string target;
      for (const Step& step : row.target) {
        absl::StrAppend(&target, target.empty() ? "" : ".", step.name);
        if (step.index != Step::kNone) absl::StrAppend(&target, "[", step.index == Step::kAppend ? "" : absl::StrCat(step.index), "]");
      }
      const std::string part = row.part == TypeRow::kNothing ? "" : absl::StrCat(row.part);
      if (!no_types.contains({name, absl::StrCat(part, ">", target)})) result.types_[name].push_back(row);
    }
  }
  for (const auto& [name, rows] : codes_) result.codes_[name].insert(rows.begin(), rows.end());
  result.settings_.insert(settings_.begin(), settings_.end());
  if (absl::Status status = result.Check(); !status.ok()) return status;
  return result;
}

// Every type that is named exists, and none contains itself.
absl::Status FeedMap::Check() const {
  const auto exists = [this](const std::string& type) { return IsConversion(type) || types_.contains(type); };
  for (const auto& [name, rows] : elements_)
    for (const ElementRow& row : rows)
      if (!exists(row.type)) return absl::InvalidArgumentError(absl::StrCat("feed map: element ", name, ".", row.target_text, ": there is no type ", row.type));
  for (const auto& [name, rows] : types_) {
    std::vector<std::string> open = {name};
    std::set<std::string> seen;
    while (!open.empty()) {
      const std::string type = std::move(open.back());
      open.pop_back();
      const auto found = types_.find(type);
      if (found == types_.end()) continue;
      for (const TypeRow& row : found->second) {
        if (row.type == name) return absl::InvalidArgumentError(absl::StrCat("feed map: type ", name, " contains itself"));
        if (!exists(row.type)) return absl::InvalidArgumentError(absl::StrCat("feed map: type ", type, ": there is no type ", row.type));
        if (seen.insert(row.type).second) open.push_back(row.type);
      }
    }
  }
  return absl::OkStatus();
}

std::shared_ptr<const FeedMap> FeedMap::Standard() {
  static const std::shared_ptr<const FeedMap> kStandard = [] {
    FeedMap map;
    // Types before the elements that name them.
    for (const char* name : {"types", "elements", "events", "codes"}) {
      auto with = map.With(EmbeddedMap(name));
      if (!with.ok()) {
        spdlog::critical("event=standard_feed_map_is_broken table={} reason=\"{}\"", name, std::string(with.status().message()));
        std::abort();
      }
      map = *std::move(with);
    }
    return std::make_shared<const FeedMap>(std::move(map));
  }();
  return kStandard;
}

const EventRow* FeedMap::FindEvent(const std::string& type_and_event) const {
  const auto found = events_.find(type_and_event);
  return found == events_.end() ? nullptr : &found->second;
}

bool FeedMap::KnowsType(std::string_view message_type) const {
  return std::any_of(events_.begin(), events_.end(), [&](const auto& row) {
    return std::string_view(row.first).substr(0, std::string_view(row.first).find('^')) == message_type;
  });
}

const std::vector<ElementRow>& FeedMap::Elements(const std::string& resource) const {
  static const std::vector<ElementRow> kNone;
  const auto found = elements_.find(resource);
  return found == elements_.end() ? kNone : found->second;
}

const std::vector<RequiredRow>& FeedMap::Required(const std::string& resource) const {
  static const std::vector<RequiredRow> kNone;
  const auto found = required_.find(resource);
  return found == required_.end() ? kNone : found->second;
}

const std::vector<TypeRow>* FeedMap::FindType(const std::string& name) const {
  const auto found = types_.find(name);
  return found == types_.end() ? nullptr : &found->second;
}

const CodeRow* FeedMap::FindExactly(const std::string& table, const std::string& code) const {
  const auto rows = codes_.find(table);
  if (rows == codes_.end()) return nullptr;
  const auto row = rows->second.find(code);
  return row == rows->second.end() ? nullptr : &row->second;
}

const CodeRow* FeedMap::FindCode(const std::string& table, const std::string& code) const {
  const CodeRow* row = FindExactly(table, code);
  return row != nullptr ? row : FindExactly(table, "*");
}

std::string FeedMap::Setting(const std::string& name) const {
  const auto found = settings_.find(name);
  return found == settings_.end() ? "" : found->second;
}

}  // namespace custodian::feeds

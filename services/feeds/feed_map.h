// How HL7 v2 becomes FHIR, as data: which trigger events do what, which field goes into which element, how a data type is built,
// which code stands for which. The standard tables (maps/*.csv, inside the binary) follow HL7's v2-to-FHIR guide; a tenant's own rows
// come before them. Pure; a FeedMap is immutable and safe from any thread. Source: https://hl7.org/fhir/uv/v2mappings.
#ifndef CUSTODIAN_SERVICES_FEEDS_FEED_MAP_H_
#define CUSTODIAN_SERVICES_FEEDS_FEED_MAP_H_

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace custodian::feeds {

// "PID-3", "OBR-27.6", "OBX-3.1.2".
struct Source {
  std::string segment;
  int field = 0;
  int component = 0;
  int subcomponent = 0;
  [[nodiscard]] static std::optional<Source> Parse(std::string_view text);
  auto operator<=>(const Source&) const = default;
};

// "OBX-2=NM|SN&OBX-5.3=": each clause holds when the text there is one (or, with !=, none) of those listed; an empty list means
// that it is not valued.
struct Clause {
  Source source;
  bool negated = false;
  std::vector<std::string> values;
};

// "type.coding[0].code", "identifier[]": members of an object; [n] the n-th item, [] one item more.
struct Step {
  static constexpr int kNone = -1;
  static constexpr int kAppend = -2;
  std::string name;
  int index = kNone;
};

struct ElementRow {
  // Not given for FIXED.
  std::optional<Source> source;
  std::string target_text;
  std::vector<Step> target;
  // A data type of the map, or a conversion of hl7_values.h.
  std::string type;
  std::string detail;
  std::vector<Clause> when;
};

struct TypeRow {
  static constexpr int kNothing = -1;
  // Of the value that is converted: a part (1, 2, ...), the whole of it (0), or nothing.
  int part = kNothing;
  std::vector<Step> target;
  std::string type;
  std::string detail;
};

struct CodeRow {
  // "=": the code itself; empty: no value.
  std::string target;
  std::string system;
  std::string display;
};

struct RequiredRow {
  Source source;
  std::vector<Clause> when;
};

enum class FeedAction { kPatient, kMerge, kLink, kUnlink, kOrder, kResult, kHeartbeat };
struct EventRow {
  FeedAction action = FeedAction::kPatient;
  // Status of the Encounter that the event tells of; empty: as it was.
  std::string encounter_status;
};

class FeedMap {
 public:
  // The standard tables.
  [[nodiscard]] static std::shared_ptr<const FeedMap> Standard();
  // These rows before this map's own. Columns: table,name,source,target,type,detail,when, as in maps/*.csv. `table` is event, element,
  // require, type, code or setting; an element or type row with type "none", and an event with target "none", takes the standard's
  // away. InvalidArgument naming line and column.
  [[nodiscard]] absl::StatusOr<FeedMap> With(std::string_view csv) const;

  [[nodiscard]] const EventRow* FindEvent(const std::string& type_and_event) const;
  // True when some event of this message type is known ("ADT").
  [[nodiscard]] bool KnowsType(std::string_view message_type) const;
  // In the order they are tried: the first that yields a value for an element wins.
  [[nodiscard]] const std::vector<ElementRow>& Elements(const std::string& resource) const;
  [[nodiscard]] const std::vector<RequiredRow>& Required(const std::string& resource) const;
  // Null when the map has no such data type.
  [[nodiscard]] const std::vector<TypeRow>* FindType(const std::string& name) const;
  // The row of the code, else that of "*"; null when there is neither.
  [[nodiscard]] const CodeRow* FindCode(const std::string& table, const std::string& code) const;
  // The row of the code itself.
  [[nodiscard]] const CodeRow* FindExactly(const std::string& table, const std::string& code) const;
  // "character_set": what a message is in that does not say (MSH-18).
  [[nodiscard]] std::string Setting(const std::string& name) const;

 private:
  [[nodiscard]] absl::Status Check() const;

  std::map<std::string, EventRow> events_;
  std::map<std::string, std::vector<ElementRow>> elements_;
  std::map<std::string, std::vector<RequiredRow>> required_;
  std::map<std::string, std::vector<TypeRow>> types_;
  std::map<std::string, std::map<std::string, CodeRow>> codes_;
  std::map<std::string, std::string> settings_;
};

}  // namespace custodian::feeds

#endif  // CUSTODIAN_SERVICES_FEEDS_FEED_MAP_H_

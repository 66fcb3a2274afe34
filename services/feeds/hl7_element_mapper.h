// One resource out of a group of segments, row by row of the feed map. Pure.
#ifndef CUSTODIAN_SERVICES_FEEDS_HL7_ELEMENT_MAPPER_H_
#define CUSTODIAN_SERVICES_FEEDS_HL7_ELEMENT_MAPPER_H_

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "services/exchange/fhir_json.h"
#include "services/feeds/feed_map.h"
#include "services/feeds/hl7_message.h"
#include "services/feeds/hl7_values.h"

namespace custodian::feeds {

// The segments that one resource is made of, by name, in order.
using SegmentGroup = std::map<std::string, std::vector<const Segment*>, std::less<>>;

struct MappedElements {
  exchange::Json content;
  std::set<std::string> cleared;
};

class ElementMapper {
 public:
  ElementMapper(const Message& message, const ValueContext& context) : message_(message), context_(context) {}

  // A fault names a field that is required and missing, or holds what it may not.
  [[nodiscard]] OrFault<MappedElements> Map(const std::string& resource, const SegmentGroup& group) const;

  // The value at `source` in the group's first segment of that name.
  [[nodiscard]] Value At(const SegmentGroup& group, const Source& source) const;
  [[nodiscard]] std::string TextAt(const SegmentGroup& group, std::string_view source) const;

 private:
  struct Lines;
  [[nodiscard]] std::optional<Fault> MapRow(const ElementRow& row, const Segment& segment, MappedElements& mapped, Lines& lines) const;
  [[nodiscard]] bool Holds(const std::vector<Clause>& when, const SegmentGroup& group, const Segment* current) const;

  const Message& message_;
  const ValueContext& context_;
};

[[nodiscard]] Location LocationOf(const Segment& segment, int field = 0);

}  // namespace custodian::feeds

#endif  // CUSTODIAN_SERVICES_FEEDS_HL7_ELEMENT_MAPPER_H_

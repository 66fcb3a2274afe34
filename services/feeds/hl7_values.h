// Values of HL7 v2 as JSON of FHIR: the conversions that the feed map's data types end in, and those types themselves. Pure.
#ifndef CUSTODIAN_SERVICES_FEEDS_HL7_VALUES_H_
#define CUSTODIAN_SERVICES_FEEDS_HL7_VALUES_H_

#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "services/exchange/fhir_json.h"
#include "services/feeds/feed_map.h"
#include "services/feeds/hl7_message.h"

namespace custodian::feeds {

// What a message's values are read by.
struct ValueContext {
  const FeedMap* map = nullptr;
  // Of times that state none.
  absl::TimeZone zone;
  // URI before names that only the tenant's systems know: "https://custodian.example/p/0011223344556677".
  std::string local_base;
  // System of the tenant's accession numbers; may be empty.
  std::string accession_system;
};

// True for a conversion that is built in (ST, CODE, DTM, ...), not a data type of the map.
[[nodiscard]] bool IsConversion(std::string_view type);

// `value` by a conversion or a data type of the map. Nothing when it holds nothing for it; a fault at `where` when it cannot be it.
[[nodiscard]] OrFault<std::optional<exchange::Json>> Convert(const ValueContext& context, const std::string& type, const std::string& detail,
                                                             const Value& value, const Location& where);

// Puts `value` at `target` unless something is there: of two objects the members that are missing; an item more for [].
void Assign(exchange::Json& object, const std::vector<Step>& target, exchange::Json value);

// A URI for an assigning authority (HD): its ISO, UUID or URI, else what table AssigningAuthority has for its namespace, else one
// below `local_base`. Empty for none.
[[nodiscard]] std::string AuthoritySystem(const ValueContext& context, const std::string& name, const std::string& id, const std::string& type);

}  // namespace custodian::feeds

#endif  // CUSTODIAN_SERVICES_FEEDS_HL7_VALUES_H_

// One message as the FHIR resources it tells of, by the feed map: groups of segments, what belongs together, what names each. Pure:
// knows nothing of what is stored; feed_plan.h brings the two together. Thread-safe.
// Source: message structures of HL7 v2.5.1 chapters 3 (ADT), 4 (ORM, OMG), 7 (ORU).
#ifndef CUSTODIAN_SERVICES_FEEDS_HL7_TO_FHIR_H_
#define CUSTODIAN_SERVICES_FEEDS_HL7_TO_FHIR_H_

#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "services/exchange/fhir_json.h"
#include "services/exchange/fhir_transaction.h"
#include "services/feeds/feed_map.h"
#include "services/feeds/hl7_message.h"
#include "services/feeds/hl7_values.h"

namespace custodian::feeds {

struct MappedResource {
  std::string type;
  // What names it among the tenant's resources of this type, whatever message tells of it.
  std::string key;
  // Business identifiers that find it when it was stored otherwise; best first. A Patient may have several that must agree.
  std::vector<exchange::IdentifierQuery> identifiers;
  exchange::Json content;
  // Elements that a resource of this type must have and the message does not tell of; set when it is stored the first time.
  exchange::Json defaults;
  // Elements that the sender says have no value any more (`""`).
  std::set<std::string> cleared;
  // True: one that is stored stays as it is. Orders and results do not change a patient, nor a result its order.
  bool only_when_new = false;
  // Position of the patient it is about; none for a Patient.
  std::optional<std::size_t> subject;
  // Elements that refer to others of the message, by position: "basedOn", "result".
  std::vector<std::pair<std::string, std::size_t>> references;
  // The segment it comes from.
  Location where;
};

struct MappedMessage {
  FeedAction action = FeedAction::kPatient;
  std::vector<MappedResource> resources;
  // Positions of two patients each: the one that stays and the one that goes (kMerge), or the two that are (not) one (kLink, kUnlink).
  std::vector<std::pair<std::size_t, std::size_t>> pairs;
};

// Version, processing id and event are ones that are taken, and what names the message is there.
[[nodiscard]] std::optional<Fault> CheckHeader(const Header& header, const FeedMap& map);
// After CheckHeader().
[[nodiscard]] OrFault<MappedMessage> MapMessage(const Message& message, const ValueContext& context);

}  // namespace custodian::feeds

#endif  // CUSTODIAN_SERVICES_FEEDS_HL7_TO_FHIR_H_

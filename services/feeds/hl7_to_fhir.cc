#include "services/feeds/hl7_to_fhir.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/feeds/hl7_element_mapper.h"
#include "services/feeds/hl7_time.h"

namespace custodian::feeds {
namespace {

using exchange::IdentifierQuery;
using exchange::Json;

constexpr std::array<std::string_view, 11> kVersions = {"2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.7.1", "2.8", "2.8.1", "2.8.2"};

// An order or result with what belongs to it: ORC, OBR, their notes and timing; and, for results, OBX with notes of their own.
struct OrderGroup {
  SegmentGroup segments;
  struct Observation {
    const Segment* obx = nullptr;
    std::vector<const Segment*> notes;
  };
  std::vector<Observation> observations;
};

class Mapping {
 public:
  Mapping(const Message& message, const ValueContext& context) : message_(message), context_(context), elements_(message, context) {}

  OrFault<MappedMessage> Run() {
    const Header& header = message_.header();
    const EventRow& event = *context_.map->FindEvent(absl::StrCat(header.type, "^", header.event));
    result_.action = event.action;
    std::optional<Fault> fault;
    switch (event.action) {
      case FeedAction::kPatient: fault = MapPatients(event.encounter_status); break;
      case FeedAction::kMerge: fault = MapMerge(); break;
      case FeedAction::kLink:
      case FeedAction::kUnlink: fault = MapPair(); break;
      case FeedAction::kOrder: fault = MapOrders(false); break;
      case FeedAction::kResult: fault = MapOrders(true); break;
      case FeedAction::kHeartbeat: break;
    }
    if (fault) return *std::move(fault);
    return std::move(result_);
  }

 private:
  static Fault Missing(std::string segment, int sequence, int field, std::string text) {
    return Fault{FaultCode::kRequiredField, Location{std::move(segment), sequence, field}, std::move(text)};
  }
  static Fault NoSegment(const char* segment) {
    return Fault{FaultCode::kSegmentSequence, Location{segment, 1}, "The message needs this segment."};
  }

  // --- patients ---------------------------------------------------------------------------------------------------------------

  // Adds a Patient by its identifiers (a CX field) and what else `group` says of it.
  std::optional<Fault> AddPatient(const SegmentGroup& group, const Segment& segment, int identifier_field, bool only_when_new) {
    MappedResource patient;
    patient.type = "Patient";
    patient.where = LocationOf(segment, identifier_field);
    patient.only_when_new = only_when_new;
    auto mapped = elements_.Map("Patient", group);
    if (auto* fault = std::get_if<Fault>(&mapped)) return *std::move(fault);
    patient.content = std::move(std::get<MappedElements>(mapped).content);
    patient.cleared = std::move(std::get<MappedElements>(mapped).cleared);
    return FinishPatient(std::move(patient), segment, identifier_field);
  }

  std::optional<Fault> FinishPatient(MappedResource patient, const Segment& segment, int field) {
    std::vector<IdentifierQuery> others;
    const std::vector<Value> repetitions = message_.Repetitions(segment, field);
    for (const Value& each : repetitions) {
      auto converted = Convert(context_, "CX", "", each, LocationOf(segment, field));
      if (auto* fault = std::get_if<Fault>(&converted)) return *std::move(fault);
      const auto& json = std::get<std::optional<Json>>(converted);
      if (!json.has_value()) continue;
      const CodeRow* key = context_.map->FindCode("PatientKey", each.Part(5).Text());
      auto& list = key != nullptr && !key->target.empty() ? patient.identifiers : others;
      list.push_back({"Patient", json->TextOf("system"), json->TextOf("value")});
    }
    // A sender that types none of its identifiers means the first.
    if (patient.identifiers.empty() && !others.empty()) patient.identifiers.push_back(others.front());
    if (patient.identifiers.empty()) {
      return Missing(std::string(segment.name), segment.sequence, field, "The field must hold the patient's identifier.");
    }
    patient.key = KeyOf(patient.identifiers.front());
    result_.resources.push_back(std::move(patient));
    return std::nullopt;
  }

  static std::string KeyOf(const IdentifierQuery& identifier) { return absl::StrCat(identifier.system, "|", identifier.value); }

  // The segments that stand alone in a message: MSH, PID, PD1, PV1 of the patient.
  SegmentGroup GroupWith(const Segment& pid) const {
    SegmentGroup group;
    group["MSH"].push_back(&message_.segments().front());
    group["PID"].push_back(&pid);
    return group;
  }

  std::optional<Fault> MapPatients(const std::string& encounter_status) {
    const Segment* pid = nullptr;
    const Segment* pv1 = nullptr;
    for (const Segment& segment : message_.segments()) {
      if (segment.name == "PID" && pid != nullptr) {
        return Fault{FaultCode::kSegmentSequence, LocationOf(segment), "This event tells of one patient."};
      }
      if (segment.name == "PID") pid = &segment;
      if (segment.name == "PV1" && pv1 == nullptr) pv1 = &segment;
    }
    if (pid == nullptr) return NoSegment("PID");
    SegmentGroup group = GroupWith(*pid);
    if (pv1 != nullptr) group["PV1"].push_back(pv1);
    if (auto fault = AddPatient(group, *pid, 3, false)) return fault;
    if (pv1 == nullptr || message_.First(*pv1, 19).Text().empty()) return std::nullopt;
    return AddEncounter(group, *pv1, encounter_status);
  }

  std::optional<Fault> AddEncounter(const SegmentGroup& group, const Segment& pv1, const std::string& status) {
    auto mapped = elements_.Map("Encounter", group);
    if (auto* fault = std::get_if<Fault>(&mapped)) return *std::move(fault);
    MappedResource encounter;
    encounter.type = "Encounter";
    encounter.where = LocationOf(pv1, 19);
    encounter.subject = 0;
    encounter.content = std::move(std::get<MappedElements>(mapped).content);
    encounter.cleared = std::move(std::get<MappedElements>(mapped).cleared);
    if (!status.empty()) encounter.content.Set("status", Json::String(status));
    encounter.defaults = Json::Object(
        {{"status", Json::String("unknown")},
         {"class", Json::Object({{"system", Json::String("http://terminology.hl7.org/CodeSystem/v3-NullFlavor")}, {"code", Json::String("UNK")}})}});
    const auto identifiers = exchange::IdentifiersOf(WithType(encounter.content, "Encounter"));
    if (identifiers.empty()) return std::nullopt;
    encounter.key = KeyOf(identifiers.front());
    encounter.identifiers = identifiers;
    result_.resources.push_back(std::move(encounter));
    return std::nullopt;
  }

  static Json WithType(Json content, const char* type) {
    content.Set("resourceType", Json::String(type));
    return content;
  }

  std::optional<Fault> MapMerge() {
    const Segment* pid = nullptr;
    std::size_t survivor = 0;
    for (const Segment& segment : message_.segments()) {
      if (segment.name == "PID") {
        pid = &segment;
        survivor = result_.resources.size();
        if (auto fault = AddPatient(GroupWith(segment), segment, 3, false)) return fault;
      } else if (segment.name == "MRG") {
        if (pid == nullptr) return NoSegment("PID");
        MappedResource loser;
        loser.type = "Patient";
        loser.where = LocationOf(segment, 1);
        loser.only_when_new = true;
        loser.content = Json::Object();
        for (const Value& each : message_.Repetitions(segment, 1)) {
          auto converted = Convert(context_, "CX", "", each, LocationOf(segment, 1));
          if (auto* fault = std::get_if<Fault>(&converted)) return *std::move(fault);
          if (auto& json = std::get<std::optional<Json>>(converted)) Assign(loser.content, {Step{"identifier", Step::kAppend}}, *std::move(json));
        }
        const std::size_t at = result_.resources.size();
        if (auto fault = FinishPatient(std::move(loser), segment, 1)) return fault;
        if (result_.resources[at].key == result_.resources[survivor].key) {
          return Fault{FaultCode::kUnknownKey, LocationOf(segment, 1), "A patient cannot be merged with itself: MRG-1 names the one of PID-3."};
        }
        result_.pairs.emplace_back(survivor, at);
      }
    }
    if (result_.pairs.empty()) return NoSegment(pid == nullptr ? "PID" : "MRG");
    return std::nullopt;
  }

  std::optional<Fault> MapPair() {
    for (const Segment& segment : message_.segments()) {
      if (segment.name != "PID") continue;
      if (auto fault = AddPatient(GroupWith(segment), segment, 3, true)) return fault;
    }
    if (result_.resources.size() != 2) {
      return Fault{FaultCode::kSegmentSequence, Location{"PID", static_cast<int>(result_.resources.size())}, "The message needs two PID segments."};
    }
    if (result_.resources[0].key == result_.resources[1].key) {
      return Fault{FaultCode::kUnknownKey, Location{"PID", 2, 3}, "Both PID segments name one patient."};
    }
    result_.pairs.emplace_back(0, 1);
    return std::nullopt;
  }

  // --- orders and results -----------------------------------------------------------------------------------------------------

  std::optional<Fault> MapOrders(bool results) {
    std::optional<OrderGroup> group;
    std::optional<std::size_t> patient;
    const auto finish = [&]() -> std::optional<Fault> {
      if (!group.has_value()) return std::nullopt;
      OrderGroup whole = *std::move(group);
      group.reset();
      return results ? AddReport(whole, *patient) : AddOrder(whole, *patient, false).second;
    };
    bool any = false;
    for (const Segment& segment : message_.segments()) {
      if (segment.name == "PID") {
        if (auto fault = finish()) return fault;
        patient = result_.resources.size();
        if (auto fault = AddPatient(GroupWith(segment), segment, 3, true)) return fault;
      } else if (segment.name == "ORC" || segment.name == "OBR") {
        if (!patient.has_value()) return NoSegment("PID");
        const bool continues = group.has_value() && segment.name == "OBR" && !group->segments.contains("OBR");
        if (!continues) {
          if (auto fault = finish()) return fault;
          group.emplace();
          group->segments["MSH"].push_back(&message_.segments().front());
        }
        group->segments[std::string(segment.name)].push_back(&segment);
        any = true;
      } else if (segment.name == "OBX" && results) {
        // Before the first OBR they are of the patient (v2.5 PATIENT_RESULT has none there): not ours to guess.
        if (!group.has_value()) return Fault{FaultCode::kSegmentSequence, LocationOf(segment), "An OBX follows its OBR."};
        group->observations.push_back({&segment, {}});
      } else if (segment.name == "NTE" && group.has_value()) {
        if (group->observations.empty()) {
          group->segments["NTE"].push_back(&segment);
        } else {
          group->observations.back().notes.push_back(&segment);
        }
      } else if (segment.name == "TQ1" && group.has_value()) {
        group->segments["TQ1"].push_back(&segment);
      }
    }
    if (auto fault = finish()) return fault;
    if (!patient.has_value()) return NoSegment("PID");
    if (!any) return NoSegment(results ? "OBR" : "ORC");
    return std::nullopt;
  }

  static const Segment& Head(const OrderGroup& group) {
    const auto obr = group.segments.find("OBR");
    return *(obr != group.segments.end() ? obr->second.front() : group.segments.find("ORC")->second.front());
  }

  // Position of the ServiceRequest; none, without a fault, when a result names no order.
  std::pair<std::optional<std::size_t>, std::optional<Fault>> AddOrder(const OrderGroup& group, std::size_t patient, bool of_result) {
    if (!of_result) {
      const auto orc = group.segments.find("ORC");
      if (orc == group.segments.end()) return {std::nullopt, Fault{FaultCode::kSegmentSequence, LocationOf(Head(group)), "An OBR follows its ORC."}};
      if (message_.First(*orc->second.front(), 1).Text().empty()) {
        return {std::nullopt, Missing("ORC", orc->second.front()->sequence, 1, "The field must hold the order control code.")};
      }
    }
    auto mapped = elements_.Map("ServiceRequest", group.segments);
    if (auto* fault = std::get_if<Fault>(&mapped)) return {std::nullopt, *std::move(fault)};
    MappedResource order;
    order.type = "ServiceRequest";
    order.where = LocationOf(Head(group));
    order.subject = patient;
    order.only_when_new = of_result;
    order.content = std::move(std::get<MappedElements>(mapped).content);
    order.cleared = std::move(std::get<MappedElements>(mapped).cleared);
    order.defaults = Json::Object({{"status", Json::String(of_result ? "unknown" : "active")}});
    order.identifiers = exchange::IdentifiersOf(WithType(order.content, "ServiceRequest"));
    if (order.identifiers.empty()) {
      if (of_result) return {std::nullopt, std::nullopt};
      const Segment& head = Head(group);
      return {std::nullopt, Missing(std::string(head.name), head.sequence, 2, "The order needs a placer or filler order number.")};
    }
    order.key = KeyOf(order.identifiers.front());
    result_.resources.push_back(std::move(order));
    return {result_.resources.size() - 1, std::nullopt};
  }

  std::optional<Fault> AddReport(const OrderGroup& group, std::size_t patient) {
    const auto obr = group.segments.find("OBR");
    if (obr == group.segments.end()) return NoSegment("OBR");
    const Segment& head = *obr->second.front();
    auto [order, order_fault] = AddOrder(group, patient, true);
    if (order_fault) return order_fault;
    SegmentGroup segments = group.segments;
    for (const auto& observation : group.observations) segments["OBX"].push_back(observation.obx);
    auto mapped = elements_.Map("DiagnosticReport", segments);
    if (auto* fault = std::get_if<Fault>(&mapped)) return *std::move(fault);
    MappedResource report;
    report.type = "DiagnosticReport";
    report.where = LocationOf(head);
    report.subject = patient;
    report.content = std::move(std::get<MappedElements>(mapped).content);
    report.cleared = std::move(std::get<MappedElements>(mapped).cleared);
    report.identifiers = exchange::IdentifiersOf(WithType(report.content, "DiagnosticReport"));
    const std::string number = report.identifiers.empty() ? (order ? result_.resources[*order].key : "") : KeyOf(report.identifiers.front());
    if (number.empty()) return Missing("OBR", head.sequence, 3, "The result needs a filler or placer order number.");
    report.key = absl::StrCat(number, "\n", elements_.TextAt(segments, "OBR-4.1"), "|", elements_.TextAt(segments, "OBR-4.3"));
    if (order) report.references.emplace_back("basedOn", *order);
    std::vector<std::size_t> observations;
    if (auto fault = AddObservations(group, report.key, patient, observations)) return fault;
    for (const std::size_t at : observations) report.references.emplace_back("result", at);
    // Every part of it was withdrawn, so it is.
    const bool withdrawn = !observations.empty() && std::all_of(observations.begin(), observations.end(), [this](std::size_t at) {
      return result_.resources[at].content.TextOf("status") == "entered-in-error";
    });
    if (withdrawn) report.content.Set("status", Json::String("entered-in-error"));
    result_.resources.push_back(std::move(report));
    return std::nullopt;
  }

  // How the value type of an OBX is used: "observation", "text" or "report".
  OrFault<std::string> UseOf(const Segment& obx) const {
    const std::string type = message_.First(obx, 2).Text();
    if (type.empty()) {
      if (message_.First(obx, 5).empty()) return std::string("observation");
      return Missing("OBX", obx.sequence, 2, "The field must hold the value type of OBX-5.");
    }
    const CodeRow* row = context_.map->FindExactly("ValueTypeUse", type);
    if (row == nullptr) return Fault{FaultCode::kTableValue, LocationOf(obx, 2), "Values of this type are not taken; the feed map lists those that are."};
    if (row->target != "text" && message_.Repetitions(obx, 5).size() > 1) {
      return Fault{FaultCode::kDataType, LocationOf(obx, 5), "Only text repeats in OBX-5: send a segment a value."};
    }
    return row->target;
  }

  std::optional<Fault> AddObservations(const OrderGroup& group, const std::string& report_key, std::size_t patient, std::vector<std::size_t>& added) {
    // How many of one code and sub-id there were.
    std::map<std::string, int> seen;
    std::string open_key;
    std::vector<std::pair<std::string, SegmentGroup>> parts;
    for (const auto& observation : group.observations) {
      const auto use = UseOf(*observation.obx);
      if (const auto* fault = std::get_if<Fault>(&use)) return *fault;
      if (std::get<std::string>(use) == "report") {
        open_key.clear();
        continue;
      }
      const Value code = message_.First(*observation.obx, 3);
      std::string key = absl::StrCat(code.Part(1).Text(), "|", code.Part(3).Text(), "|", code.Part(1).Part(2).Text(), "\n", message_.First(*observation.obx, 4).Text());
      const bool text = std::get<std::string>(use) == "text";
      // Lines of one text come as segments of one code.
      if (!text || key != open_key) {
        parts.emplace_back(absl::StrCat(report_key, "\n", key, "\n", seen[key]++), group.segments);
        parts.back().second.erase("NTE");
      }
      open_key = text ? key : "";
      parts.back().second["OBX"].push_back(observation.obx);
      auto& notes = parts.back().second["NTE"];
      notes.insert(notes.end(), observation.notes.begin(), observation.notes.end());
    }
    for (auto& [key, segments] : parts) {
      auto mapped = elements_.Map("Observation", segments);
      if (auto* fault = std::get_if<Fault>(&mapped)) return *std::move(fault);
      MappedResource resource;
      resource.type = "Observation";
      resource.key = std::move(key);
      resource.where = LocationOf(*segments["OBX"].front());
      resource.subject = patient;
      resource.content = std::move(std::get<MappedElements>(mapped).content);
      resource.cleared = std::move(std::get<MappedElements>(mapped).cleared);
      added.push_back(result_.resources.size());
      result_.resources.push_back(std::move(resource));
    }
    return std::nullopt;
  }

  const Message& message_;
  const ValueContext& context_;
  const ElementMapper elements_;
  MappedMessage result_;
};

}  // namespace

std::optional<Fault> CheckHeader(const Header& header, const FeedMap& map) {
  const auto refuse = [](FaultCode code, int field, std::string text) { return Fault{code, Location{"MSH", 1, field}, std::move(text)}; };
  if (header.control_id.empty()) return refuse(FaultCode::kRequiredField, 10, "A message needs a control id of its own.");
  if (std::find(kVersions.begin(), kVersions.end(), header.version) == kVersions.end()) {
    return refuse(FaultCode::kVersion, 12, "Versions 2.3 to 2.8.2 are taken.");
  }
  if (header.processing_id != "P") return refuse(FaultCode::kProcessingId, 11, "Only production messages (P) are taken.");
  if (header.type.empty() || header.event.empty()) return refuse(FaultCode::kRequiredField, 9, "A message type and event are needed, such as ADT^A08.");
  if (!map.KnowsType(header.type)) return refuse(FaultCode::kMessageType, 9, "Messages of this type are not taken.");
  if (map.FindEvent(absl::StrCat(header.type, "^", header.event)) == nullptr) {
    return refuse(FaultCode::kEventCode, 9, "This event is not taken.");
  }
  if (!header.time.empty() && !Hl7Time::Parse(header.time)) return refuse(FaultCode::kDataType, 7, "The time of the message is no time.");
  return std::nullopt;
}

OrFault<MappedMessage> MapMessage(const Message& message, const ValueContext& context) { return Mapping(message, context).Run(); }

}  // namespace custodian::feeds

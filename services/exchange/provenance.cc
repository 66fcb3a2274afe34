#include "services/exchange/provenance.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "services/exchange/fhir_time.h"
#include "tenants/ids.h"

namespace custodian::exchange {
namespace {

Json Concept(std::string_view system, std::string_view code) {
  return Json::Object({{"coding", Json::Array({Json::Object({{"system", Json::String(std::string(system))},
                                                             {"code", Json::String(std::string(code))}})})}});
}

Json Identified(std::string_view system, std::string_view value) {
  return Json::Object({{"identifier", Json::Object({{"system", Json::String(std::string(system))},
                                                    {"value", Json::String(std::string(value))}})}});
}

}  // namespace

std::string NewDisclosureId() { return absl::StrCat(std::string(kDisclosurePrefix), HexEncode(RandomBytes(16))); }

Json DisclosureProvenance(const DisclosureFacts& facts) {
  Json agent = Json::Object({{"type", Concept("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "IRCP")},
                             {"who", Identified("urn:ietf:rfc:3986", facts.client)},
                             {"onBehalfOf", Identified(facts.recipient.organization_system, facts.recipient.organization_value)}});
  Json source = Json::Object({{"type", Concept("http://terminology.hl7.org/CodeSystem/provenance-participant-type", "custodian")},
                              {"who", Identified(facts.source.organization_system, facts.source.organization_value)}});
  Json target = Json::Object(
      {{"reference", Json::String(absl::StrCat(facts.resource_type, "/", facts.resource_id, "/_history/", facts.resource_version))}});
  return Json::Object({{"resourceType", Json::String("Provenance")},
                       {"id", Json::String(facts.id)},
                       {"target", Json::Array({std::move(target)})},
                       {"recorded", Json::String(FormatInstant(facts.time))},
                       {"reason", Json::Array({Concept("http://terminology.hl7.org/CodeSystem/v3-ActReason", facts.purpose)})},
                       {"activity", Concept("http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle", "disclose")},
                       {"agent", Json::Array({std::move(agent), std::move(source)})}});
}

void AddReceipt(Json& provenance, std::string_view origin, std::uint64_t index, std::string_view receipt) {
  Json entity = Json::Object({{"role", Json::String("source")},
                              {"what", Identified("https://c2sp.org/tlog-proof", absl::StrCat(std::string(origin), "#", index))}});
  provenance.Set("entity", Json::Array({std::move(entity)}));
  if (receipt.empty()) return;
  Json signature = Json::Object(
      {{"type", Json::Array({Json::Object({{"system", Json::String("urn:iso-astm:E1762-95:2013")},
                                           {"code", Json::String("1.2.840.10065.1.12.1.14")},
                                           {"display", Json::String("Source Signature")}})})},
       {"when", provenance["recorded"]},
       {"who", provenance["agent"][1]["who"]},
       {"sigFormat", Json::String("text/plain")},
       {"data", Json::String(absl::Base64Escape(absl::string_view(receipt.data(), receipt.size())))}});
  provenance.Set("signature", Json::Array({std::move(signature)}));
}

std::string DisclosedTo(const Json& provenance) {
  if (provenance.TextOf("resourceType") != "Provenance" || !provenance.TextOf("id").starts_with(kDisclosurePrefix)) return "";
  return provenance["agent"][0]["who"]["identifier"].TextOf("value");
}

bool IsAbout(const Json& provenance, std::string_view type, std::string_view id) {
  const std::string wanted = absl::StrCat(std::string(type), "/", std::string(id));
  for (const Json& target : provenance["target"].items()) {
    const std::string& reference = target.TextOf("reference");
    if (reference == wanted || reference.starts_with(wanted + "/_history/")) return true;
  }
  return false;
}

}  // namespace custodian::exchange

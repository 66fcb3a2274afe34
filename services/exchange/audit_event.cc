#include "services/exchange/audit_event.h"

#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "services/exchange/fhir_time.h"

namespace custodian::exchange {
namespace {

constexpr char kProfiles[] = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/";
constexpr char kDicom[] = "http://dicom.nema.org/resources/ontology/DCM";
constexpr char kEntityType[] = "http://terminology.hl7.org/CodeSystem/audit-entity-type";
constexpr char kObjectRole[] = "http://terminology.hl7.org/CodeSystem/object-role";
constexpr char kActReason[] = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
constexpr char kActCode[] = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
constexpr char kExplanation[] = "consent-explanation";
constexpr char kReceipt[] = "receipt";
constexpr char kEntry[] = "https://c2sp.org/tlog-proof";

Json Text(std::string_view text) { return Json::String(std::string(text)); }
Json Coding(std::string_view system, std::string_view code, std::string_view display = "") {
  Json coding = Json::Object({{"system", Text(system)}, {"code", Text(code)}});
  if (!display.empty()) coding.Set("display", Text(display));
  return coding;
}
Json Concept(Json coding) { return Json::Object({{"coding", Json::Array({std::move(coding)})}}); }
Json Reference(std::string_view reference) { return Json::Object({{"reference", Text(reference)}}); }
Json Identified(std::string_view system, std::string_view value) {
  return Json::Object({{"identifier", Json::Object({{"system", Text(system)}, {"value", Text(value)}})}});
}
Json Organization(const tenants::Tenant& tenant) {
  Json who = Identified(tenant.organization_system, tenant.organization_value);
  if (!tenant.display_name.empty()) who.Set("display", Text(tenant.display_name));
  return who;
}
Json Network(std::string_view uri) { return Json::Object({{"address", Text(uri)}, {"type", Text("5")}}); }

Json Agent(Json type, Json who, bool requestor) {
  return Json::Object({{"type", Concept(std::move(type))}, {"who", std::move(who)}, {"requestor", Json::Bool(requestor)}});
}
Json User(const AuditFacts& facts) {
  Json agent = Agent(Coding("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "IRCP", "information recipient"),
                     facts.user.empty() ? Identified("urn:ietf:rfc:3986", facts.client) : Json::Object({{"display", Text(facts.user)}}), true);
  if (facts.emergency) agent.Set("name", Text(facts.emergency->recipient));
  agent.Set("purposeOfUse", Json::Array({Concept(Coding(kActReason, facts.purpose))}));
  return agent;
}

Json Patient(const AuditFacts& facts) {
  return Json::Object({{"what", Reference(absl::StrCat("Patient/", facts.patient))},
                       {"type", Coding(kEntityType, "1", "Person")},
                       {"role", Coding(kObjectRole, "1", "Patient")}});
}
Json Detail(const char* type, std::string_view bytes) {
  return Json::Object({{"type", Text(type)}, {"valueBase64Binary", Text(absl::Base64Escape(absl::string_view(bytes.data(), bytes.size())))}});
}
Json ConsentEntity(const AuditFacts& facts) {
  return Json::Object({{"what", facts.judgement.consent.empty() ? Json::Object({{"display", Text("No consent decided this")}})
                                                                : Reference(facts.judgement.consent)},
                       {"type", Coding("http://hl7.org/fhir/resource-types", "Consent", "Consent")}});
}
Json Source(const AuditFacts& facts) {
  return Json::Object({{"site", Text(facts.source.ShownName())},
                       {"observer", Organization(facts.source)},
                       {"type", Json::Array({Coding("http://terminology.hl7.org/CodeSystem/security-source-type", "4", "Application Server")})}});
}

Json Event(const AuditFacts& facts, const char* profile, Json type, std::vector<Json> subtypes, const char* action, const char* outcome,
           std::string_view description, std::vector<Json> agents, std::vector<Json> entities) {
  return Json::Object({{"resourceType", Text("AuditEvent")},
                       {"id", Text(facts.id)},
                       {"meta", Json::Object({{"profile", Json::Array({Text(absl::StrCat(kProfiles, profile))})}})},
                       {"type", std::move(type)},
                       {"subtype", Json::Array(std::move(subtypes))},
                       {"action", Text(action)},
                       {"recorded", Text(FormatInstant(facts.time))},
                       {"outcome", Text(outcome)},
                       {"outcomeDesc", Text(description)},
                       {"purposeOfEvent", Json::Array({Concept(Coding(kActReason, facts.purpose))})},
                       {"agent", Json::Array(std::move(agents))},
                       {"source", Source(facts)},
                       {"entity", Json::Array(std::move(entities))}});
}

std::string Why(const AuditFacts& facts) {
  using consent::Reason;
  switch (facts.judgement.decision.reason) {
    case Reason::kPermitted: return "Permitted by the patient's consent";
    case Reason::kLegalBasis: return "Permitted by the legal basis that the source has recorded; the patient has not objected";
    case Reason::kNoPermission: return "Refused: no consent permits it";
    case Reason::kDenied: return "Refused: a consent denies it";
    case Reason::kWithheld: return "Refused: the record is sensitive, and no consent names that";
    case Reason::kNotTheirs: return "Refused: who permitted it may not decide it";
  }
  return "";
}

}  // namespace

Json DisclosureAudit(const AuditFacts& facts) {
  Json source = Agent(Coding(kDicom, "110153", "Source Role ID"), Organization(facts.source), false);
  source.Set("network", Network(absl::StrCat("urn:custodian:log:", facts.source.origin)));
  Json recipient = Agent(Coding(kDicom, "110152", "Destination Role ID"), Organization(facts.recipient), false);
  recipient.Set("network", Network(facts.client));
  std::vector<Json> agents = {std::move(source), std::move(recipient), User(facts)};
  if (!facts.judgement.consent.empty() && !facts.emergency)
    agents.push_back(Agent(Coding("http://snomed.info/sct", "429577009", "Patient Advocate"), Reference(absl::StrCat("Patient/", facts.patient)), false));

  Json data = Json::Object({{"what", Reference(facts.resource)},
                            {"type", Coding(kEntityType, "2", "System Object")},
                            {"role", Coding(kObjectRole, "3", "Report")}});
  if (!facts.judgement.labels.empty()) {
    Json labels = Json::Array();
    for (const std::string& label : facts.judgement.labels) labels.Append(Coding(kActCode, label));
    data.Set("securityLabel", std::move(labels));
  }
  data.Set("detail", Json::Array({Detail(kExplanation, facts.explanation)}));
  std::vector<Json> entities = {Patient(facts), std::move(data)};
  if (!facts.judgement.consent.empty()) entities.push_back(ConsentEntity(facts));

  std::vector<Json> subtypes = {Coding("http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle", "disclose", "Disclose Record Lifecycle Event")};
  if (facts.emergency) subtypes.push_back(Coding(kActReason, "BTG", "break the glass"));
  const std::string why = facts.emergency ? absl::StrCat("Emergency without consent: ", facts.emergency->nature) : Why(facts);
  return Event(facts, "IHE.BasicAudit.PrivacyDisclosure.Source", Coding(kDicom, "110106", "Export"), std::move(subtypes), "R", "0", why,
               std::move(agents), std::move(entities));
}

Json RefusalAudit(const AuditFacts& facts) {
  Json client = Agent(Coding(kDicom, "110150", "Application"), Identified("urn:ietf:rfc:3986", facts.client), false);
  client.Set("network", Network(facts.client));
  std::vector<Json> agents = {
      std::move(client), User(facts),
      Agent(Coding("http://terminology.hl7.org/CodeSystem/v3-RoleClass", "PROV", "healthcare provider"), Organization(facts.recipient), false),
      Agent(Coding("http://terminology.hl7.org/CodeSystem/extra-security-role-type", "authserver", "authorization server"), Organization(facts.source),
            false)};
  Json consent = ConsentEntity(facts);
  consent.Set("detail", Json::Array({Detail(kExplanation, facts.explanation)}));
  std::string why = Why(facts);
  if (facts.emergency) absl::StrAppend(&why, ". An emergency was stated: ", facts.emergency->nature);
  return Event(facts, "IHE.BasicAudit.AuthZconsent", Coding(kDicom, "110113", "Security Alert"),
               {Coding("https://profiles.ihe.net/ITI/BALP/CodeSystem/AuthZsubType", "AuthZ-Consent", "Authorization Decision using Roles and Consent")},
               "E", "8", why, std::move(agents), {Patient(facts), std::move(consent)});
}

Json ExplanationIn(const Json& audit_event) {
  for (const Json& entity : audit_event["entity"].items())
    for (const Json& detail : entity["detail"].items()) {
      std::string text;
      if (detail.TextOf("type") != kExplanation || !absl::Base64Unescape(detail.TextOf("valueBase64Binary"), &text)) continue;
      auto explanation = Json::Parse(text);
      return explanation.ok() ? *std::move(explanation) : Json();
    }
  return Json();
}

void AddAuditReceipt(Json& audit_event, std::string_view origin, std::uint64_t index, std::string_view receipt) {
  // With the entity that has the explanation: AuthZconsent closes its list of entities.
  for (Json& entity : audit_event.Find("entity") == nullptr ? audit_event.items() : audit_event.Find("entity")->items()) {
    if (entity.Find("detail") == nullptr) continue;
    entity.Find("detail")->Append(
        Json::Object({{"type", Text(kEntry)}, {"valueString", Text(absl::StrCat(std::string(origin), "#", index))}}));
    if (!receipt.empty()) entity.Find("detail")->Append(Detail(kReceipt, receipt));
    return;
  }
}

}  // namespace custodian::exchange

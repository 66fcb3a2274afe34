#include "services/exchange/consent_reader.h"

#include <map>
#include <string>

#include "absl/status/status.h"
#include "services/exchange/fhir_json.h"
#include "services/exchange/fhir_time.h"

namespace custodian::exchange {
namespace {

constexpr std::string_view kScope = "http://terminology.hl7.org/CodeSystem/consentscope";
constexpr std::string_view kActReason = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
constexpr std::string_view kActCode = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
constexpr std::string_view kParticipation = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";
constexpr std::string_view kAction = "http://terminology.hl7.org/CodeSystem/consentaction";

std::string CodeIn(const Json& coding, std::string_view system) {
  return coding.TextOf("system") == system ? coding.TextOf("code") : "";
}

void AddParty(const Json& identifier, consent::Actor& actor) {
  if (!identifier.TextOf("value").empty()) actor.identifiers.push_back({identifier.TextOf("system"), identifier.TextOf("value")});
}

consent::Actor ReadActor(const Json& json, const Json& contained) {
  consent::Actor actor;
  for (const Json& coding : json["role"]["coding"].items())
    if (std::string code = CodeIn(coding, kParticipation); !code.empty()) actor.roles.push_back(std::move(code));
  const Json& reference = json["reference"];
  AddParty(reference["identifier"], actor);
  const std::string& target = reference.TextOf("reference");
  if (!target.empty() && target.front() == '#')
    for (const Json& resource : contained.items())
      if (resource.TextOf("id") == target.substr(1) && resource.TextOf("resourceType") == "Organization")
        for (const Json& identifier : resource["identifier"].items()) AddParty(identifier, actor);
  return actor;
}

void ReadPeriod(const Json& period, absl::TimeZone zone, consent::Provision& provision) {
  if (period.is_null()) return;
  if (const Json* start = period.Find("start")) {
    const auto time = ParseFhirTime(start->text(), zone);
    if (time) provision.from = time->begin;
    provision.narrowed = provision.narrowed || !time;
  }
  if (const Json* end = period.Find("end")) {
    const auto time = ParseFhirTime(end->text(), zone);
    if (time) provision.until = time->has_time ? time->begin : time->end;
    provision.narrowed = provision.narrowed || !time;
  }
}

// Actions that say nothing against access leave the rule as it is.
bool ActionsIncludeAccess(const Json& actions) {
  if (actions.items().empty()) return true;
  for (const Json& action : actions.items())
    for (const Json& coding : action["coding"].items())
      if (const std::string code = CodeIn(coding, kAction); code == "access" || code == "disclose") return true;
  return false;
}

consent::Provision ReadProvision(const Json& json, const Json& contained, absl::TimeZone zone) {
  consent::Provision provision;
  const std::string& type = json.TextOf("type");
  if (type == "permit") provision.effect = consent::Effect::kPermit;
  if (type == "deny") provision.effect = consent::Effect::kDeny;
  ReadPeriod(json["period"], zone, provision);
  for (const Json& actor : json["actor"].items()) provision.actors.push_back(ReadActor(actor, contained));
  for (const Json& purpose : json["purpose"].items()) provision.purposes.push_back(CodeIn(purpose, kActReason));
  for (const char* criterion : {"securityLabel", "class", "code", "dataPeriod", "data"})
    provision.narrowed = provision.narrowed || json.Find(criterion) != nullptr;
  provision.narrowed = provision.narrowed || !ActionsIncludeAccess(json["action"]);
  for (const Json& nested : json["provision"].items()) provision.nested.push_back(ReadProvision(nested, contained, zone));
  return provision;
}

bool IsAboutDisclosure(const Json& scope) {
  for (const Json& coding : scope["coding"].items())
    if (CodeIn(coding, kScope) == "patient-privacy") return true;
  return false;
}

}  // namespace

absl::StatusOr<consent::Consent> ReadConsent(std::string_view consent_json, absl::Time arrived, absl::TimeZone zone) {
  const auto json = Json::Parse(consent_json);
  if (!json.ok()) return json.status();
  if (json->TextOf("resourceType") != "Consent") return absl::InvalidArgumentError("not a Consent");
  consent::Consent consent;
  consent.active = json->TextOf("status") == "active";
  consent.about_disclosure = IsAboutDisclosure((*json)["scope"]);
  consent.arrived = arrived;
  consent.provision = ReadProvision((*json)["provision"], (*json)["contained"], zone);
  // R4 lets the base rule stand in policyRule alone, with exceptions below.
  if (consent.provision.effect == consent::Effect::kNone)
    for (const Json& coding : (*json)["policyRule"]["coding"].items()) {
      const std::string code = CodeIn(coding, kActCode);
      if (code == "OPTIN") consent.provision.effect = consent::Effect::kPermit;
      if (code == "OPTOUT") consent.provision.effect = consent::Effect::kDeny;
    }
  return consent;
}

consent::Decision DecideConsent(const std::vector<OpenedRecord>& records, const consent::Question& question,
                                absl::TimeZone zone) {
  std::map<std::string, const OpenedRecord*> newest;
  for (const OpenedRecord& record : records) {
    if (record.resource_type != "Consent" || record.arrived > question.time) continue;
    const OpenedRecord*& known = newest[record.id];
    if (known == nullptr || known->version < record.version) known = &record;
  }
  std::vector<consent::Consent> consents;
  for (const auto& [id, record] : newest) {
    auto consent = ReadConsent(record->json, record->arrived, zone);
    if (!consent.ok()) return {false, consent::Reason::kDenied};
    consents.push_back(*std::move(consent));
  }
  return consent::Decide(consents, question);
}

}  // namespace custodian::exchange

#include "services/exchange/consent_reader.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "services/consent/code_system.h"
#include "services/exchange/fhir_time.h"
#include "services/exchange/record_facts.h"

namespace custodian::exchange {
namespace {

constexpr std::string_view kScope = "http://terminology.hl7.org/CodeSystem/consentscope";
constexpr std::string_view kActReason = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
constexpr std::string_view kActCode = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
constexpr std::string_view kParticipation = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";
constexpr std::string_view kConfidentiality = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
constexpr std::string_view kRoleCode = "http://terminology.hl7.org/CodeSystem/v3-RoleCode";
constexpr std::string_view kResourceTypes = "http://hl7.org/fhir/resource-types";
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

// Widens what it cannot read, and says so.
void ReadPeriod(const Json& period, absl::TimeZone zone, absl::Time& from, absl::Time& until, bool& narrowed) {
  if (period.is_null()) return;
  if (const Json* start = period.Find("start")) {
    const auto time = ParseFhirTime(start->text(), zone);
    if (time) from = time->begin;
    narrowed = narrowed || !time;
  }
  if (const Json* end = period.Find("end")) {
    const auto time = ParseFhirTime(end->text(), zone);
    if (time) until = time->has_time ? time->begin : time->end;
    narrowed = narrowed || !time;
  }
}

std::string LabelOf(const Json& coding) {
  const std::string& code = coding.TextOf("code");
  const bool is_rank = consent::ConfidentialityRank(code).has_value();
  if (is_rank) return consent::CanonicalSystem(coding.TextOf("system")) == kConfidentiality ? code : "";
  return consent::TenantRules::SensitivityCode(code).value_or(code);
}

// A resource type or a profile; a code of another kind is not evaluated.
consent::Code ClassOf(const Json& coding) {
  const std::string& system = coding.TextOf("system");
  const std::string& code = coding.TextOf("code");
  const bool readable = system == kResourceTypes || code.find(':') != std::string::npos;
  return {system, readable ? code : ""};
}

void ReadCodes(const Json& concepts, std::vector<consent::Code>& codes) {
  for (const Json& one : concepts.items()) {
    if (one["coding"].items().empty()) codes.emplace_back();
    for (const Json& coding : one["coding"].items()) {
      const std::string system = consent::CanonicalSystem(coding.TextOf("system"));
      codes.push_back({system, consent::CanonicalCode(system, coding.TextOf("code"))});
    }
  }
}

consent::DataReference DataOf(const Json& json) {
  consent::DataReference data;
  data.reference = TargetOf(json["reference"].TextOf("reference"));
  const std::string& meaning = json.TextOf("meaning");
  if (meaning == "instance") return data;
  data.meaning = meaning == "related"      ? consent::DataMeaning::kRelated
                 : meaning == "dependents" ? consent::DataMeaning::kDependents
                                           : consent::DataMeaning::kAuthoredBy;
  if (data.meaning == consent::DataMeaning::kAuthoredBy && meaning != "authoredby") data.reference.clear();
  return data;
}

// Whether some part of it, other than the provisions within, says that it does not mean what it seems to (modifierExtension).
bool IsModified(const Json& json) {
  if (json.Find("modifierExtension") != nullptr) return true;
  for (const auto& [name, value] : json.members())
    if (name != "provision" && IsModified(value)) return true;
  return std::any_of(json.items().begin(), json.items().end(), IsModified);
}

// Somebody asked the patient or family, and this is not what they said.
bool IsUnverified(const Json& consent) {
  for (const Json& verification : consent["verification"].items())
    if (!verification["verified"].boolean()) return true;
  return false;
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
  ReadPeriod(json["period"], zone, provision.from, provision.until, provision.narrowed);
  for (const Json& actor : json["actor"].items()) provision.actors.push_back(ReadActor(actor, contained));
  for (const Json& purpose : json["purpose"].items()) provision.purposes.push_back(CodeIn(purpose, kActReason));
  for (const Json& label : json["securityLabel"].items()) provision.labels.push_back(LabelOf(label));
  for (const Json& one : json["class"].items()) provision.classes.push_back(ClassOf(one));
  ReadCodes(json["code"], provision.codes);
  provision.has_data_period = !json["dataPeriod"].is_null();
  ReadPeriod(json["dataPeriod"], zone, provision.data_from, provision.data_until, provision.narrowed);
  for (const Json& data : json["data"].items()) provision.data.push_back(DataOf(data));
  provision.narrowed = provision.narrowed || !ActionsIncludeAccess(json["action"]) || IsModified(json);
  for (const Json& nested : json["provision"].items()) provision.nested.push_back(ReadProvision(nested, contained, zone));
  return provision;
}

// An objection, by code or words: "OPTOUT", "Opt-out", "opt out with exceptions".
bool IsObjection(std::string_view text) {
  std::string letters;
  for (const char c : text)
    if (absl::ascii_isalpha(static_cast<unsigned char>(c))) letters.push_back(absl::ascii_toupper(static_cast<unsigned char>(c)));
  return letters.starts_with("OPTOUT") || letters == "EMRGONLY";
}

struct BaseRule {
  consent::Effect effect = consent::Effect::kNone;
  // "Opt-in to disclosure of health information for emergency only": a denial but for emergency treatment.
  bool emergencies = false;
};

// A permission is read as it must be written; an objection of any system or none, in words too.
BaseRule ReadBaseRule(const Json& policy_rule) {
  BaseRule base;
  if (IsObjection(policy_rule.TextOf("text"))) return {consent::Effect::kDeny};
  for (const Json& coding : policy_rule["coding"].items()) {
    const std::string code = CodeIn(coding, kActCode);
    if (code == "EMRGONLY") {
      base = {consent::Effect::kDeny, true};
      continue;
    }
    if (IsObjection(coding.TextOf("code")) || IsObjection(coding.TextOf("display"))) return {consent::Effect::kDeny};
    if ((code == "OPTIN" || code == "OPTINR") && base.effect == consent::Effect::kNone) base.effect = consent::Effect::kPermit;
  }
  return base;
}

// A denial of everything, and within it `provision`.
consent::Provision DeniedBut(consent::Provision provision) {
  consent::Provision around;
  around.effect = consent::Effect::kDeny;
  around.nested.push_back(std::move(provision));
  return around;
}

consent::Giver GiverBy(const Json& person, const std::string& patient, absl::Time given, absl::TimeZone zone, const consent::TenantRules& rules) {
  if (person.TextOf("resourceType") != "RelatedPerson" || (person["active"].is_bool() && !person["active"].boolean())) return consent::Giver::kNobody;
  if (TargetOf(person["patient"].TextOf("reference")) != patient) return consent::Giver::kNobody;
  absl::Time from = absl::InfinitePast(), until = absl::InfiniteFuture();
  bool unreadable = false;
  ReadPeriod(person["period"], zone, from, until, unreadable);
  if (unreadable || given < from || given >= until) return consent::Giver::kNobody;
  consent::Giver best = consent::Giver::kNobody;
  for (const Json& relationship : person["relationship"].items())
    for (const Json& coding : relationship["coding"].items()) {
      const consent::Giver giver = rules.GiverBy(CodeIn(coding, kRoleCode));
      if (giver == consent::Giver::kDelegate || (giver == consent::Giver::kParent && best == consent::Giver::kNobody)) best = giver;
    }
  return best;
}

const Json* FindContained(const Json& contained, std::string_view id) {
  for (const Json& resource : contained.items())
    if (resource.TextOf("id") == id) return &resource;
  return nullptr;
}

consent::Giver ReadGiver(const Json& json, absl::Time given, absl::TimeZone zone, const consent::TenantRules& rules, const FindRelatedPerson& find) {
  const std::string patient = TargetOf(json["patient"].TextOf("reference"));
  bool any = false, by_patient = false, by_parent = false, by_delegate = false;
  for (const Json& performer : json["performer"].items()) {
    const std::string& reference = performer.TextOf("reference");
    const std::string local = TargetOf(reference);
    if (local.starts_with("Organization/") || local.starts_with("Practitioner/") || local.starts_with("PractitionerRole/")) continue;
    any = true;
    if (!local.empty() && local == patient) {
      by_patient = true;
      continue;
    }
    const Json* person = reference.starts_with('#') ? FindContained(json["contained"], std::string_view(reference).substr(1)) : find(local);
    const consent::Giver giver = person == nullptr ? consent::Giver::kNobody : GiverBy(*person, patient, given, zone, rules);
    by_parent = by_parent || giver == consent::Giver::kParent;
    by_delegate = by_delegate || giver == consent::Giver::kDelegate;
  }
  // Patient and parent together: whichever of them may.
  if (!any || (by_patient && (by_parent || by_delegate))) return consent::Giver::kUnstated;
  return by_patient ? consent::Giver::kPatient : by_delegate ? consent::Giver::kDelegate : by_parent ? consent::Giver::kParent : consent::Giver::kNobody;
}

bool IsAboutDisclosure(const Json& scope) {
  for (const Json& coding : scope["coding"].items())
    if (CodeIn(coding, kScope) == "patient-privacy") return true;
  return false;
}

}  // namespace

consent::Consent ReadConsent(const Json& json, absl::Time arrived, absl::TimeZone zone, const consent::TenantRules& rules,
                             const FindRelatedPerson& find) {
  consent::Consent consent;
  consent.active = json.TextOf("status") == "active";
  consent.about_disclosure = IsAboutDisclosure(json["scope"]);
  consent.arrived = arrived;
  if (const auto time = ParseFhirTime(json.TextOf("dateTime"), zone)) consent.given = time->begin;
  consent.giver = ReadGiver(json, consent.given.value_or(arrived), zone, rules, find);
  consent.provision = ReadProvision(json["provision"], json["contained"], zone);
  consent.provision.narrowed = consent.provision.narrowed || IsModified(json) || json.Find("implicitRules") != nullptr || IsUnverified(json);
  const BaseRule base = ReadBaseRule(json["policyRule"]);
  if (base.emergencies) {
    if (consent.provision.effect == consent::Effect::kNone) consent.provision.effect = consent::Effect::kPermit;
    consent::Provision emergency = DeniedBut(std::move(consent.provision));
    emergency.purposes = {"ETREAT"};
    consent.provision = DeniedBut(std::move(emergency));
  } else if (consent.provision.effect == consent::Effect::kNone) {
    consent.provision.effect = base.effect;
  } else if (base.effect == consent::Effect::kDeny) {
    const bool denies = consent.provision.effect == consent::Effect::kDeny;
    const absl::Time from = consent.provision.from, until = consent.provision.until;
    consent.provision = DeniedBut(std::move(consent.provision));
    // What only denies lasts as long as it says.
    if (denies) consent.provision.from = from, consent.provision.until = until;
  }
  return consent;
}

}  // namespace custodian::exchange

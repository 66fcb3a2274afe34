#include "services/exchange/record_facts.h"

#include <algorithm>
#include <iterator>
#include <optional>

#include "services/consent/code_system.h"
#include "services/consent/tenant_rules.h"
#include "services/exchange/fhir_definitions.h"
#include "services/exchange/fhir_time.h"

namespace custodian::exchange {
namespace {

constexpr std::string_view kTerminology = "http://terminology.hl7.org/";
constexpr std::string_view kConfidentiality = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
constexpr std::string_view kActCode = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
constexpr std::string_view kTimes[] = {"effective", "started",      "performed", "occurrence", "onset",    "period", "authoredOn",
                                       "recordedDate", "date", "issued",    "created",    "recorded", "sent"};
constexpr std::string_view kAuthors[] = {"author", "performer", "recorder", "asserter", "requester", "resultsInterpreter", "informationSource"};
constexpr std::string_view kParts[] = {"result", "hasMember", "derivedFrom", "imagingStudy", "media", "section", "entry", "focus", "supportingInfo"};
constexpr std::string_view kWholes[] = {"partOf"};
constexpr std::string_view kContexts[] = {"encounter", "context", "basedOn", "reasonReference", "request"};

template <typename List>
bool Contains(const List& list, std::string_view name) {
  return std::find(std::begin(list), std::end(list), name) != std::end(list);
}

void AddReferences(const Json& json, std::vector<std::string>& into) {
  if (std::string local = TargetOf(json.TextOf("reference")); !local.empty()) into.push_back(std::move(local));
  for (const auto& [name, value] : json.members()) AddReferences(value, into);
  for (const Json& item : json.items()) AddReferences(item, into);
}

void AddCodes(const Json& json, std::vector<consent::Code>& into) {
  // A Coding; a Quantity has a value too.
  if (json.is_object() && json["code"].is_string() && json["system"].is_string() && json.Find("value") == nullptr) {
    std::string system = consent::CanonicalSystem(json.TextOf("system"));
    std::string code = consent::CanonicalCode(system, json.TextOf("code"));
    into.push_back({std::move(system), std::move(code)});
  }
  for (const auto& [name, value] : json.members())
    if (name != "meta") AddCodes(value, into);
  for (const Json& item : json.items()) AddCodes(item, into);
}

void ReadSecurity(const Json& labels, consent::Data& data) {
  for (const Json& label : labels.items()) {
    const std::string system = consent::CanonicalSystem(label.TextOf("system"));
    if (system == kConfidentiality) {
      const std::string rank = consent::CanonicalCode(system, label.TextOf("code"));
      if (consent::ConfidentialityRank(rank)) {
        data.confidentiality = MoreConfidential(data.confidentiality, rank);
        continue;
      }
    }
    const auto known = consent::TenantRules::SensitivityCode(label.TextOf("code"));
    const bool sensitive = system == kActCode || system == kConfidentiality ? known.has_value() : !system.starts_with(kTerminology);
    std::string code = known.value_or(label.TextOf("code"));
    if (sensitive && !code.empty() && !Contains(data.labels, code)) data.labels.push_back(std::move(code));
  }
}

bool ReadTime(const Json& resource, std::string_view element, absl::TimeZone zone, consent::Data& data) {
  for (const char* type : {"", "DateTime", "Instant", "Date"}) {
    const auto time = ParseFhirTime(resource.TextOf(std::string(element) + type), zone);
    if (!time) continue;
    data.from = time->begin;
    data.until = time->end;
    return true;
  }
  for (const char* type : {"", "Period"}) {
    const Json& period = resource[std::string(element) + type];
    const auto start = ParseFhirTime(period.TextOf("start"), zone), end = ParseFhirTime(period.TextOf("end"), zone);
    if (!start && !end) continue;
    if (start) data.from = start->begin;
    if (end) data.until = end->end;
    return true;
  }
  return false;
}

}  // namespace

std::string TargetOf(std::string_view reference) {
  if (const auto version = reference.find("/_history/"); version != std::string_view::npos) reference = reference.substr(0, version);
  const auto slash = reference.find('/');
  if (slash == std::string_view::npos || !IsResourceType(reference.substr(0, slash)) || !IsFhirId(reference.substr(slash + 1))) return "";
  return std::string(reference);
}

Links LinksOf(const Json& resource) {
  Links links;
  for (const auto& [name, value] : resource.members()) {
    if (Contains(kParts, name)) AddReferences(value, links.parts);
    if (Contains(kWholes, name)) AddReferences(value, links.wholes);
  }
  return links;
}

std::string MoreConfidential(const std::string& a, const std::string& b) {
  return consent::ConfidentialityRank(b).value_or(0) > consent::ConfidentialityRank(a).value_or(0) ? b : a;
}

RecordFacts FactsOf(const Json& resource, absl::TimeZone zone) {
  RecordFacts facts;
  consent::Data& data = facts.data;
  data.type = resource.TextOf("resourceType");
  data.id = resource.TextOf("id");
  for (const Json& profile : resource["meta"]["profile"].items()) data.profiles.push_back(profile.text());
  ReadSecurity(resource["meta"]["security"], data);
  AddCodes(resource, data.codes);
  for (const std::string_view element : kTimes)
    if (ReadTime(resource, element, zone, data)) break;
  for (const auto& [name, value] : resource.members()) {
    AddReferences(value, data.references);
    if (Contains(kAuthors, name)) AddReferences(value, data.authors);
    if (Contains(kContexts, name)) AddReferences(value, facts.context);
  }
  // Whose it is says nothing of what it is (DocumentReference.context.sourcePatientInfo).
  std::erase_if(facts.context, [](const std::string& target) { return target.starts_with("Patient/"); });
  Links links = LinksOf(resource);
  facts.parts = std::move(links.parts);
  facts.wholes = std::move(links.wholes);
  return facts;
}

}  // namespace custodian::exchange

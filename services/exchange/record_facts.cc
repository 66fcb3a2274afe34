#include "services/exchange/record_facts.h"

#include <algorithm>
#include <iterator>
#include <optional>

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
  if (json.is_object() && json["code"].is_string() && json["system"].is_string() && json.Find("value") == nullptr)
    into.push_back({json.TextOf("system"), json.TextOf("code")});
  for (const auto& [name, value] : json.members())
    if (name != "meta") AddCodes(value, into);
  for (const Json& item : json.items()) AddCodes(item, into);
}

void ReadSecurity(const Json& labels, consent::Data& data) {
  for (const Json& label : labels.items()) {
    const std::string& system = label.TextOf("system");
    const std::string& code = label.TextOf("code");
    const auto rank = consent::ConfidentialityRank(code);
    if (system == kConfidentiality && rank) {
      // The highest stands, "N" included.
      if (*rank > consent::ConfidentialityRank(data.confidentiality).value_or(0)) data.confidentiality = code;
      continue;
    }
    const bool sensitive = system == kActCode || system == kConfidentiality ? consent::TenantRules::IsSensitivityCode(code)
                                                                            : !std::string_view(system).starts_with(kTerminology);
    if (sensitive && !code.empty() && !Contains(data.labels, code)) data.labels.push_back(code);
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
    if (Contains(kParts, name)) AddReferences(value, facts.parts);
  }
  for (const Json& encounter : {resource["encounter"], resource["context"], resource["context"]["encounter"][0]})
    if (const std::string local = TargetOf(encounter.TextOf("reference")); local.starts_with("Encounter/")) facts.encounter = local;
  return facts;
}

}  // namespace custodian::exchange

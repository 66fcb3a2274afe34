#include "services/exchange/fhir_capability.h"

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/exchange/fhir_definitions.h"
#include "services/exchange/fhir_json.h"

namespace custodian::exchange {
namespace {

using Kind = SearchParameter::Kind;

Json Text(std::string_view text) { return Json::String(std::string(text)); }

Json Codes(std::initializer_list<std::string_view> codes) {
  Json list = Json::Array();
  for (const std::string_view code : codes) list.Append(Json::Object({{"code", Text(code)}}));
  return list;
}

std::string_view NameOf(Kind kind) {
  switch (kind) {
    case Kind::kToken:
      return "token";
    case Kind::kDate:
      return "date";
    case Kind::kReference:
      return "reference";
    case Kind::kString:
      return "string";
    case Kind::kQuantity:
      return "quantity";
    case Kind::kNumber:
      return "number";
    case Kind::kUri:
      return "uri";
    case Kind::kComposite:
      return "composite";
  }
  return "";
}

Json Operation(std::string_view name, std::string_view definition) {
  return Json::Object({{"name", Text(name)}, {"definition", Text(definition)}});
}

// "Observation:subject" for each reference that says it may lead to the type; by type led to. Not from patients' records to what has no
// patient: those are not searched across patients.
std::map<std::string_view, Json> ReverseIncludes() {
  std::map<std::string_view, Json> includes;
  for (const std::string& source : ResourceTypes()) {
    for (const SearchParameter& parameter : FindType(source)->search) {
      const Json name = Text(source + ":" + std::string(parameter.name));
      for (const std::string_view target : parameter.targets) {
        if (FindType(source)->compartment.empty() || !FindType(target)->compartment.empty()) includes[target].Append(name);
      }
    }
  }
  return includes;
}

Json Resource(const TypeDefinition& type, Json reverse_includes) {
  Json parameters = Json::Array();
  Json includes = Json::Array({Text("*")});
  for (const SearchParameter& parameter : type.search) {
    // Nobody's demographics are searched: a person is found by $match. These narrow what ids find, and stand in chains.
    const bool finds = type.name != "Patient" || parameter.name == "_id" || parameter.name == "identifier";
    if (finds) parameters.Append(Json::Object({{"name", Text(parameter.name)}, {"type", Text(NameOf(parameter.kind))}}));
    if (parameter.kind == Kind::kReference) includes.Append(Text(std::string(type.name) + ":" + std::string(parameter.name)));
  }
  Json resource = Json::Object({{"type", Text(type.name)}});
  resource.Set("interaction", Codes({"read", "vread", "update", "delete", "history-instance", "create", "search-type"}));
  resource.Set("versioning", Text("versioned-update"));
  resource.Set("readHistory", Json::Bool(true));
  resource.Set("updateCreate", Json::Bool(true));
  resource.Set("conditionalCreate", Json::Bool(true));
  resource.Set("conditionalRead", Text("full-support"));
  resource.Set("conditionalUpdate", Json::Bool(true));
  resource.Set("conditionalDelete", Text("single"));
  resource.Set("referencePolicy", Json::Array({Text("literal"), Text("local")}));
  resource.Set("searchInclude", std::move(includes));
  // Leads to any type.
  reverse_includes.Append(Text("Provenance:target"));
  resource.Set("searchRevInclude", std::move(reverse_includes));
  resource.Set("searchParam", std::move(parameters));
  const Json validate = Operation("validate", "http://hl7.org/fhir/OperationDefinition/Resource-validate");
  resource.Set("operation", Json::Array({validate}));
  if (type.name == "Patient") {
    resource.Set("operation", Json::Array({validate, Operation("everything", "http://hl7.org/fhir/OperationDefinition/Patient-everything"),
                                           Operation("ledger-list", "https://custodian.example/fhir/OperationDefinition/Patient-ledger-list"),
                                           Operation("match", "http://hl7.org/fhir/OperationDefinition/Patient-match")}));
  }
  if (type.name == "Patient") {
    resource.Set("documentation", Text("A search names _id or identifier (system|value), or a _has that names one. R4's other search parameters narrow what these "
                                       "find and stand in chains (subject:Patient.birthdate); demographics are matched by Patient/$match."));
  }
  if (type.name == "Binary") {
    resource.Set("documentation", Text("Read as its own bytes unless Accept or _format asks for FHIR; created and updated by sending these, too, under their own "
                                       "Content-Type."));
  }
  if (type.name == "Communication") {
    resource.Set("operation", Json::Array({validate, Operation("corrections", "https://custodian.example/fhir/OperationDefinition/Communication-corrections"),
                                           Operation("acknowledge", "https://custodian.example/fhir/OperationDefinition/Communication-acknowledge")}));
  }
  return resource;
}

Json Service(std::string_view code) {
  const Json coding =
      Json::Object({{"system", Text("http://terminology.hl7.org/CodeSystem/restful-security-service")}, {"code", Text(code)}});
  return Json::Object({{"coding", Json::Array({coding})}});
}

Json Statement(std::string_view base_url) {
  Json resources = Json::Array();
  auto reverse_includes = ReverseIncludes();
  for (const std::string& type : ResourceTypes()) resources.Append(Resource(*FindType(type), std::move(reverse_includes[type])));
  Json security = Json::Object(
      {{"cors", Json::Bool(false)},
       {"service", Json::Array({Service("SMART-on-FHIR"), Service("Certificates")})},
       {"description", Text("An access token (.well-known/smart-configuration; SMART Backend Services) or a TLS client certificate registered for the "
                            "tenant. Clients of other tenants read DiagnosticReport, ImagingStudy, Observation by id, and the Provenance of what they "
                            "read, by the patient's consent.")}});
  Json rest = Json::Object(
      {{"mode", Text("server")},
       {"documentation", Text("Searches are patient-scoped: they name a patient or what else a resource is about (target=Observation/x), ids, or an "
                              "identifier with its system, or do so behind a reference (patient.identifier) or in _has; types of no patient's compartment are searched as a whole. Chains and _has lead over at "
                              "most 4 references. A condition (ifNoneExist, PUT or DELETE of Type?query, a conditional reference) "
                              "is identifier=system|value, perhaps with further parameters. Dates without a zone are of the tenant's. Unknown search parameters are refused unless Prefer: handling=lenient.")},
       {"security", std::move(security)},
       {"resource", std::move(resources)},
       {"interaction", Codes({"transaction", "batch"})}});
  return Json::Object({{"resourceType", Text("CapabilityStatement")},
                       {"status", Text("active")},
                       {"date", Text("2026-01-01")},
                       {"kind", Text("instance")},
                       {"software", Json::Object({{"name", Text("Custodian")}})},
                       {"implementation", Json::Object({{"description", Text("Custodian, a tenant's records")}, {"url", Text(base_url)}})},
                       {"fhirVersion", Text("4.0.1")},
                       {"format", Json::Array({Text("json"), Text("application/fhir+json")})},
                       {"rest", Json::Array({std::move(rest)})}});
}

}  // namespace

std::string CapabilityStatement(std::string_view base_url) {
  // Anybody may ask, and only the URL differs.
  constexpr std::string_view kPlace = "{base}";
  static const std::string& text = *new std::string(Statement(kPlace).Text());
  static const std::size_t place = text.find(absl::StrCat("\"", std::string(kPlace), "\""));
  return absl::StrCat(text.substr(0, place), Text(base_url).Text(), text.substr(place + kPlace.size() + 2));
}

}  // namespace custodian::exchange

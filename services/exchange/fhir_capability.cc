#include "services/exchange/fhir_capability.h"

#include "services/exchange/fhir_definitions.h"
#include "services/exchange/fhir_json.h"
#include "services/exchange/fhir_search.h"

namespace custodian::exchange {
namespace {

Json Text(std::string_view text) { return Json::String(std::string(text)); }

Json Codes(std::initializer_list<std::string_view> codes) {
  Json list = Json::Array();
  for (const std::string_view code : codes) list.Append(Json::Object({{"code", Text(code)}}));
  return list;
}

Json SearchParameters(const std::string& type) {
  Json list = Json::Array();
  for (const SearchParameter& parameter : SearchParametersOf(type)) {
    const bool is_date = parameter.kind == SearchParameter::Kind::kDate;
    const bool is_reference = parameter.kind == SearchParameter::Kind::kReference;
    list.Append(Json::Object({{"name", Text(parameter.name)}, {"type", Text(is_date ? "date" : is_reference ? "reference" : "token")}}));
  }
  return list;
}

Json Resource(const std::string& type) {
  const bool searchable = !SearchParametersOf(type).empty();
  Json resource = Json::Object({{"type", Text(type)}});
  resource.Set("interaction", searchable ? Codes({"read", "vread", "update", "history-instance", "create", "search-type"})
                                         : Codes({"read", "vread", "update", "history-instance", "create"}));
  resource.Set("versioning", Text("versioned-update"));
  resource.Set("readHistory", Json::Bool(true));
  resource.Set("updateCreate", Json::Bool(true));
  resource.Set("conditionalCreate", Json::Bool(true));
  resource.Set("conditionalRead", Text("not-supported"));
  resource.Set("conditionalUpdate", Json::Bool(false));
  resource.Set("conditionalDelete", Text("not-supported"));
  resource.Set("referencePolicy", Json::Array({Text("literal"), Text("local")}));
  if (searchable) {
    resource.Set("searchRevInclude", Json::Array({Text("Provenance:target")}));
    resource.Set("searchParam", SearchParameters(type));
  }
  return resource;
}

Json Service(std::string_view code) {
  const Json coding =
      Json::Object({{"system", Text("http://terminology.hl7.org/CodeSystem/restful-security-service")}, {"code", Text(code)}});
  return Json::Object({{"coding", Json::Array({coding})}});
}

}  // namespace

std::string CapabilityStatement(std::string_view base_url) {
  Json resources = Json::Array();
  for (const std::string& type : ResourceTypes()) resources.Append(Resource(type));
  Json security = Json::Object(
      {{"cors", Json::Bool(false)},
       {"service", Json::Array({Service("SMART-on-FHIR"), Service("Certificates")})},
       {"description", Text("An access token (.well-known/smart-configuration; SMART Backend Services) or a TLS client certificate registered for the "
                            "tenant. Clients of other tenants read DiagnosticReport, ImagingStudy, Observation by id, and the Provenance of what they "
                            "read, by the patient's consent.")}});
  Json rest = Json::Object({{"mode", Text("server")},
                            {"security", std::move(security)},
                            {"resource", std::move(resources)},
                            {"interaction", Codes({"transaction"})}});
  return Json::Object({{"resourceType", Text("CapabilityStatement")},
                       {"status", Text("active")},
                       {"date", Text("2026-01-01")},
                       {"kind", Text("instance")},
                       {"software", Json::Object({{"name", Text("Custodian")}})},
                       {"implementation", Json::Object({{"description", Text("Custodian, a tenant's records")}, {"url", Text(base_url)}})},
                       {"fhirVersion", Text("4.0.1")},
                       {"format", Json::Array({Text("json")})},
                       {"rest", Json::Array({std::move(rest)})}})
      .Text();
}

}  // namespace custodian::exchange

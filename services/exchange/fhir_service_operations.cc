// The operations of HL7's that a tenant's own clients may ask for: Patient/$match, Patient/$everything and $validate.
#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/exchange/fhir_service.h"
#include "services/exchange/fhir_validator.h"

namespace custodian::exchange {
namespace {

constexpr std::string_view kNoProfiles = "Only R4 itself is validated against, no profile.";

// Of a Parameters resource, as they would stand in a query.
Parameters PrimitivesOf(const Json& body) {
  Parameters parameters;
  for (const Json& parameter : body["parameter"].items()) {
    for (const Json::Member& member : parameter.members()) {
      if (!absl::StartsWith(member.name, "value")) continue;
      parameters.emplace_back(parameter.TextOf("name"), member.value.is_bool() ? (member.value.boolean() ? "true" : "false") : member.value.text());
    }
  }
  return parameters;
}

}  // namespace

rpc::HttpResponse FhirService::Match(const FhirCall& call) const {
  const auto body = ReadBody(call);
  if (const auto* refusal = std::get_if<exchange::Refusal>(&body)) return FhirResponse(*refusal);
  return match_.Answer(call, std::get<Json>(body));
}

rpc::HttpResponse FhirService::Everything(const FhirCall& call) const {
  Parameters parameters = call.request.Parameters();
  if (call.request.method == "POST" && !call.request.body.empty()) {
    const auto body = ReadBody(call);
    if (const auto* refusal = std::get_if<exchange::Refusal>(&body)) return FhirResponse(*refusal);
    const Json& given = std::get<Json>(body);
    if (given.TextOf("resourceType") != "Parameters") {
      return FhirResponse(Refuse(400, "structure", "Patient/$everything takes a Parameters resource.", "Parameters.resourceType"));
    }
    for (auto& parameter : PrimitivesOf(given)) parameters.push_back(std::move(parameter));
  }
  return searcher_.Everything(call, parameters);
}

// http://hl7.org/fhir/R4/resource-operation-validate.html: 200 whatever is found. Nothing is looked up, and nothing stored.
rpc::HttpResponse FhirService::Validate(const FhirCall& call) const {
  const auto is_profile = [](const auto& parameter) { return parameter.first == "profile"; };
  const Parameters given_by_url = call.request.Parameters();
  if (std::any_of(given_by_url.begin(), given_by_url.end(), is_profile)) return FhirResponse(Refuse(422, "not-supported", std::string(kNoProfiles)));
  const auto body = ReadBody(call);
  if (const auto* refusal = std::get_if<exchange::Refusal>(&body)) return FhirResponse(*refusal);
  const Json* resource = &std::get<Json>(body);
  if (resource->TextOf("resourceType") == "Parameters" && call.type() != "Parameters") {
    const Json* given = nullptr;
    for (const Json& parameter : (*resource)["parameter"].items()) {
      if (parameter.TextOf("name") == "profile") return FhirResponse(Refuse(422, "not-supported", std::string(kNoProfiles)));
      if (parameter.TextOf("name") == "resource") given = &parameter["resource"];
    }
    if (given == nullptr) {
      return FhirResponse(Refuse(400, "required", "The parameter 'resource' must be what to validate.", "Parameters.parameter.where(name='resource').resource"));
    }
    resource = given;
  }
  std::vector<Issue> issues;
  if (resource->TextOf("resourceType") == call.type()) {
    issues = ValidateResource(*resource, call.type());
  } else {
    issues = {{"invariant", absl::StrCat("The resource must have resourceType ", call.type(), "."), call.type() + ".resourceType"}};
  }
  const bool is_good = issues.empty();
  return FhirResponse(200, OperationOutcome(is_good ? std::vector<Issue>{{"informational", "No fault was found.", ""}} : issues, is_good));
}

}  // namespace custodian::exchange

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
#include "services/exchange/record_store.h"

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

rpc::HttpResponse Validated(std::vector<Issue> issues) {
  const bool is_good = issues.empty();
  if (is_good) issues = {{"informational", "No fault was found.", ""}};
  return FhirResponse(200, OperationOutcome(issues, is_good));
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

// http://hl7.org/fhir/R4/resource-operation-validate.html: 200 whatever is found, and nothing stored. `mode` says what for: a create, an update or a
// deletion; without it a resource is judged by itself.
rpc::HttpResponse FhirService::Validate(const FhirCall& call) const {
  Parameters given = call.request.Parameters();
  Json body;
  if (!call.request.body.empty()) {
    auto read = ReadBody(call);
    if (const auto* refusal = std::get_if<exchange::Refusal>(&read)) return FhirResponse(*refusal);
    body = std::get<Json>(std::move(read));
  }
  const Json* resource = &body;
  if (body.TextOf("resourceType") == "Parameters" && call.type() != "Parameters") {
    for (auto& parameter : PrimitivesOf(body)) given.push_back(std::move(parameter));
    resource = nullptr;
    for (const Json& parameter : body["parameter"].items()) {
      if (parameter.TextOf("name") == "resource") resource = &parameter["resource"];
    }
  }
  std::string mode;
  for (const auto& [name, value] : given) {
    if (name == "profile" || (name == "mode" && value == "profile")) return FhirResponse(Refuse(422, "not-supported", std::string(kNoProfiles)));
    if (name != "mode") continue;
    if (value != "create" && value != "update" && value != "delete") return FhirResponse(Refuse(400, "value", "mode must be create, update or delete."));
    mode = value;
  }
  if (mode == "delete") return ValidateDeletion(call);
  if (resource == nullptr || resource->is_null()) {
    return FhirResponse(Refuse(400, "required", "The body, or the parameter 'resource' in it, must be what to validate.",
                               "Parameters.parameter.where(name='resource').resource"));
  }
  std::vector<Issue> issues;
  if (resource->TextOf("resourceType") != call.type()) {
    issues = {{"invariant", absl::StrCat("The resource must have resourceType ", call.type(), "."), call.type() + ".resourceType"}};
    return Validated(std::move(issues));
  }
  issues = ValidateResource(*resource, call.type());
  const std::string& id = resource->TextOf("id");
  const bool is_known = call.segments.size() == 3;
  if (mode == "update" && (is_known ? id != call.id() : id.empty())) {
    issues.push_back({"invariant", is_known ? "The resource's id must be the id in the URL." : "What is updated has an id.", call.type() + ".id"});
  }
  return Validated(std::move(issues));
}

// Whether Delete() would do it.
rpc::HttpResponse FhirService::ValidateDeletion(const FhirCall& call) const {
  if (call.segments.size() != 3) return FhirResponse(Refuse(400, "required", "mode=delete goes with [type]/[id]/$validate."));
  const auto record = parts_.sealer.RecordIdOf(call.partition->tenant.id, call.type(), call.id());
  if (!record.ok()) return FhirResponse(RefusalOf(record.status()));
  const RecordStore store(*call.partition->database);
  const auto heads = store.Heads({*record});
  if (!heads.ok()) return FhirResponse(RefusalOf(heads.status()));
  const auto head = heads->find(*record);
  if (head == heads->end() || head->second.deleted) return Validated({{"not-found", "There is no such resource.", ""}});
  if (call.type() == "Patient") {
    const auto live = store.LiveOfPatient(head->second.patient);
    if (!live.ok()) return FhirResponse(RefusalOf(live.status()));
    if (live->size() > 1) return Validated({{"conflict", "The Patient has other resources: delete these first, or all in one transaction.", "Patient"}});
  }
  return Validated({});
}

}  // namespace custodian::exchange

// Alerts of corrections over FHIR: Communication/$corrections lists those that wait, Communication/[id]/$acknowledge closes one.
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/exchange/fhir_bundle.h"
#include "services/exchange/fhir_service.h"
#include "services/exchange/fhir_validator.h"

namespace custodian::exchange {
namespace {

rpc::HttpResponse Shown(const absl::StatusOr<OpenedRecord>& alert) {
  if (absl::IsNotFound(alert.status())) return FhirResponse(Refuse(404, "not-found", "There is no alert with this id; Communication/$corrections lists them."));
  if (!alert.ok()) return FhirResponse(RefusalOf(alert.status()));
  const auto resource = WithMeta(*alert);
  if (!resource.ok()) return FhirResponse(RefusalOf(resource.status()));
  rpc::HttpResponse response = FhirResponse(200, resource->Text());
  response.headers.emplace_back("ETag", EntityTag(alert->version));
  return response;
}

}  // namespace

rpc::HttpResponse FhirService::OpenCorrections(const FhirCall& call) const {
  const auto alerts = corrections_.Open(*call.partition);
  if (!alerts.ok()) return FhirResponse(RefusalOf(alerts.status()));
  std::vector<Json> entries;
  for (const OpenedRecord& alert : *alerts) {
    auto resource = WithMeta(alert);
    if (!resource.ok()) return FhirResponse(RefusalOf(resource.status()));
    entries.push_back(SearchEntry(absl::StrCat(call.base_url, "/Communication/", alert.id), *std::move(resource), "match"));
  }
  return FhirResponse(200, BundleOf("searchset", entries.size(), {Link("self", call.base_url + "/Communication/$corrections")}, std::move(entries)).Text());
}

rpc::HttpResponse FhirService::AcknowledgeCorrection(const FhirCall& call) const {
  std::string note;
  if (!call.request.body.empty()) {
    const auto body = ReadBody(call);
    if (const auto* refusal = std::get_if<exchange::Refusal>(&body)) return FhirResponse(*refusal);
    const auto& parameters = std::get<Json>(body);
    const bool is_parameters = parameters.TextOf("resourceType") == "Parameters";
    if (auto issues = ValidateResource(parameters, "Parameters"); is_parameters && !issues.empty()) return FhirResponse(exchange::Refusal{400, std::move(issues)});
    for (const Json& parameter : parameters["parameter"].items())
      if (parameter.TextOf("name") == "note") note = parameter.TextOf("valueString");
    if (!is_parameters || note.size() > Corrections::kNoteBytesMax) {
      return FhirResponse(Refuse(400, "value", absl::StrCat("The body is empty, or a Parameters whose 'note' is a valueString of at most ",
                                                            Corrections::kNoteBytesMax, " bytes."),
                                 "Parameters"));
    }
  }
  return Shown(corrections_.Acknowledge(*call.partition, call.id(), call.client.spiffe_id, note));
}

}  // namespace custodian::exchange

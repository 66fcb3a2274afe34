// What another tenant's client gets: one resource at a time, by consent, each read recorded first; of everything else one answer.
#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "services/exchange/fhir_bundle.h"
#include "services/exchange/fhir_service.h"
#include "services/exchange/provenance.h"
#include "services/exchange/redisclosure.h"

namespace custodian::exchange {
namespace {

constexpr std::size_t kEmergencyTextMin = 3;
constexpr std::size_t kEmergencyTextMax = 500;
// What other tenants' clinicians may ask for.
constexpr std::string_view kSharedTypes[] = {"DiagnosticReport", "ImagingStudy", "Observation"};

bool IsShared(std::string_view type) { return std::find(std::begin(kSharedTypes), std::end(kSharedTypes), type) != std::end(kSharedTypes); }

// Why another tenant's client gets nothing. A damaged record is ours to know (the log says it), not theirs.
rpc::HttpResponse OtherFailure(const absl::Status& status) {
  if (absl::IsNotFound(status)) return NotFoundForOthers();
  const Refusal refusal = RefusalOf(status);
  return absl::IsDataLoss(status) ? NotFoundForOthers() : FhirResponse(refusal);
}

// What a reader gets: the record, with the labels that it has at the source, and the notice that the law wants with it.
absl::StatusOr<Json> LabelledCopy(const FhirDisclosure::Disclosed& disclosed) {
  auto resource = WithMeta(disclosed.record);
  if (!resource.ok()) return resource;
  AddLabels(disclosed.labels, *resource);
  AddNoticeToCopy(disclosed.notice, *resource);
  return resource;
}

// The headers Custodian-Recipient and Custodian-Emergency, together or not at all, judged before anything is looked up.
Answer<std::optional<Emergency>> ReadEmergency(const rpc::HttpRequest& request, const tenants::Client& client) {
  const auto recipient = request.Header("custodian-recipient"), nature = request.Header("custodian-emergency");
  if (!recipient && !nature) return std::optional<Emergency>();
  if (!FhirDisclosure::IsForEmergencies(client))
    return Refuse(403, "forbidden", "This client is registered for another purpose; an emergency needs one of purpose BTG or ETREAT.");
  for (const auto& [name, value] : {std::pair("Custodian-Recipient", recipient), {"Custodian-Emergency", nature}}) {
    const absl::string_view text = absl::StripAsciiWhitespace(absl::string_view(value.value_or("").data(), value.value_or("").size()));
    const bool readable = Json::Parse(Json::String(std::string(text)).Text()).ok();
    if (text.size() < kEmergencyTextMin || text.size() > kEmergencyTextMax || !readable)
      return Refuse(400, "required",
                    absl::StrCat("In an emergency, Custodian-Recipient names the clinician and Custodian-Emergency the nature of the emergency; ", name,
                                 " must have ", kEmergencyTextMin, " to ", kEmergencyTextMax, " characters of UTF-8."));
  }
  return std::optional<Emergency>({std::string(*recipient), std::string(*nature)});
}

}  // namespace

rpc::HttpResponse FhirService::OwnDisclosure(const FhirCall& call) const {
  const auto provenance = call.type() == "AuditEvent" ? disclosure_.AuditOf(*call.partition, call.id(), options_.receipt_wait)
                                                      : disclosure_.ProvenanceOf(*call.partition, nullptr, call.id(), options_.receipt_wait);
  if (absl::IsNotFound(provenance.status())) return FhirResponse(Refuse(404, "not-found", "There is no such resource."));
  if (!provenance.ok()) return FhirResponse(RefusalOf(provenance.status()));
  return FhirResponse(200, provenance->Text());
}

rpc::HttpResponse FhirService::HandleOther(const FhirCall& call) const {
  if (call.request.method != "GET") {
    return FhirResponse(Refuse(403, "forbidden", "Clients of other tenants read; they write to their own tenant's URL."));
  }
  if (call.segments.size() == 2 && call.type() == "Provenance" && call.id().starts_with(kDisclosurePrefix)) {
    const auto provenance = disclosure_.ProvenanceOf(*call.partition, &call.client, call.id(), options_.receipt_wait);
    return provenance.ok() ? FhirResponse(200, provenance->Text()) : OtherFailure(provenance.status());
  }
  if (call.segments.empty() || !IsShared(call.type())) return NotFoundForOthers();
  if (call.segments.size() == 1) return SearchOther(call);
  if (call.segments.size() == 2 && IsFhirId(call.id())) return ReadOther(call);
  return NotFoundForOthers();
}

rpc::HttpResponse FhirService::ReadOther(const FhirCall& call) const {
  const auto emergency = ReadEmergency(call.request, call.client);
  if (const auto* refusal = std::get_if<exchange::Refusal>(&emergency)) return FhirResponse(*refusal);
  const auto disclosed = disclosure_.Disclose(*call.partition, call.client, call.type(), call.id(), std::get<0>(emergency));
  if (!disclosed.ok()) return OtherFailure(disclosed.status());
  const auto resource = LabelledCopy(*disclosed);
  if (!resource.ok()) return FhirResponse(RefusalOf(resource.status()));
  rpc::HttpResponse response = FhirResponse(200, resource->Text());
  AddVersionHeaders(response, disclosed->record.version, disclosed->record.arrived);
  response.headers.emplace_back("Link", absl::StrCat("<", call.base_url, "/Provenance/", disclosed->provenance_id, ">; rel=\"provenance\""));
  return response;
}

rpc::HttpResponse FhirService::SearchOther(const FhirCall& call) const {
  const auto parsed = ParseSearch(call.type(), call.request.Parameters(), /*lenient=*/false);
  const auto* search = std::get_if<SearchRequest>(&parsed);
  // One resource by its id, with nothing but its Provenance beside it; anything wider could be used to look around.
  const auto is_provenance = [](const Inclusion& inclusion) {
    return inclusion.source == "Provenance" && inclusion.parameter != nullptr && inclusion.parameter->name == "target";
  };
  if (search == nullptr || search->criteria.size() != 1 || search->Values("_id").size() != 1 || !search->includes.empty() || !search->cursor.empty() ||
      !std::all_of(search->reverse_includes.begin(), search->reverse_includes.end(), is_provenance)) {
    return NotFoundForOthers();
  }
  const auto emergency = ReadEmergency(call.request, call.client);
  if (const auto* refusal = std::get_if<exchange::Refusal>(&emergency)) return FhirResponse(*refusal);
  const auto disclosed = disclosure_.Disclose(*call.partition, call.client, call.type(), search->Values("_id").front(), std::get<0>(emergency));
  if (!disclosed.ok()) return OtherFailure(disclosed.status());
  auto resource = LabelledCopy(*disclosed);
  if (!resource.ok()) return FhirResponse(RefusalOf(resource.status()));
  ApplyView(search->view, *resource);
  std::vector<Json> entries;
  entries.push_back(SearchEntry(absl::StrCat(call.base_url, "/", call.type(), "/", disclosed->record.id), *std::move(resource), "match"));
  if (!search->reverse_includes.empty()) {
    auto provenance = disclosure_.ProvenanceOf(*call.partition, &call.client, disclosed->provenance_id, options_.receipt_wait);
    if (!provenance.ok()) return FhirResponse(RefusalOf(provenance.status()));
    entries.push_back(
        SearchEntry(absl::StrCat(call.base_url, "/Provenance/", disclosed->provenance_id), *std::move(provenance), "include"));
  }
  const std::string self = absl::StrCat(call.base_url, "/", call.type(), "?", QueryText(search->used));
  return FhirResponse(200, BundleOf("searchset", 1, {Link("self", self)}, std::move(entries)).Text());
}

}  // namespace custodian::exchange

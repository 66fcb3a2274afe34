#include "services/exchange/cds_fetch.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/exchange/fhir_json.h"

namespace custodian::exchange {
namespace {

constexpr std::size_t kAnswerBytesMax = 1u << 20;
// More conditions than that are another page, which counts as not known.
constexpr char kConditionsMax[] = "200";

std::string_view WithoutSlash(std::string_view url) {
  while (url.ends_with('/')) url.remove_suffix(1);
  return url;
}

bool IsRegistered(const std::vector<std::string>& fhir_servers, std::string_view url) {
  return !url.empty() && std::any_of(fhir_servers.begin(), fhir_servers.end(),
                                     [url](const std::string& known) { return WithoutSlash(known) == WithoutSlash(url); });
}

// Of that type, and for the patient the one that is meant.
bool IsUsable(const Json& resource, std::string_view type, std::string_view id) {
  return resource.TextOf("resourceType") == type && (id.empty() || resource.TextOf("id") == id);
}

// What may be missing, and where it is asked for.
struct Part {
  const char* key;
  const char* type;
  // Empty: it cannot be asked for.
  std::string target;
  std::string_view id;
};

// Those of patient, encounter and conditions that were not sent.
std::vector<Part> Missing(const CheckRequest& request) {
  const std::string patient = rpc::PercentEncode(request.patient_id);
  std::vector<Part> missing = {
      {"patient", "Patient", "Patient/" + patient, request.patient_id},
      {"encounter", "Encounter", request.encounter_id.empty() ? "" : "Encounter/" + rpc::PercentEncode(request.encounter_id), request.encounter_id},
      {"conditions", "Bundle", absl::StrCat("Condition?patient=", patient, "&_count=", kConditionsMax), ""}};
  std::erase_if(missing, [&request](const Part& part) { return IsUsable(request.prefetch[part.key], part.type, part.id); });
  return missing;
}

bool MayAsk(const CheckRequest& request, const std::vector<std::string>& fhir_servers) {
  return !request.access_token.empty() && IsRegistered(fhir_servers, request.fhir_server);
}

bool LacksPatient(const CheckRequest& request) { return !IsUsable(request.prefetch["patient"], "Patient", request.patient_id); }

}  // namespace

bool NeedsFetch(const CheckRequest& request, const std::vector<std::string>& fhir_servers) {
  return LacksPatient(request) || (MayAsk(request, fhir_servers) && !Missing(request).empty());
}


absl::Status FillPrefetch(CheckRequest& request, const std::vector<std::string>& fhir_servers, const FetchUrl& fetch, absl::Time deadline) {
  const bool may_ask = fetch && MayAsk(request, fhir_servers);
  for (const Part& part : may_ask ? Missing(request) : std::vector<Part>()) {
    const absl::Duration left = deadline - absl::Now();
    if (part.target.empty() || left <= absl::ZeroDuration()) continue;
    const auto response = fetch(left, absl::StrCat(std::string(WithoutSlash(request.fhir_server)), "/", part.target),
                                {{"Authorization", "Bearer " + request.access_token}, {"Accept", "application/fhir+json"}});
    if (!response.ok() || response->status != 200) continue;
    auto resource = Json::Parse(response->body, {.bytes_max = kAnswerBytesMax, .depth_max = 64});
    if (resource.ok() && IsUsable(*resource, part.type, part.id)) request.prefetch.Set(part.key, *std::move(resource));
  }
  if (!LacksPatient(request)) return absl::OkStatus();
  if (may_ask) return absl::FailedPreconditionError("the Patient is not in prefetch, and fhirServer did not give it; check fhirAuthorization's scopes");
  if (!request.fhir_server.empty() && !request.access_token.empty())
    return absl::FailedPreconditionError(
        "the Patient is not in prefetch, and this fhirServer is not registered for the tenant (custodian tenant client add ehr --role cds "
        "--fhir-server)");
  return absl::FailedPreconditionError("send the Patient in prefetch.patient, or fhirServer with fhirAuthorization");
}

}  // namespace custodian::exchange

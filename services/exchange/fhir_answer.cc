#include "services/exchange/fhir_answer.h"

#include "absl/strings/str_cat.h"
#include "services/exchange/fhir_time.h"
#include "spdlog/spdlog.h"

namespace custodian::exchange {

Refusal RefusalOf(const absl::Status& status) {
  spdlog::error("event=fhir_failed code={} reason=\"{}\"", absl::StatusCodeToString(status.code()), std::string(status.message()));
  switch (status.code()) {
    case absl::StatusCode::kDataLoss:
      return Refuse(500, "exception", "A stored record failed its integrity check and is not shown. The custodian has been alarmed.");
    case absl::StatusCode::kResourceExhausted:
      return Refuse(503, "throttled", "Too much is being written at this moment. Send it again after the time in Retry-After.");
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
      return Refuse(503, "transient", "The service cannot answer now. Send it again after the time in Retry-After.");
    case absl::StatusCode::kUnknown:
      return Refuse(500, "transient", "Whether this was stored is not known. Send it again with the same Idempotency-Key to learn it.");
    case absl::StatusCode::kAborted:
      return Refuse(409, "conflict", "Others changed the same resources at the same time. Send it again.");
    default:
      return Refuse(500, "exception", "The service failed. The custodian has been alarmed.");
  }
}

rpc::HttpResponse FhirResponse(int status, std::string body) {
  return {status, {{"Content-Type", "application/fhir+json; charset=utf-8"}, {"Cache-Control", "no-store"}}, std::move(body)};
}

rpc::HttpResponse FhirResponse(const Refusal& refusal) {
  rpc::HttpResponse response = FhirResponse(refusal.status, OperationOutcome(refusal.issues));
  if (refusal.status == 503 || refusal.status == 429) response.headers.emplace_back("Retry-After", "1");
  return response;
}

rpc::HttpResponse NotFoundForOthers() {
  return FhirResponse(Refuse(404, "not-found", "There is no such resource, or it may not be read."));
}

std::string HttpDate(absl::Time time) { return absl::FormatTime("%a, %d %b %Y %H:%M:%S GMT", time, absl::UTCTimeZone()); }

std::string EntityTag(std::uint64_t version) { return absl::StrCat("W/\"", version, "\""); }

absl::StatusOr<Json> WithMeta(const OpenedRecord& record) {
  const auto stored = ResourceOf(record);
  if (stored == nullptr) return absl::DataLossError("a stored record holds no JSON");
  Json resource = *stored;
  Json meta = resource["meta"];
  meta.Set("versionId", Json::String(absl::StrCat(record.version)));
  meta.Set("lastUpdated", Json::String(FormatInstant(record.arrived)));
  resource.Set("meta", std::move(meta));
  return resource;
}

}  // namespace custodian::exchange

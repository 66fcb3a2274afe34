// How the FHIR interface answers: OperationOutcomes, their HTTP status, headers. Pure; safe from any thread.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_FHIR_ANSWER_H_
#define CUSTODIAN_SERVICES_EXCHANGE_FHIR_ANSWER_H_

#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/exchange/fhir_json.h"
#include "services/exchange/patient_records.h"
#include "services/rpc/http.h"

namespace custodian::exchange {

// Why an interaction is not done; nothing was changed.
struct Refusal {
  int status = 400;
  std::vector<Issue> issues;
};
template <typename T>
using Answer = std::variant<T, Refusal>;

[[nodiscard]] inline Refusal Refuse(int status, std::string code, std::string diagnostics, std::string expression = "") {
  return Refusal{status, {Issue{std::move(code), std::move(diagnostics), std::move(expression)}}};
}
// What a failure of ours looks like outside: never its inner message, but a retry where one helps. The message is logged.
[[nodiscard]] Refusal RefusalOf(const absl::Status& status);

[[nodiscard]] rpc::HttpResponse FhirResponse(int status, std::string body);
[[nodiscard]] rpc::HttpResponse FhirResponse(const Refusal& refusal);
// The one answer to whatever another tenant may not read, does not exist, or is not certainly the same person.
[[nodiscard]] rpc::HttpResponse NotFoundForOthers();

// "Sun, 01 Mar 2026 00:00:00 GMT" (RFC 9110, section 5.6.7).
[[nodiscard]] std::string HttpDate(absl::Time time);
// W/"3".
[[nodiscard]] std::string EntityTag(std::uint64_t version);

// The record's JSON with meta.versionId and meta.lastUpdated set and the rest of meta as it was.
[[nodiscard]] absl::StatusOr<Json> WithMeta(const OpenedRecord& record);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_FHIR_ANSWER_H_

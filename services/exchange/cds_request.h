// The bodies of CDS Hooks calls, read and checked: order checks (order-select, order-sign) and feedback. CDS Hooks 2.0's wire
// format, fields of 3.0 and extensions are passed over. Pure. Source: https://cds-hooks.hl7.org/2.0/, "Calling a CDS Service",
// "Feedback".
#ifndef CUSTODIAN_SERVICES_EXCHANGE_CDS_REQUEST_H_
#define CUSTODIAN_SERVICES_EXCHANGE_CDS_REQUEST_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/exchange/fhir_json.h"

namespace custodian::exchange {

// A ServiceRequest among the draft orders.
struct DraftOrder {
  // T4's order, "system|value": the identifier of type PLAC, else the first identifier, else "|<id>".
  std::string order;
  // Empty when the draft has none: then there is nothing a suggestion could delete.
  std::string id;
  Json resource;
};

struct CheckRequest {
  // "order-select" or "order-sign".
  std::string hook;
  std::string hook_instance;
  std::string user_id;
  // Without "Patient/".
  std::string patient_id;
  // context.encounterId without "Encounter/"; empty when there is none.
  std::string encounter_id;
  // Where the client's records are, and the token that opens them; empty when it sent none.
  std::string fhir_server;
  std::string access_token;
  // Of order-select only those selected.
  std::vector<DraftOrder> orders;
  // Why others were passed over, at most kOrdersMax: each names the field and what it must be.
  std::vector<std::string> passed_over;
  // Null when the client sent none.
  Json prefetch;
  // What makes two calls the same: hook, hookInstance and context, without whitespace.
  std::string content;
};

inline constexpr std::size_t kOrdersMax = 20;

// InvalidArgument names the field and what it must be, never its value. A draft order that cannot be read is passed over, and refused only where no
// other is left.
[[nodiscard]] absl::StatusOr<CheckRequest> ParseCheckRequest(std::string_view body);

// T4's order of a ServiceRequest, as in DraftOrder; empty when it has neither identifier nor id.
[[nodiscard]] std::string OrderName(const Json& service_request);

// One item of `feedback`.
struct FeedbackItem {
  // 16 bytes; empty when the text is no UUID, which no card of ours has.
  std::string card_id;
  bool accepted = false;
  std::vector<std::string> suggestions;
  // outcomeTimestamp; without a fraction it stands for its whole second: [from, to).
  absl::Time from;
  absl::Time to;
  // overrideReason, as it came; null without.
  Json reason;
};

inline constexpr std::size_t kFeedbackMax = 20;

[[nodiscard]] absl::StatusOr<std::vector<FeedbackItem>> ParseFeedback(std::string_view body);

// "4e0a3a1e-3283-4575-ab82-028d55fe2719" and its 16 bytes.
[[nodiscard]] std::string UuidText(std::string_view bytes);
[[nodiscard]] std::optional<std::string> UuidBytes(std::string_view text);
// 16 bytes as a UUID's, version 4 (RFC 9562), from any 16 bytes.
[[nodiscard]] std::string AsUuid(std::string_view bytes);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_CDS_REQUEST_H_

// The lines of events.ndjson and the messages made of them. Pure.
#ifndef CUSTODIAN_SERVICES_SAMPLE_REPLAY_EVENT_H_
#define CUSTODIAN_SERVICES_SAMPLE_REPLAY_EVENT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/sample/journal.h"

namespace custodian::sample {

struct ReplayEvent {
  std::int64_t sequence = 0;
  absl::Time time;
  std::string tenant;
  // "fhir", "order", "feedback", "watermark", "gap".
  std::string type;
  std::string idempotency_key;
  // fhir.
  std::string method, path, body;
  // order: "system|value", and the CDS Hooks request.
  std::string order;
  // feedback.
  std::int64_t order_sequence = 0;
  bool accepted = false;
  // Refusing it is right, too.
  bool doubtful = false;
  // "shown" or an id.
  std::string card, suggestion;
  std::string outcome_timestamp;
  int override_reason = -1;
  // watermark; gap.
  absl::Time through, from, to;
};

// InvalidArgument naming the member.
[[nodiscard]] absl::StatusOr<ReplayEvent> ParseReplayEvent(std::string_view line);
// Cards of an answer to order-select or order-sign (CDS Hooks 2.0, "CDS Service Response"); InvalidArgument for anything else.
[[nodiscard]] absl::StatusOr<std::vector<ShownCard>> ParseCards(std::string_view body);
// Feedback on what was shown; nothing when there is no such card or suggestion to answer.
[[nodiscard]] std::optional<std::string> FeedbackBody(const ReplayEvent& event, const std::vector<ShownCard>& shown);

}  // namespace custodian::sample

#endif  // CUSTODIAN_SERVICES_SAMPLE_REPLAY_EVENT_H_

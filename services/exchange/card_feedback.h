// Feedback on cards (CDS Hooks 2.0, "Feedback"; SAVINGS T5): the first outcome of a card binds, a later override of an accepted
// card withdraws it, duplicates and forgeries change nothing. Each recorded outcome is one Write: CARD_ACCEPTED or
// CARD_OVERRIDDEN, the outcome, the savings fact and what must follow it. Thread-safe.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_CARD_FEEDBACK_H_
#define CUSTODIAN_SERVICES_EXCHANGE_CARD_FEEDBACK_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/exchange/cds_request.h"
#include "services/exchange/order_check.h"

namespace custodian::exchange {

// T5, decided purely.
struct FeedbackQuestion {
  // Network time at which the card was shown, and at which this feedback arrived.
  absl::Time shown;
  absl::Time received;
  // Of the card; empty for one that only informed.
  std::string suggestion;
  // What bound before, if anything: whether an acceptance, and its time. `withdrawn` when an override followed.
  struct Bound {
    bool accepted = false;
    absl::Time t;
    bool withdrawn = false;
  };
  std::optional<Bound> bound;
};
struct FeedbackVerdict {
  // 1 what binds, 2 a withdrawal, 0 nothing changes.
  int ordinal = 0;
  absl::Time t;
};
// InvalidArgument when it is refused: before the card was shown, or accepted without a suggestion of that card.
[[nodiscard]] absl::StatusOr<FeedbackVerdict> JudgeFeedback(const FeedbackItem& item, const FeedbackQuestion& question);

class CardFeedback {
 public:
  explicit CardFeedback(const ExchangeParts& parts) : parts_(parts) {}

  // All items are checked before the first is recorded. NotFound for a card that is not this tenant's, the same as for none at
  // all; InvalidArgument as above; Unauthenticated for a token used before. After any other error the feedback may be sent again.
  [[nodiscard]] absl::Status Record(const CdsCall& call, const std::vector<FeedbackItem>& items) const;

 private:
  class Card;
  const ExchangeParts& parts_;
};

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_CARD_FEEDBACK_H_

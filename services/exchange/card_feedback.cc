#include "services/exchange/card_feedback.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/exchange/card.h"
#include "services/exchange/card_store.h"
#include "services/exchange/detail.h"
#include "services/exchange/fact.h"
#include "services/exchange/fhir_time.h"
#include "spdlog/spdlog.h"
#include "tenants/outbox.h"

namespace custodian::exchange {
namespace {

using ledger::v1::Entry;

constexpr std::string_view kPurpose = "card-feedback";
constexpr std::size_t kDetailBytes = 1'024;
// Others may record an outcome of the same card in between; each time it is judged anew.
constexpr int kAttempts = 3;

Json Text(std::string_view text) { return Json::String(std::string(text)); }
std::string HashText(const ledger::Hash& hash) { return std::string(ledger::AsBytes(hash)); }

}  // namespace

absl::StatusOr<FeedbackVerdict> JudgeFeedback(const FeedbackItem& item, const FeedbackQuestion& question) {
  if (item.to <= question.shown) return absl::InvalidArgumentError("outcomeTimestamp lies before the card was shown");
  if (item.accepted) {
    const bool known = !question.suggestion.empty() && !item.suggestions.empty() &&
                       std::all_of(item.suggestions.begin(), item.suggestions.end(),
                                   [&](const std::string& suggestion) { return suggestion == question.suggestion; });
    if (!known) return absl::InvalidArgumentError("acceptedSuggestions must name a suggestion of that card");
  }
  const absl::Time t = std::min(std::max(item.from, question.shown), question.received);
  if (!question.bound) return FeedbackVerdict{1, t};
  const bool withdraws = !item.accepted && question.bound->accepted && !question.bound->withdrawn && t >= question.bound->t;
  return FeedbackVerdict{withdraws ? 2 : 0, t};
}

// One card of the caller's tenant, opened.
class CardFeedback::Card {
 public:
  Card(const ExchangeParts& parts, const CdsCall& call, const FeedbackItem& item)
      : parts_(parts), call_(call), item_(item), tenant_(call.partition->tenant.id), store_(*call.partition->database) {}

  absl::Status Load() {
    auto card = store_.FindCard(item_.card_id);
    if (!card.ok()) return card.status();
    if (!card->has_value()) return absl::NotFoundError("no such card");
    patient_ = (*card)->patient;
    question_.shown = (*card)->shown;
    const auto opened = Open(1, (*card)->sealed);
    if (!opened.ok()) return opened.status();
    kept_ = *opened;
    question_.suggestion = kept_.TextOf("suggestion");
    return LoadOutcomes();
  }

  // Nothing when the feedback changes nothing.
  absl::StatusOr<std::optional<tenants::Write>> Plan(absl::Time received, bool remember_token) {
    question_.received = received;
    const auto verdict = JudgeFeedback(item_, question_);
    if (!verdict.ok()) return verdict.status();
    if (verdict->ordinal == 0) return std::optional<tenants::Write>();
    tenants::Write write;
    const std::string outcome = item_.accepted ? "accepted" : "overridden";
    const std::string what = absl::StrCat(item_.card_id, "\n", outcome);
    auto key = parts_.sealer.IndexToken(tenant_, "feedback\n" + what);
    if (!key.ok()) return key.status();
    auto digest =
        parts_.sealer.IndexToken(tenant_, absl::StrCat("feedback-request\n", what, "\n", absl::ToUnixMillis(verdict->t)));
    if (!digest.ok()) return digest.status();
    write.idempotency_key = *std::move(key);
    write.request_digest = *std::move(digest);
    if (absl::Status status = AddRows(*verdict, write); !status.ok()) return status;
    if (remember_token) write.rows.push_back(JtiRow(call_.token.jti_sha256, call_.token.expires));
    return std::optional(std::move(write));
  }

 private:
  // Version 1 is the card, 2 and 3 its outcomes.
  [[nodiscard]] keys::SealName Name(std::uint64_t version) const { return {tenant_, patient_, item_.card_id, version}; }

  absl::StatusOr<Json> Open(std::uint64_t version, const std::string& sealed) const {
    const auto text = parts_.sealer.Open(Name(version), sealed, kPurpose);
    if (!text.ok()) return text.status();
    auto json = Json::Parse(*text);
    if (!json.ok()) return absl::DataLossError("a card holds no JSON");
    return json;
  }

  absl::Status LoadOutcomes() {
    const auto outcomes = store_.Outcomes(item_.card_id);
    if (!outcomes.ok()) return outcomes.status();
    question_.bound.reset();
    for (const StoredOutcome& outcome : *outcomes) {
      if (outcome.ordinal == 2) {
        if (question_.bound) question_.bound->withdrawn = true;
        continue;
      }
      const auto opened = Open(static_cast<std::uint64_t>(outcome.ordinal) + 1, outcome.sealed);
      if (!opened.ok()) return opened.status();
      std::int64_t t_ms = 0;
      if (!absl::SimpleAtoi(opened->TextOf("t_ms"), &t_ms)) return absl::DataLossError("a card's outcome has no time");
      question_.bound = FeedbackQuestion::Bound{outcome.accepted, absl::FromUnixMillis(t_ms), false};
    }
    return absl::OkStatus();
  }

  absl::Status AddRows(const FeedbackVerdict& verdict, tenants::Write& write) {
    const std::string uuid = UuidText(item_.card_id);
    const std::string& order = kept_.TextOf("order");
    Entry entry;
    entry.set_kind(item_.accepted ? ledger::v1::KIND_CARD_ACCEPTED : ledger::v1::KIND_CARD_OVERRIDDEN);
    entry.set_reported(true);

    const Json outcome =
        Json::Object({{"hl7_reason", Text(Hl7ReasonOf(item_.reason))}, {"reason", item_.reason}, {"t_ms", Json::Integer(absl::ToUnixMillis(verdict.t))}});
    auto sealed = parts_.sealer.Seal(Name(static_cast<std::uint64_t>(verdict.ordinal) + 1), outcome.Text(), kPurpose);
    if (!sealed.ok()) return sealed.status();
    entry.add_record_sha256(HashText(sealed->sha256));
    write.rows.push_back(OutcomeRow(item_.card_id, verdict.ordinal, item_.accepted, std::move(sealed->ciphertext), 0));

    if (item_.accepted || verdict.ordinal == 2) {
      const Fact fact{item_.accepted ? Fact::Kind::kAcceptance : Fact::Kind::kWithdrawal,
                      uuid,
                      order,
                      kept_.TextOf("class_id"),
                      kept_.TextOf("modality"),
                      kept_.TextOf("laterality"),
                      kept_.TextOf("source_tenant"),
                      kept_.TextOf("resource"),
                      verdict.t,
                      kept_.TextOf("avoidance_id")};
      const std::string fact_id = RandomBytes(16);
      auto sealed_fact = parts_.sealer.Seal({tenant_, patient_, fact_id, 1}, SerializeFact(fact), kPurpose);
      if (!sealed_fact.ok()) return sealed_fact.status();
      entry.add_record_sha256(HashText(sealed_fact->sha256));
      write.rows.push_back(
          tenants::Row{&kFactTable,
                       {tenants::Bytes{fact_id}, tenants::Bytes{patient_.bytes()},
                        tenants::Bytes{std::move(sealed_fact->ciphertext)}, tenants::CommitTime{}, tenants::IndexOf{0}},
                       0});
      write.rows.push_back(tenants::OutboxRow("savings", patient_));
    }

    const Json detail = Json::Object({{"body_sha256", Text(HexEncode(call_.body_sha256))},
                                      {"card", Text(uuid)},
                                      {"order", Text(order)},
                                      {"t", Text(FormatInstant(verdict.t))},
                                      {"token_sha256", Text(HexEncode(call_.token.token_sha256))},
                                      {"withdrawal", Json::Bool(verdict.ordinal == 2)}});
    if (absl::Status status = SetDetail(parts_.sealer, tenant_, patient_, detail.Text(), kDetailBytes, entry); !status.ok())
      return status;
    write.entries.push_back(std::move(entry));

    auto order_key = parts_.sealer.IndexToken(tenant_, absl::StrCat("order\n", order));
    if (!order_key.ok()) return order_key.status();
    write.rows.push_back(OrderStateRow(*std::move(order_key), item_.accepted ? OrderState::kAccepted : OrderState::kOverridden, 0));
    return absl::OkStatus();
  }

  const ExchangeParts& parts_;
  const CdsCall& call_;
  const FeedbackItem& item_;
  const TenantId& tenant_;
  const CardStore store_;
  PatientId patient_;
  Json kept_;
  FeedbackQuestion question_;
};

absl::Status CardFeedback::Record(const CdsCall& call, const std::vector<FeedbackItem>& items) const {
  const absl::Time received = TruncateToMilliseconds(parts_.network_clock.Now());
  const auto used = CardStore(*call.partition->database).IsJtiUsed(call.token.jti_sha256);
  if (!used.ok()) return used.status();
  if (*used) return absl::UnauthenticatedError("the token was used before (jti)");
  for (const FeedbackItem& item : items) {
    Card card(parts_, call, item);
    if (absl::Status status = card.Load(); !status.ok()) return status;
    if (const auto plan = card.Plan(received, true); !plan.ok()) return plan.status();
  }

  bool token_remembered = false;
  for (const FeedbackItem& item : items) {
    for (int attempt = 1;; ++attempt) {
      Card card(parts_, call, item);
      if (absl::Status status = card.Load(); !status.ok()) return status;
      auto plan = card.Plan(received, !token_remembered);
      if (!plan.ok()) return plan.status();
      if (!plan->has_value()) break;
      const auto admitted = call.partition->writer->Apply(**std::move(plan));
      if (admitted.ok()) {
        token_remembered = token_remembered || !admitted->replayed;
        break;
      }
      if (!absl::IsAlreadyExists(admitted.status()) || attempt == kAttempts) return admitted.status();
    }
  }
  if (!token_remembered) {
    tenants::Write write;
    auto key = parts_.sealer.IndexToken(call.partition->tenant.id, absl::StrCat("jti\n", call.token.jti_sha256));
    if (!key.ok()) return key.status();
    write.idempotency_key = *std::move(key);
    write.request_digest = write.idempotency_key;
    write.rows.push_back(JtiRow(call.token.jti_sha256, call.token.expires));
    if (const auto admitted = call.partition->writer->Apply(std::move(write)); !admitted.ok()) return admitted.status();
  }
  // Of a resend too: the first call may have ended before this. A failure does not undo what is recorded: the rows stay, and the
  // background drain repeats them.
  if (const absl::Status drained = call.partition->outbox->Drain(); !drained.ok())
    spdlog::error("event=outbox_failed tenant={} code={} reason=\"{}\"", call.partition->tenant.id.text(),
                  absl::StatusCodeToString(drained.code()), std::string(drained.message()));
  return absl::OkStatus();
}

}  // namespace custodian::exchange

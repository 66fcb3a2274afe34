#include "services/exchange/order_check.h"

#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "services/exchange/card.h"
#include "services/exchange/card_store.h"
#include "services/exchange/order_attempt.h"

namespace custodian::exchange {
namespace {

// Consent, record or link may change between decision and commit; it is decided anew once.
constexpr int kAttempts = 2;

absl::Status TokenUsed() { return absl::UnauthenticatedError("the token was used before (jti)"); }

// A resend: the first answer, as far as `reshow` lets its cards be shown again. Its token is remembered.
absl::StatusOr<std::string> FirstAnswer(const ExchangeParts& parts, const CdsCall& call, const std::string& check_key,
                                        const std::string& digest, const StoredAnswer& stored,
                                        const std::function<absl::StatusOr<std::string>(const std::string& body)>& reshow) {
  if (stored.digest != digest)
    return absl::InvalidArgumentError("hookInstance was used before with another context; use a new one");
  const TenantId& tenant = call.partition->tenant.id;
  auto body = parts.sealer.Open({tenant, stored.patient, check_key.substr(0, 16), 1}, stored.sealed, kOrderCheckPurpose);
  if (!body.ok()) return body;
  if (*body != kNoCards) body = reshow(*body);
  if (!body.ok()) return body;
  tenants::Write write;
  auto key = parts.sealer.IndexToken(tenant, absl::StrCat("jti\n", call.token.jti_sha256));
  if (!key.ok()) return key.status();
  write.idempotency_key = *std::move(key);
  write.request_digest = write.idempotency_key;
  write.rows.push_back(JtiRow(call.token.jti_sha256, call.token.expires));
  const auto admitted = call.partition->writer->Apply(std::move(write));
  if (absl::IsAlreadyExists(admitted.status())) return TokenUsed();
  if (!admitted.ok()) return admitted.status();
  return body;
}

}  // namespace

absl::StatusOr<std::string> OrderCheck::Run(const CdsCall& call, const CheckRequest& request, const ExamTable& table,
                                            AnswerClaim& claim, const std::function<absl::Status()>& prepare) const {
  const TenantId& tenant = call.partition->tenant.id;
  auto check_key = parts_.sealer.IndexToken(
      tenant, absl::StrCat("check\n", call.token.issuer, "\n", request.hook, "\n", request.hook_instance));
  if (!check_key.ok()) return check_key.status();
  auto digest = parts_.sealer.IndexToken(tenant, absl::StrCat("check-request\n", request.content));
  if (!digest.ok()) return digest.status();
  std::optional<PatientId> patient;
  if (auto found = parts_.records.FindPatient(tenant, request.patient_id); found.ok()) {
    patient = *std::move(found);
  } else if (!absl::IsNotFound(found.status())) {
    return found.status();
  }
  // A resend is noticed when the check is recorded, by its key, and asked for before that only where something would happen outside of this
  // tenant's log: most checks have no card, and are new.
  const auto reshow = [&](const std::string& body) -> absl::StatusOr<std::string> {
    for (int attempt = 1;; ++attempt) {
      OrderAttempt again(parts_, call, request, table, recorded_, *check_key, *digest, patient, claim.charts_until());
      auto shown = again.Reshow(body, claim);
      if (absl::IsFailedPrecondition(shown.status()) && attempt < kAttempts) continue;
      if (shown.ok()) again.NoteRefusals();
      // What changes that fast is not shown.
      return absl::IsFailedPrecondition(shown.status()) ? std::string(kNoCards) : shown;
    }
  };
  const auto first_answer = [&]() -> absl::StatusOr<std::string> {
    const auto known = CardStore(*call.partition->database).FindAnswer(*check_key, call.token.jti_sha256);
    if (!known.ok()) return known.status();
    if (known->jti_used) return TokenUsed();
    if (!known->answer) return absl::NotFoundError("the check is new");
    return FirstAnswer(parts_, call, *check_key, *digest, *known->answer, reshow);
  };
  claim.WaitFor(absl::Now() + charts_);
  bool is_new = false;
  if (prepare) {
    if (auto first = first_answer(); !absl::IsNotFound(first.status())) return first;
    is_new = true;
    if (absl::Status status = prepare(); !status.ok()) return status;
    claim.WaitFor(absl::Now() + charts_);
  }

  for (int attempt = 1;; ++attempt) {
    if (claim.given_up()) return absl::CancelledError("the caller gave up");
    OrderAttempt one(parts_, call, request, table, recorded_, *check_key, *digest, patient, claim.charts_until());
    if (absl::Status status = one.Evaluate(/*judge_person=*/attempt > 1); !status.ok()) return status;
    if (one.has_cards() && !is_new) {
      if (auto first = first_answer(); !absl::IsNotFound(first.status())) return first;
      is_new = true;
    }
    if (absl::Status status = one.Disclose(claim); !status.ok()) {
      if (absl::IsFailedPrecondition(status) && attempt < kAttempts) continue;
      return status;
    }
    auto recorded = one.Record();
    if (!recorded.ok()) return recorded.status();
    // From here on the answer stands: a caller that gives up later finds it by sending the call again.
    if (!claim.Take()) return absl::CancelledError("the caller gave up");
    const auto admitted = call.partition->writer->Apply(std::move(recorded->second));
    if (admitted.ok() && !admitted->replayed) {
      one.NoteRefusals();
      return std::move(recorded->first);
    }
    if (!admitted.ok() && !absl::IsAlreadyExists(admitted.status())) return admitted.status();
    // Another call was first: with the same hookInstance, whose answer is ours too, or with the same token.
    auto first = first_answer();
    return absl::IsNotFound(first.status()) ? TokenUsed() : first;
  }
}

}  // namespace custodian::exchange

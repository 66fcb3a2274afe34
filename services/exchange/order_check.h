// One order check from verified token to recorded answer (DESIGN, section 7; SAVINGS T3, T4): the patient's person, the exams
// of that person at every tenant, the usable prior, consent at its source, DISCLOSURE in the source's log on that very consent,
// then ORDER_CHECKED and CARD_SHOWN with the answer in the requester's log, and only then the answer. A check without a card
// leaves the same rows and an entry of the same size as any other without one. Thread-safe.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_ORDER_CHECK_H_
#define CUSTODIAN_SERVICES_EXCHANGE_ORDER_CHECK_H_

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "services/exchange/cds_request.h"
#include "services/exchange/equivalence.h"
#include "services/exchange/exchange_parts.h"
#include "services/exchange/jwt.h"
#include "tenants/partitions.h"

namespace custodian::exchange {

// Who decides first: the check that begins to record its answer, or the caller that has waited until the deadline (machine's clock).
// Thread-safe.
class AnswerClaim {
 public:
  explicit AnswerClaim(absl::Time deadline = absl::InfiniteFuture()) : deadline_(deadline) {}

  // By the check, just before it records; false when the caller has given up, and then nothing may be recorded any more.
  [[nodiscard]] bool Take() { return absl::Now() < deadline_ && Move(kTaken); }
  // By the caller; false when the answer is being recorded already.
  bool GiveUp() { return Move(kGivenUp); }
  [[nodiscard]] bool given_up() const { return state_ == kGivenUp || absl::Now() >= deadline_; }
  [[nodiscard]] absl::Time deadline() const { return deadline_; }

  // By the check: until when it would have waited for charts, whether there were any or not. No answer without cards may leave before.
  void WaitFor(absl::Time charts_until) { charts_until_ = absl::ToUnixMicros(std::min(charts_until, deadline_)); }
  [[nodiscard]] absl::Time charts_until() const { return absl::FromUnixMicros(charts_until_); }

 private:
  enum State { kOpen, kTaken, kGivenUp };
  bool Move(State to) {
    State expected = kOpen;
    return state_.compare_exchange_strong(expected, to) || expected == to;
  }
  const absl::Time deadline_;
  std::atomic<State> state_ = kOpen;
  std::atomic<std::int64_t> charts_until_ = 0;
};

// A call whose token and body were checked.
struct CdsCall {
  const tenants::Partition* partition = nullptr;
  VerifiedJwt token;
  // SHA-256 (32 bytes) of the body as received: a token does not sign it, so the entry commits to both.
  std::string body_sha256;
};

// Tenants whose pseudo patient's key is known to be on their log. Thread-safe.
class RecordedKeys {
 public:
  [[nodiscard]] bool Contains(const TenantId& tenant) const {
    const absl::MutexLock lock(&mutex_);
    return tenants_.contains(tenant);
  }
  void Add(const TenantId& tenant) {
    const absl::MutexLock lock(&mutex_);
    tenants_.insert(tenant);
  }

 private:
  mutable absl::Mutex mutex_;
  std::set<TenantId> tenants_ ABSL_GUARDED_BY(mutex_);
};

class OrderCheck {
 public:
  // `charts`: how long a check waits for other tenants' charts; what is not open by then is not offered, and kept for the next check.
  explicit OrderCheck(const ExchangeParts& parts, absl::Duration charts = absl::InfiniteDuration()) : parts_(parts), charts_(charts) {}

  // The answer's body. The same (iss, hook, hookInstance) gets the first answer, less what its reader may no longer see, and changes nothing. Unauthenticated for a token
  // used before, InvalidArgument for a hookInstance used before with another context, Cancelled when the caller gave up; any
  // other error is a fault, after which nothing was answered and the same call may be sent again with a new token.
  // `prepare` (may be empty) runs first unless the call was answered before; its error is the answer.
  [[nodiscard]] absl::StatusOr<std::string> Run(const CdsCall& call, const CheckRequest& request, const ExamTable& table,
                                                AnswerClaim& claim, const std::function<absl::Status()>& prepare) const;

 private:
  const ExchangeParts& parts_;
  const absl::Duration charts_;
  mutable RecordedKeys recorded_;
};

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_ORDER_CHECK_H_

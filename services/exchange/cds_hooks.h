// CDS Hooks over HTTPS (2.0): discovery, the service `prior-results` for order-select and order-sign, and its feedback, at
// /cds/<tenant id>/cds-services[/prior-results[/feedback]]. Every call carries a JWT but discovery, which may, and preflights of browsers (CORS). An
// order check answers within its deadline, with no cards when something failed: care is never blocked. Thread-safe; Handle() is called from the HTTPS server's threads.
//
// Answers: 200; 400 a body that cannot be taken, and why; 401 a token that is not believed, and why; 404, 405, 413; 412 when the patient
// was neither sent nor can be fetched, and an order is of a class that the tenant has switched on (cds_fetch.h); 503 with
// Retry-After for discovery and feedback that failed. An order check never answers 5xx: its fault is 200 without cards, as
// when nothing was found; with Retry-After only where it was not begun for want of a share, or keys or databases are away for whomever it is about. Nothing was
// recorded as answered, so the same call with a new token is checked afresh.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_CDS_HOOKS_H_
#define CUSTODIAN_SERVICES_EXCHANGE_CDS_HOOKS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/exchange/card_feedback.h"
#include "services/exchange/card_store.h"
#include "services/exchange/cds_fetch.h"
#include "services/exchange/equivalence.h"
#include "services/exchange/exchange_parts.h"
#include "services/exchange/jwt.h"
#include "services/exchange/order_check.h"
#include "services/rpc/errands.h"
#include "services/rpc/http.h"
#include "services/rpc/shares.h"

namespace custodian::exchange {

class CdsHooks {
 public:
  // What a check takes that has all it needs, amply.
  static constexpr absl::Duration kRecordingTime = absl::Milliseconds(15);
  // The exam table in force for a tenant; null when none was set: then every class is off.
  using ExamTables = std::function<std::shared_ptr<const ExamTable>(const TenantId&)>;

  struct Options {
    // For an order check, from its receipt.
    absl::Duration deadline = absl::Milliseconds(450);
    std::size_t body_bytes_max = 4u << 20;
    // Answers without cards leave at the first multiple of this after the call's receipt that has not passed: whether nothing was found
    // early, or something was found and refused late, shows in no answer's time. The price is that much delay, half of it on average, of
    // calls that show the clinician nothing; a card leaves at once. Zero: without.
    absl::Duration tick = absl::ZeroDuration();
    // How long a check waits for the charts that other tenants keep of the patient: from its receipt, or from when the EHR's own data were fetched. Of one that
    // is not open by then the answer knows nothing, so that a chart that is slow to open does not show in the answer's time, nor hold up what others have; the
    // next check finds it open. Where it is shorter than the tick by kRecordingTime, no answer without cards leaves before so much has passed.
    absl::Duration charts = absl::InfiniteDuration();
    // Asks a registered fhirServer; absent: none is asked.
    FetchUrl fetch{};
    // Checks that wait for a worker; past it the answer is that of a fault.
    std::size_t queue_max = 256;
    // What each client and tenant may have; past it a check is answered as a fault, feedback with 429. Borrowed; absent: without a limit.
    rpc::Shares* shares = nullptr;
  };
  // Borrows the clock and `key_sets`. A token's audience is the parts' public_url and the path. `find_client` and `key_sets`: see JwtVerifier.
  CdsHooks(Options options, ExchangeParts parts, const Clock& machine_clock, ExamTables tables, JwtVerifier::FindClient find_client,
           const KeySets& key_sets);
  ~CdsHooks();
  CdsHooks(const CdsHooks&) = delete;
  CdsHooks& operator=(const CdsHooks&) = delete;

  // Any method and any path below /cds/.
  [[nodiscard]] rpc::HttpResponse Handle(const rpc::HttpRequest& request);
  // As the router's refusal: {"error": text}.
  [[nodiscard]] static rpc::HttpResponse Refusal(int status, std::string_view text);

  // Runs order checks until Stop(): a check that hangs in a database must not hold its caller. Called on as many threads as
  // checks may run at once, started in services/main; with none, checks run on their caller's thread and keep the deadline
  // between steps only.
  void Work() { checks_.Work(); }
  void Stop() { checks_.Stop(); }

  [[nodiscard]] absl::StatusOr<ExchangeCounts> Counts(const TenantId& tenant) const;
  // Order checks that failed or were late since the start: each was an alarm in the log.
  [[nodiscard]] std::uint64_t faults() const { return faults_; }

 private:
  struct Job;
  // As Handle(), without the headers of CORS.
  [[nodiscard]] rpc::HttpResponse AnswerTo(const rpc::HttpRequest& request);
  [[nodiscard]] rpc::HttpResponse Check(CdsCall call, const rpc::HttpRequest& request, absl::Time received);
  // A check's answer, held back when it has no cards.
  [[nodiscard]] rpc::HttpResponse Cards(std::string body, absl::Time received, absl::Time charts_until) const;
  [[nodiscard]] rpc::HttpResponse Feedback(const CdsCall& call, const rpc::HttpRequest& request);
  // What a caller sees of a check that failed or was late is what it sees of one that found nothing, time included: why may be another tenant's affair.
  [[nodiscard]] rpc::HttpResponse Fault(std::string_view tenant, const absl::Status& why, absl::Time received);
  // Before anybody's records were looked for.
  [[nodiscard]] rpc::HttpResponse Busy(std::string_view tenant, const absl::Status& why);
  [[nodiscard]] static bool NeedsData(const Job& job);
  // options_.fetch, a few at a time, of one tenant fewer: slow servers of some tenants must not hold the workers of all. `exhausted`: set when it was not asked for that.
  [[nodiscard]] FetchUrl LimitedFetch(const TenantId& tenant, bool& exhausted);
  void RunJob(Job& job);

  const Options options_;
  const ExchangeParts parts_;
  const ExamTables tables_;
  const JwtVerifier verifier_;
  UsedTokens used_;
  const OrderCheck check_;
  const CardFeedback feedback_;
  std::atomic<std::uint64_t> faults_ = 0;
  rpc::Errands checks_;

  absl::Mutex mutex_;
  // Requests to the EHR's servers of each tenant that has any.
  std::map<TenantId, int> fetching_ ABSL_GUARDED_BY(mutex_);
  int fetching_all_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_CDS_HOOKS_H_

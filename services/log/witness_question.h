// Before a log is written on, at each start (DESIGN, section 4, "Order that keeps failover safe"): do its witnesses know more of it than its
// database? A database that was restored, or promoted without its last commits, would else be written on, and fork what was witnessed. What a
// witness remembers counts only under the log's own signature. Waits for `ask` and the database; thread-safe (holds nothing).
#ifndef CUSTODIAN_SERVICES_LOG_WITNESS_QUESTION_H_
#define CUSTODIAN_SERVICES_LOG_WITNESS_QUESTION_H_

#include <functional>
#include <set>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ledger/checkpoint.h"
#include "services/rpc/http.h"
#include "tenants/log_reader.h"

namespace custodian::log {

// GET within a time limit.
using GetUrl = std::function<absl::StatusOr<rpc::HttpResponse>(const std::string& url)>;

// Where a witness shows the newest checkpoint that it cosigned of a log, with both signatures (services/node/witness.h); 404 when there is none.
[[nodiscard]] std::string CheckpointUrl(std::string_view witness_url, std::string_view origin);

// Whether every quorum of the policy contains a witness that answered and does not lie, if at most `liars_max` do: of n witnesses with a quorum of k
// that is after n - k + 1 + liars_max answers. Of nested groups by enumeration.
[[nodiscard]] bool HasEnoughAnswers(const ledger::Policy& policy, const std::set<std::string>& answered, std::size_t liars_max);

// OK once enough witnesses answered, none of which knows a checkpoint that the log does not contain; DataLoss that says what is known more, or
// otherwise; Unavailable when too few answered. `key` is the log's.
[[nodiscard]] absl::Status AskWitnesses(const ledger::Policy& policy, std::size_t liars_max, const ledger::NoteVerifier& key, const tenants::LogReader& log,
                                        const GetUrl& get);

}  // namespace custodian::log

#endif  // CUSTODIAN_SERVICES_LOG_WITNESS_QUESTION_H_

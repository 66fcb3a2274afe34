// Asks one witness for its cosignature (C2SP tlog-witness, the client's side) and says what it answered, whatever that is. Knows
// nothing of when to ask whom; that is the publisher's. Thread-safe; calls block.
#ifndef CUSTODIAN_SERVICES_LOG_WITNESS_CLIENT_H_
#define CUSTODIAN_SERVICES_LOG_WITNESS_CLIENT_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "ledger/checkpoint.h"
#include "services/node/add_checkpoint.h"
#include "services/rpc/https_client.h"

namespace custodian::log {

struct WitnessAnswer {
  // Of a 200: verified on the checkpoint.
  std::optional<ledger::NoteSignature> cosignature;
  // Of any 200: a mirror that says so of a checkpoint has taken it as pending.
  bool accepted = false;
  // Of a 202: a mirror wants the entries that follow.
  bool more = false;
  // Of a 409 with a size.
  std::optional<std::uint64_t> size;
  // A 409, with or without its size.
  bool conflict = false;
  // Why there is no cosignature.
  absl::Status status;
  // The witness itself cannot serve now, whichever the log: it cannot be reached, is too slow, or says so (503).
  bool away = false;
  // When it asked not to be asked before (429, 503), at most WitnessClient::kRetryAfterMax away.
  std::optional<absl::Time> retry_at;
};

// What a response to add-checkpoint or add-entries says, of a checkpoint and the key of the one that was asked.
[[nodiscard]] WitnessAnswer ReadAnswer(const rpc::HttpResponse& response, const std::string& checkpoint_text, const ledger::NoteVerifier& key);

class WitnessClient {
 public:
  // A witness that asks for more is asked again after this all the same.
  static constexpr absl::Duration kRetryAfterMax = absl::Minutes(1);

  // `client` outlives this.
  WitnessClient(ledger::Policy::Witness witness, const rpc::HttpsClient& client);

  // No answer counts after `deadline`, nor past the HTTP client's timeout.
  [[nodiscard]] WitnessAnswer AddCheckpoint(const node::AddCheckpoint& request, absl::Time deadline) const;
  // Size of the newest checkpoint that the witness serves of the log (GET .../checkpoint), under the log's own signature; for a
  // witness that does not say its size when it refuses.
  [[nodiscard]] absl::StatusOr<std::uint64_t> ReadSize(const ledger::NoteVerifier& log) const;

 private:
  const ledger::Policy::Witness witness_;
  // Ends in a slash.
  const std::string prefix_;
  const rpc::HttpsClient& client_;
};

// Of a Retry-After header (RFC 9110, section 10.2.3), in seconds or as a date, at most kRetryAfterMax after `now`; nothing for
// anything else.
[[nodiscard]] std::optional<absl::Time> ParseRetryAfter(std::string_view value, absl::Time now);

}  // namespace custodian::log

#endif  // CUSTODIAN_SERVICES_LOG_WITNESS_CLIENT_H_

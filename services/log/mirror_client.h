// Sends a log's entries to one mirror (C2SP tlog-mirror, the client's side of add-entries) and says what it answered, whatever that is. Its add-checkpoint
// is a witness's (witness_client.h). Thread-safe; calls block.
#ifndef CUSTODIAN_SERVICES_LOG_MIRROR_CLIENT_H_
#define CUSTODIAN_SERVICES_LOG_MIRROR_CLIENT_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "ledger/checkpoint.h"
#include "services/log/witness_client.h"
#include "services/node/add_entries.h"
#include "services/rpc/https_client.h"
#include "tenants/log_reader.h"

namespace custodian::log {

// Entries [start, ...) of the log, at most as many as one request should have, proven to be in its tree of size `end` (start <= end). The
// request's body, before it is compressed.
[[nodiscard]] absl::StatusOr<std::string> EntriesFrom(const tenants::LogReader& log, const std::string& origin, std::uint64_t start, std::uint64_t end);

struct MirrorAnswer {
  // As a witness's: of a 200 the cosignature, verified on the checkpoint; of anything else why there is none.
  WitnessAnswer answer;
  // Of a 202 or 409: what the mirror has.
  std::optional<node::MirrorInfo> info;
};

class MirrorClient {
 public:
  // `client` outlives this.
  MirrorClient(ledger::Policy::Witness mirror, const rpc::HttpsClient& client);

  // No answer counts after `deadline`, nor past the HTTP client's timeout. `checkpoint_text` is what the body's entries lead to.
  [[nodiscard]] MirrorAnswer AddEntries(const std::string& body, const std::string& checkpoint_text, absl::Time deadline) const;

 private:
  const ledger::Policy::Witness mirror_;
  const std::string url_;
  const rpc::HttpsClient& client_;
};

}  // namespace custodian::log

#endif  // CUSTODIAN_SERVICES_LOG_MIRROR_CLIENT_H_

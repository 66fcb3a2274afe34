// Publishes what partitions commit (DESIGN, section 4, "Order that keeps failover safe"): for each log whose committed head grew,
// the key process signs a checkpoint, the witnesses of the policy cosign it, and with its quorum it is published. Mirrors of the
// policy (C2SP tlog-mirror) are sent the entries, too, and are asked before the witnesses as far as the quorum needs them: what witnesses have cosigned,
// a mirror then holds. One candidate per log at a time. A slow or dead witness delays nobody: each witness has its own loops. Loops() are run by services/main, each
// on a thread of its own; all else is for any thread and returns at once unless it says otherwise. Never writes entries.
//
// Safe across failover (ledger/model): only what the partition's writer knows to be committed is signed; a checkpoint is stored as
// signed before any witness sees it; and no request to a witness ends later than Options::witness_timeout after the database was
// last known to have that very checkpoint. A writer that takes a log over waits so long before it asks what witnesses know.
#ifndef CUSTODIAN_SERVICES_LOG_PUBLISHER_H_
#define CUSTODIAN_SERVICES_LOG_PUBLISHER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "ledger/checkpoint.h"
#include "services/keys/key_client.h"
#include "services/rpc/https_client.h"
#include "tenants/log_reader.h"

namespace custodian::log {

class Publisher {
 public:
  struct Options {
    // How often a log is looked at of which nobody has said that it grew.
    absl::Duration look_again = absl::Seconds(10);
    // Between the checkpoints of one log, at least, however many commits it has. The first commit after a pause does not wait.
    absl::Duration spacing = absl::Milliseconds(100);
    // Between two checkpoints of any logs, on average, when many logs are busy: witnesses, key process and database then cost as
    // much as before. With these figures a log is published every 100 ms while up to 20 are busy, every 500 ms with 100.
    absl::Duration spacing_overall = absl::Milliseconds(5);
    // A log that does not grow has its checkpoint cosigned anew after this long, so that `verify --max-age` tells an idle log from
    // one that is frozen.
    absl::Duration refresh = absl::Hours(1);
    // Rest after a failure, doubled with each that follows for as long as witnesses are concerned.
    absl::Duration retry = absl::Seconds(1);
    absl::Duration retry_max = absl::Seconds(8);
    // One request to a witness, and the question to the database before it.
    absl::Duration witness_timeout = absl::Seconds(5);
    // Loops that sign and publish; loops of each witness.
    int publishing_loops = 4;
    int witness_loops = 4;
    // Those of the policy's witnesses, by their names there, that are mirrors.
    std::set<std::string> mirrors{};
  };
  // The head that may be signed: PartitionWriter::committed() of the log's writer in this process. Returns at once.
  using Committed = std::function<ledger::Checkpoint()>;

  // Witnesses (with URLs) and quorum are those of `policy`; its logs are not looked at. InvalidArgument when a witness has no
  // URL, or a mirror is none of the policy's. `keys` and `client` outlive the publisher.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Publisher>> Create(Options options, ledger::Policy policy,
                                                                         keys::KeyClient& keys, const rpc::HttpsClient& client);
  ~Publisher();

  // A log to publish, at start or once a tenant is admitted; `key` is the log's verifier key, `reader` and what `committed` asks
  // outlive the publisher. `mirrors`: those that are sent this log; no other ever sees an entry of it. An origin that is there already is left as it is.
  void Add(const ledger::NoteVerifier& key, const tenants::LogReader& reader, Committed committed, const std::set<std::string>& mirrors = {});

  // Each ends after Stop(). Call once.
  [[nodiscard]] std::vector<std::function<void()>> Loops();
  // The log's head grew: only such logs are looked at, so that a commit costs the same however many logs there are.
  void Notify(std::string_view origin);
  void Stop();

  // Waits until a published checkpoint covers `size`; DeadlineExceeded, or NotFound for an origin that was not added.
  [[nodiscard]] absl::Status WaitWitnessed(std::string_view origin, std::uint64_t size, absl::Duration timeout) const;
  // Size of the newest published checkpoint that this process knows of; 0 before the first.
  [[nodiscard]] std::uint64_t WitnessedSize(std::string_view origin) const;
  // A tlog-proof of the leaf under the smallest published checkpoint that covers it. NotFound for an unknown origin or past the
  // committed end, Unavailable while no published checkpoint covers the leaf. Reads the database.
  [[nodiscard]] absl::StatusOr<std::string> MakeReceipt(std::string_view origin, std::uint64_t index) const;

 private:
  class Core;
  explicit Publisher(std::unique_ptr<Core> core);
  std::unique_ptr<Core> core_;
};

// The same for the log behind `reader`, for processes that publish nothing.
[[nodiscard]] absl::StatusOr<std::string> ReceiptOf(const tenants::LogReader& reader, std::uint64_t index);

}  // namespace custodian::log

#endif  // CUSTODIAN_SERVICES_LOG_PUBLISHER_H_

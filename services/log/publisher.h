// Publishes what partitions commit (DESIGN, section 4, "Order that keeps failover safe"): for each log whose committed head grew,
// the key process signs a checkpoint, the witnesses of the policy cosign it, and with its quorum it is published. One candidate
// per log at a time. A slow or dead witness delays nobody: each witness has its own loop. Loops() are run by services/main, each
// on a thread of its own; all else is for any thread and returns at once unless it says otherwise. Never writes entries.
#ifndef CUSTODIAN_SERVICES_LOG_PUBLISHER_H_
#define CUSTODIAN_SERVICES_LOG_PUBLISHER_H_

#include <cstdint>
#include <functional>
#include <memory>
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
    // How often the loops look for what has fallen due.
    absl::Duration interval = absl::Milliseconds(100);
    // How often a log's head is read of which nobody has said that it grew.
    absl::Duration look_again = absl::Seconds(10);
    // Between the checkpoints of one log, at least: a busy log costs witnesses, key process and database a few rounds a second,
    // however many commits it has. The first commit after a pause does not wait.
    absl::Duration spacing = absl::Milliseconds(200);
    // Rest after a witness could not be reached, and after a failure of database or key process.
    absl::Duration retry = absl::Seconds(1);
  };
  // Witnesses (with URLs) and quorum are those of `policy`; its logs are not looked at. InvalidArgument when a witness has no
  // URL. `keys` and `client` outlive the publisher; the client's timeout bounds one call to a witness.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Publisher>> Create(Options options, ledger::Policy policy,
                                                                         keys::KeyClient& keys, const rpc::HttpsClient& client);
  ~Publisher();

  // A log to publish, at start or once a tenant is admitted; `key` is the log's verifier key, `reader` outlives the publisher.
  // An origin that is there already is left as it is.
  void Add(const ledger::NoteVerifier& key, const tenants::LogReader& reader);

  // One loop that signs and publishes, and one per witness. Each ends after Stop(). Call once.
  [[nodiscard]] std::vector<std::function<void()>> Loops();
  // The log's head grew: only such heads are read, so that a commit costs the same however many logs there are.
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

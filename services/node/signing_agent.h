// A tenant's signing agent: it reads its tenant's log under witnessed checkpoints, has each act that the custodian reported opened to it, holds the
// request's token and body against those that the tenant's own systems sent (sent_requests.h), disputes what was not sent, and countersigns the rest
// range by range. What it says are entries of the log, signed by its own enrolled key; a batch is on disk before it is sent, and sent again
// unchanged until the log shows what became of it. A number that was refused is closed by a VOID entry. The promises that it is answered are kept as files.
//
// It judges no authors and no maps: that is a mirror's work. Step() is for one thread.
#ifndef CUSTODIAN_SERVICES_NODE_SIGNING_AGENT_H_
#define CUSTODIAN_SERVICES_NODE_SIGNING_AGENT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ledger/audit.h"
#include "ledger/checkpoint.h"
#include "ledger/entry.h"
#include "services/node/agent_state.h"
#include "services/node/sent_requests.h"
#include "services/node/state_file.h"
#include "tenants/clock.h"

namespace custodian::node {

class SigningAgent {
 public:
  struct Opened {
    std::string salt;
    std::string detail;
  };
  // As rpc::LedgerClient's; the promise is what AppendBatch answers.
  using Open = std::function<absl::StatusOr<std::vector<Opened>>(const std::string& origin, const std::vector<std::uint64_t>& indexes)>;
  using Append = std::function<absl::StatusOr<std::string>(const std::string& origin, const std::vector<std::string>& leaves)>;
  struct Options {
    // Names the log, the witnesses and the quorum.
    ledger::Policy policy;
    // SPIFFE id that the key is enrolled for: of the tenant whose log it is.
    std::string author;
    // Of a new agent: the first entry that it answers for.
    std::uint64_t from = 0;
    ledger::ByteSource read;
    Open open;
    Append append;
  };
  // State file and promises lie in `folder`, which no other process may use; DataLoss when the state is damaged.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<SigningAgent>> Create(Options options, std::unique_ptr<ledger::Signer> signer,
                                                                            const std::string& folder, const std::string& sent_folder,
                                                                            const Clock& clock);

  // Goes on to the log's newest checkpoint and says what there is to say. Unauthenticated or DataLoss when the log is not to be believed, or is
  // not what it was; what the sources fail with: call again.
  [[nodiscard]] absl::Status Step();

  [[nodiscard]] const AgentState& state() const { return state_; }

 private:
  // An act that the custodian reported.
  struct Act {
    std::uint64_t index = 0;
    ledger::v1::Kind kind = ledger::v1::KIND_UNSPECIFIED;
    ledger::Hash leaf_hash{};
    std::string commitment;
  };
  using Visit = std::function<void(std::uint64_t index, const std::string& bytes, const ledger::Hash& hash)>;

  SigningAgent(Options options, std::unique_ptr<ledger::Signer> signer, std::unique_ptr<StateDirectory> directory, std::string folder,
               const std::string& sent_folder, const Clock& clock);
  [[nodiscard]] absl::Status Load();
  [[nodiscard]] absl::Status Save() const;
  // Visits leaves [from, to) of a log of `size`.
  [[nodiscard]] absl::Status Scan(std::uint64_t from, std::uint64_t to, std::uint64_t size, const Visit& visit) const;
  [[nodiscard]] absl::Status ReadTo(const ledger::Checkpoint& checkpoint);
  [[nodiscard]] absl::Status Begin(const ledger::Checkpoint& checkpoint, AgentState& next) const;
  [[nodiscard]] absl::Status Compare(const std::vector<Act>& acts, AgentState& next);
  [[nodiscard]] ledger::v1::DisputeReason Judge(const Act& act, const Opened& opened) const;
  // What the log holds of this agent's own entries: counters that bear its name are used; what was said counts by its key's signature alone.
  void SeeOwn(const ledger::Leaf& leaf, AgentState& next) const;
  [[nodiscard]] absl::Status Speak();
  [[nodiscard]] absl::StatusOr<std::vector<std::string>> MakeBatch(AgentState& next) const;
  [[nodiscard]] absl::Status Send(const ledger::Checkpoint& newest);
  [[nodiscard]] absl::Status Settle(const ledger::Checkpoint& newest, const absl::Status& refused);
  [[nodiscard]] absl::Status Said();
  [[nodiscard]] absl::Status KeepPromise(const std::string& promise) const;

  const Options options_;
  const std::unique_ptr<ledger::Signer> signer_;
  const std::unique_ptr<StateDirectory> directory_;
  const std::string folder_;
  const Clock& clock_;
  SentRequests sent_;
  AgentState state_;
};

}  // namespace custodian::node

#endif  // CUSTODIAN_SERVICES_NODE_SIGNING_AGENT_H_

// The network as one `serve` process runs it: governance log, registry, clock, keys, and a running partition a tenant. Everything
// that needs a thread of its own (partition writers) is started here. Built once; thread-safe afterwards.
#ifndef CUSTODIAN_SERVICES_MAIN_NETWORK_H_
#define CUSTODIAN_SERVICES_MAIN_NETWORK_H_

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "ledger/checkpoint.h"
#include "ledger/signature.h"
#include "services/governance/governance_log.h"
#include "services/keys/key_client.h"
#include "services/keys/wrapped_keys.h"
#include "services/main/config.h"
#include "services/rpc/https_client.h"
#include "tenants/network_clock.h"
#include "tenants/partitions.h"
#include "tenants/registry.h"

namespace custodian::main {

// Origin of the governance log of a network: opaque, and the same at every start.
[[nodiscard]] std::string GovernanceOrigin(const std::string& network);
// The custodian's own author in the roster.
[[nodiscard]] std::string AuthorName(const Config& config);

class Network {
 public:
  // Called with each partition once it can be written to, before it is found by others: one at a time; it may look up no partition.
  using PartitionReady = std::function<void(tenants::Partition&)>;

  // Waits up to 30 s for database and key process.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Network>> Create(const Config& config);
  ~Network();

  // Announces the partitions that the registry names, so that whoever asks for one waits for it; after OnPartition() and OnCommit().
  void ExpectPartitions() { partitions.Expect(registry->Tenants()); }
  // Opens them, those first that somebody waits for, until none is left: for some threads at once. After an error no more come.
  [[nodiscard]] absl::Status OpenExpected();
  // Opens those that the registry names by now and that are not known yet.
  [[nodiscard]] absl::Status StartPartitions();
  void OnPartition(PartitionReady ready) { ready_ = std::move(ready); }
  // From every writer's thread after each commit; must return at once.
  void OnCommit(std::function<void(const std::string& origin)> callback) { on_commit_ = std::move(callback); }
  // No write is taken any more; returns when the writers' threads ended.
  void Stop();

  const std::string governance_origin;
  // Verifier key of the governance log.
  std::string governance_vkey;
  const Config& config;
  std::unique_ptr<ledger::Signer> author;
  std::unique_ptr<tenants::Database> database;
  // The same database, for the record locator's questions, which plan for longer than they run.
  std::unique_ptr<tenants::Database> locator_database;
  std::unique_ptr<tenants::Registry> registry;
  std::unique_ptr<tenants::NetworkClock> clock;
  std::unique_ptr<keys::KeyClient> keys;
  std::unique_ptr<keys::WrappedKeys> wrapped_keys;
  // Witnesses and quorum of the network's own logs.
  ledger::Policy policy;
  std::unique_ptr<rpc::HttpsClient> witness_client;
  std::unique_ptr<tenants::LogReader> governance_reader;
  std::unique_ptr<governance::GovernanceLog> governance;
  std::unique_ptr<tenants::PartitionWriter> governance_writer;
  tenants::Partitions partitions;

 private:
  explicit Network(const Config& configuration);
  [[nodiscard]] absl::Status Open();
  [[nodiscard]] absl::Status StartGovernance();
  [[nodiscard]] absl::Status StartPartition(const tenants::Tenant& tenant);
  [[nodiscard]] absl::Status Start(const tenants::Tenant& tenant);
  [[nodiscard]] absl::Status ReadPolicy();
  // Whether the witnesses know nothing more of the log than its database does.
  [[nodiscard]] absl::Status AskWitnesses(const ledger::NoteVerifier& key, const tenants::LogReader& log) const;
  // The writer's thread: until the witnesses were asked, what is submitted waits.
  void RunWriter(tenants::PartitionWriter& writer, const ledger::NoteVerifier& key, const tenants::LogReader& log);

  std::atomic<bool> stopping_ = false;
  PartitionReady ready_;
  std::function<void(const std::string& origin)> on_commit_;
  // One admission at a time starts partitions.
  absl::Mutex start_mutex_;
  absl::Mutex running_mutex_;
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(running_mutex_);
};

}  // namespace custodian::main

#endif  // CUSTODIAN_SERVICES_MAIN_NETWORK_H_

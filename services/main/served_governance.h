// The governance log beside a log that is verified as it is served: where it is, and its audit.
#ifndef CUSTODIAN_SERVICES_MAIN_SERVED_GOVERNANCE_H_
#define CUSTODIAN_SERVICES_MAIN_SERVED_GOVERNANCE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "ledger/audit.h"
#include "ledger/checkpoint.h"
#include "services/rpc/https_client.h"

namespace custodian::main {

struct Governance {
  std::string origin;
  ledger::ByteSource read;
};

struct AuditedGovernance {
  ledger::AuditedLog log;
  std::vector<ledger::Finding> findings;
};

// What a log says of itself, to be verified later.
[[nodiscard]] absl::StatusOr<ledger::Checkpoint> ReadClaimedCheckpoint(const ledger::ByteSource& read);
// The log itself when it is one, else the first that the policy names with its URL. `client` outlives what is returned. Throws CommandFailed when
// there is none that can be read.
[[nodiscard]] Governance GovernanceOf(const ledger::Checkpoint& claimed, const ledger::ByteSource& read, const ledger::Policy& policy,
                                      const rpc::HttpsClient& client);
[[nodiscard]] absl::StatusOr<AuditedGovernance> AuditGovernance(const ledger::Policy& policy, const Governance& governance);

}  // namespace custodian::main

#endif  // CUSTODIAN_SERVICES_MAIN_SERVED_GOVERNANCE_H_

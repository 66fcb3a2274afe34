// What `serve` says about its policy's quorum before it starts: refused when the witnesses that may lie could have two histories of
// a log witnessed.
#ifndef CUSTODIAN_SERVICES_MAIN_QUORUM_H_
#define CUSTODIAN_SERVICES_MAIN_QUORUM_H_

#include <set>
#include <string>

#include "ledger/checkpoint.h"
#include "services/main/config.h"

namespace custodian::main {

// Throws CommandFailed when forks are possible (Policy::QuorumOverlap() <= f), or a mirror is none of the policy's; logs what else an operator should know.
void CheckQuorum(const ledger::Policy& policy, const Config& config);

// Names of the mirrors that are sent a tenant's log, or with no tenant the governance log.
[[nodiscard]] std::set<std::string> MirrorsOf(const Config& config, const std::string& tenant_name = "");

}  // namespace custodian::main

#endif  // CUSTODIAN_SERVICES_MAIN_QUORUM_H_

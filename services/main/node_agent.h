// `custodian node agent`: a tenant's signing agent.
#ifndef CUSTODIAN_SERVICES_MAIN_NODE_AGENT_H_
#define CUSTODIAN_SERVICES_MAIN_NODE_AGENT_H_

#include "CLI/CLI.hpp"

namespace custodian::main {

void AddAgent(CLI::App& node);

}  // namespace custodian::main

#endif  // CUSTODIAN_SERVICES_MAIN_NODE_AGENT_H_

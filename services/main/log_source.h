// Where commands read a log from: the custodian's URL, or a mirror's URL or folder.
#ifndef CUSTODIAN_SERVICES_MAIN_LOG_SOURCE_H_
#define CUSTODIAN_SERVICES_MAIN_LOG_SOURCE_H_

#include <string>
#include <string_view>

#include "ledger/audit.h"
#include "services/rpc/https_client.h"

namespace custodian::main {

// Resources below the URL `prefix`, read through `client`, which outlives the source. NotFound for what is not there, PermissionDenied
// for a reader that is not admitted, Unavailable when the server is away.
[[nodiscard]] ledger::ByteSource TilesSource(const rpc::HttpsClient& client, std::string prefix);
// The log of `origin` as a mirror has it: `from` is the mirror's URL or, on its machine, its folder.
[[nodiscard]] ledger::ByteSource MirrorSource(const rpc::HttpsClient& client, const std::string& from, std::string_view origin);

}  // namespace custodian::main

#endif  // CUSTODIAN_SERVICES_MAIN_LOG_SOURCE_H_

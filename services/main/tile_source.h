// A log's tiles as served over HTTPS, for whatever of `ledger` reads them (ledger::ByteSource).
#ifndef CUSTODIAN_SERVICES_MAIN_TILE_SOURCE_H_
#define CUSTODIAN_SERVICES_MAIN_TILE_SOURCE_H_

#include <string>

#include "ledger/audit.h"
#include "services/rpc/https_client.h"

namespace custodian::main {

// Reads below `prefix`, a URL; `client` outlives it. NotFound for what is not there, PermissionDenied when the client is not
// admitted, Unavailable for any other answer, each with the URL.
[[nodiscard]] ledger::ByteSource TilesBelow(const rpc::HttpsClient& client, std::string prefix);

}  // namespace custodian::main

#endif  // CUSTODIAN_SERVICES_MAIN_TILE_SOURCE_H_

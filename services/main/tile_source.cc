#include "services/main/tile_source.h"

#include <utility>

namespace custodian::main {

ledger::ByteSource TilesBelow(const rpc::HttpsClient& client, std::string prefix) {
  if (!prefix.ends_with('/')) prefix += '/';
  return [&client, prefix](const std::string& path) -> absl::StatusOr<std::string> {
    auto response = client.Send("GET", prefix + path);
    if (!response.ok())
      return absl::Status(response.status().code(), prefix + path + ": " + std::string(response.status().message()));
    if (response->status == 200) return std::move(response->body);
    if (response->status == 404) return absl::NotFoundError(prefix + path + " is not there");
    if (response->status == 401 || response->status == 403)
      return absl::PermissionDeniedError(prefix + path + ": refused; give --cert and --key of an admitted reader of this log");
    return absl::UnavailableError(prefix + path + ": the server answered " + std::to_string(response->status));
  };
}

}  // namespace custodian::main

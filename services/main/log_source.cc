#include "services/main/log_source.h"

#include <utility>

#include "services/main/config.h"
#include "services/node/mirrored_log.h"

namespace custodian::main {

ledger::ByteSource TilesSource(const rpc::HttpsClient& client, std::string prefix) {
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

ledger::ByteSource MirrorSource(const rpc::HttpsClient& client, const std::string& from, std::string_view origin) {
  const std::string name = node::LogName(origin);
  if (from.rfind("https://", 0) == 0) return TilesSource(client, from + (from.ends_with('/') ? "" : "/") + name);
  return [from, name](const std::string& path) -> absl::StatusOr<std::string> {
    return ReadFile(path == "checkpoint" ? from + "/" + name : from + "/logs/" + name + "/" + path);
  };
}

}  // namespace custodian::main

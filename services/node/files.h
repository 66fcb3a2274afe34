// What each file of a node's memory needs of the system's calls. Thread-safe functions.
#ifndef CUSTODIAN_SERVICES_NODE_FILES_H_
#define CUSTODIAN_SERVICES_NODE_FILES_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace custodian::node {

// Unavailable: `what`, and why errno says that it failed.
[[nodiscard]] absl::Status Errno(const std::string& what);
// All of it, in as many writes as it takes; `path` is for the message.
[[nodiscard]] absl::Status WriteAll(int file, std::string_view bytes, const std::string& path);

}  // namespace custodian::node

#endif  // CUSTODIAN_SERVICES_NODE_FILES_H_

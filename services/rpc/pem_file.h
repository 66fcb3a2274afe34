// Reads certificates and keys for gRPC, which wants their bytes.
#ifndef CUSTODIAN_SERVICES_RPC_PEM_FILE_H_
#define CUSTODIAN_SERVICES_RPC_PEM_FILE_H_

#include <string>

#include "absl/status/statusor.h"

namespace custodian::rpc {

// NotFound, or InvalidArgument when no PEM block begins in it; both name the file.
[[nodiscard]] absl::StatusOr<std::string> ReadPem(const std::string& file);

}  // namespace custodian::rpc

#endif  // CUSTODIAN_SERVICES_RPC_PEM_FILE_H_

// The frame of every gRPC method: admits the caller, runs the body, logs one structured line (tenant, actor pseudonym, method,
// code, duration). The one place where a gRPC body's exception is caught.
#ifndef CUSTODIAN_SERVICES_RPC_SERVE_CALL_H_
#define CUSTODIAN_SERVICES_RPC_SERVE_CALL_H_

#include <functional>
#include <initializer_list>
#include <string_view>

#include "absl/status/status.h"
#include "services/rpc/identity.h"

namespace grpc {
class Status;
}

namespace custodian::rpc {

// `method` is a constant of ours ("AppendBatch").
[[nodiscard]] grpc::Status ServeCall(const CallGuard& guard, const grpc::ServerContext& context, std::string_view method,
                                     std::initializer_list<std::string_view> roles,
                                     const std::function<absl::Status(const tenants::Client&)>& body);

}  // namespace custodian::rpc

#endif  // CUSTODIAN_SERVICES_RPC_SERVE_CALL_H_

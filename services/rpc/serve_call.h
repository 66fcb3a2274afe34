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
class CallbackServerContext;
class ServerContext;
class ServerUnaryReactor;
class Status;
}  // namespace grpc

namespace custodian::rpc {

// `method` is a constant of ours ("AppendBatch").
[[nodiscard]] grpc::Status ServeCall(const CallGuard& guard, const grpc::ServerContext& context, std::string_view method,
                                     std::initializer_list<std::string_view> roles,
                                     const std::function<absl::Status(const tenants::Client&)>& body);

// To be called once, from any thread.
using Answer = std::function<void(const absl::Status&)>;
// The same for a callback method, which waits for its answer without a thread: `body` returns at once and sees to it that `answer` is called, or
// returns why it will not be. What it filled in of the response must be done by then.
[[nodiscard]] grpc::ServerUnaryReactor* ServeCallLater(const CallGuard& guard, grpc::CallbackServerContext& context, std::string_view method,
                                                       std::initializer_list<std::string_view> roles,
                                                       const std::function<absl::Status(const tenants::Client&, Answer answer)>& body);

}  // namespace custodian::rpc

#endif  // CUSTODIAN_SERVICES_RPC_SERVE_CALL_H_

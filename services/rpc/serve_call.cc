#include "services/rpc/serve_call.h"

#include <grpcpp/support/status.h>

#include <chrono>
#include <exception>
#include <string>
#include <typeinfo>

#include "services/rpc/grpc_server.h"
#include "spdlog/spdlog.h"

namespace custodian::rpc {
namespace {

absl::Status RunBody(std::string_view method, const tenants::Client& client, const std::function<absl::Status(const tenants::Client&)>& body) {
  try {
    return body(client);
  } catch (const std::exception& exception) {
    // The text could carry health data; the type cannot.
    spdlog::error("event=call_threw method={} type={}", method, typeid(exception).name());
    return absl::InternalError("internal error");
  }
}

}  // namespace

grpc::Status ServeCall(const CallGuard& guard, const grpc::ServerContext& context, std::string_view method,
                       std::initializer_list<std::string_view> roles, const std::function<absl::Status(const tenants::Client&)>& body) {
  const auto start = std::chrono::steady_clock::now();
  const auto caller = CallerOf(context);
  const auto client = caller.ok() ? guard.Admit(*caller, roles) : absl::StatusOr<tenants::Client>(caller.status());
  const absl::Status status = client.ok() ? RunBody(method, *client, body) : client.status();
  const std::chrono::duration<double, std::milli> duration = std::chrono::steady_clock::now() - start;
  spdlog::info("event=grpc tenant={} actor={} method={} code={} duration_ms={:.1f}",
               client.ok() && !client->tenant.text().empty() ? client->tenant.text() : "-", ActorPseudonym(caller.ok() ? *caller : ""), method,
               absl::StatusCodeToString(status.code()), duration.count());
  return ToGrpc(status);
}

}  // namespace custodian::rpc

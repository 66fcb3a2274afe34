#include "services/rpc/serve_call.h"

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>
#include <grpcpp/support/status.h>

#include <chrono>
#include <exception>
#include <memory>
#include <string>
#include <typeinfo>
#include <utility>

#include "services/rpc/grpc_server.h"
#include "services/rpc/shares.h"
#include "spdlog/spdlog.h"
#include "tenants/retry_after.h"

namespace custodian::rpc {
namespace {

// One call, from when it came to its line in our log.
class Call {
 public:
  Call(std::string_view method, absl::StatusOr<std::string> caller) : method_(method), caller_(std::move(caller)) {}

  [[nodiscard]] absl::StatusOr<tenants::Client> Admit(const CallGuard& guard, std::initializer_list<std::string_view> roles) {
    auto client = caller_.ok() ? guard.Admit(*caller_, roles) : absl::StatusOr<tenants::Client>(caller_.status());
    if (client.ok() && !client->tenant.text().empty()) tenant_ = client->tenant.text();
    if (!client.ok() || guard.shares() == nullptr) return client;
    auto share = guard.shares()->Take(client->tenant, client->spiffe_id);
    if (!share.ok()) return tenants::WithRetryAfter(share.status(), absl::Seconds(1));
    share_ = *std::move(share);
    return client;
  }

  [[nodiscard]] absl::Status Run(const std::function<absl::Status()>& body) const {
    try {
      return body();
    } catch (const std::exception& exception) {
      // The text could carry health data; the type cannot.
      spdlog::error("event=call_threw method={} type={}", method_, typeid(exception).name());
      return absl::InternalError("internal error");
    }
  }

  [[nodiscard]] grpc::Status End(const absl::Status& status) const {
    const std::chrono::duration<double, std::milli> duration = std::chrono::steady_clock::now() - start_;
    spdlog::info("event=grpc tenant={} actor={} method={} code={} duration_ms={:.1f}", tenant_, ActorPseudonym(caller_.ok() ? *caller_ : ""), method_,
                 absl::StatusCodeToString(status.code()), duration.count());
    return ToGrpc(status);
  }

 private:
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  const std::string_view method_;
  const absl::StatusOr<std::string> caller_;
  std::string tenant_ = "-";
  Shares::Taken share_;
};

}  // namespace

grpc::Status ServeCall(const CallGuard& guard, const grpc::ServerContext& context, std::string_view method,
                       std::initializer_list<std::string_view> roles, const std::function<absl::Status(const tenants::Client&)>& body) {
  Call call(method, CallerOf(context));
  const auto client = call.Admit(guard, roles);
  return call.End(client.ok() ? call.Run([&] { return body(*client); }) : client.status());
}

grpc::ServerUnaryReactor* ServeCallLater(const CallGuard& guard, grpc::CallbackServerContext& context, std::string_view method,
                                         std::initializer_list<std::string_view> roles,
                                         const std::function<absl::Status(const tenants::Client&, Answer answer)>& body) {
  grpc::ServerUnaryReactor* reactor = context.DefaultReactor();
  auto call = std::make_shared<Call>(method, CallerOf(context));
  const auto client = call->Admit(guard, roles);
  const absl::Status refused = client.ok() ? call->Run([&] {
    return body(*client, [call, reactor](const absl::Status& status) { reactor->Finish(call->End(status)); });
  })
                                           : client.status();
  if (!refused.ok()) reactor->Finish(call->End(refused));
  return reactor;
}

}  // namespace custodian::rpc

#include "services/keys/wrapped_keys.h"

#include <chrono>
#include <utility>

#include "absl/status/status.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/support/channel_arguments.h"
#include "services/rpc/protos/keys.grpc.pb.h"

namespace custodian::keys {
namespace {

constexpr std::chrono::milliseconds kCallTime{5'000};

class Remote final : public WrappedKeys {
 public:
  explicit Remote(const std::string& socket_path) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    stub_ =
        v1::KeyService::NewStub(grpc::CreateCustomChannel("unix:" + socket_path, grpc::InsecureChannelCredentials(), arguments));
  }

  absl::StatusOr<std::vector<std::string>> ReadWrapped(const TenantId& tenant, std::span<const KeyName> names) override {
    v1::ReadWrappedKeysRequest request;
    request.set_tenant_id(tenant.text());
    for (const KeyName& name : names) {
      v1::KeyName& out = *request.add_key();
      out.set_what(name.what);
      out.set_key_id(name.key_id);
    }
    v1::ReadWrappedKeysResponse response;
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kCallTime);
    const grpc::Status status = stub_->ReadWrappedKeys(&context, request, &response);
    if (status.error_code() == grpc::StatusCode::UNAVAILABLE) return absl::UnavailableError("the key process does not answer");
    if (!status.ok()) return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
    if (response.wrapped_size() != static_cast<int>(names.size()))
      return absl::InternalError("the key process answered with a wrong number of keys");
    return std::vector<std::string>(response.wrapped().begin(), response.wrapped().end());
  }

 private:
  std::unique_ptr<v1::KeyService::Stub> stub_;
};

}  // namespace

std::unique_ptr<WrappedKeys> WrappedKeys::Connect(const std::string& socket_path) { return std::make_unique<Remote>(socket_path); }

}  // namespace custodian::keys

#include "services/rpc/grpc_server.h"

#include <grpcpp/resource_quota.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "services/rpc/pem_file.h"

namespace custodian::rpc {

class GrpcServer::Core {
 public:
  std::unique_ptr<grpc::Server> server;
  int port = 0;
};

GrpcServer::GrpcServer(std::unique_ptr<Core> core) : core_(std::move(core)) {}
GrpcServer::~GrpcServer() { Stop(); }

absl::StatusOr<std::unique_ptr<GrpcServer>> GrpcServer::Create(const Options& options, const std::vector<grpc::Service*>& services) {
  auto certificate = ReadPem(options.certificate_file);
  auto key = ReadPem(options.key_file);
  auto roots = ReadPem(options.client_ca_file);
  for (const auto* file : {&certificate, &key, &roots})
    if (!file->ok()) return file->status();
  grpc::SslServerCredentialsOptions tls(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  tls.pem_root_certs = *std::move(roots);
  tls.pem_key_cert_pairs.push_back({*std::move(key), *std::move(certificate)});

  auto core = std::make_unique<Core>();
  grpc::ServerBuilder builder;
  builder.SetMaxReceiveMessageSize(kGrpcMessageBytesMax);
  builder.SetMaxSendMessageSize(kGrpcMessageBytesMax);
  builder.SetResourceQuota(grpc::ResourceQuota("custodian").SetMaxThreads(options.threads_max));
  // A taken port is an error, not a second listener.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, 100);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, 16 * 1024);
  builder.AddListeningPort(absl::StrCat(options.address, ":", options.port), grpc::SslServerCredentials(tls), &core->port);
  for (grpc::Service* service : services) builder.RegisterService(service);
  core->server = builder.BuildAndStart();
  if (core->server == nullptr || core->port == 0) {
    return absl::UnavailableError(absl::StrCat("cannot serve gRPC on ", options.address, ":", options.port,
                                               ": the port is taken, or certificate and key do not fit"));
  }
  return std::unique_ptr<GrpcServer>(new GrpcServer(std::move(core)));
}

int GrpcServer::port() const { return core_->port; }

void GrpcServer::Wait() { core_->server->Wait(); }

void GrpcServer::Stop(absl::Duration grace) { core_->server->Shutdown(absl::ToChronoTime(absl::Now() + grace)); }

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  return {static_cast<grpc::StatusCode>(status.code()), std::string(status.message())};
}

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  return {static_cast<absl::StatusCode>(status.error_code()), status.error_message()};
}

}  // namespace custodian::rpc

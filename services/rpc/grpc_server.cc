#include "services/rpc/grpc_server.h"

#include <google/protobuf/any.pb.h>
#include <google/protobuf/duration.pb.h>
#include <google/protobuf/unknown_field_set.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <cstdint>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/rpc/pem_file.h"
#include "tenants/retry_after.h"

namespace custodian::rpc {

namespace {

// google/rpc/status.proto and error_details.proto, of which Debian has no C++: Status{code = 1, message = 2, details = 3: Any},
// RetryInfo{retry_delay = 1: Duration}.
constexpr int kStatusCode = 1, kStatusMessage = 2, kStatusDetails = 3, kRetryDelay = 1;
constexpr char kRetryInfo[] = "type.googleapis.com/google.rpc.RetryInfo";

std::string RetryDetails(const absl::Status& status, absl::Duration wait) {
  google::protobuf::Duration delay;
  delay.set_seconds(absl::IDivDuration(wait, absl::Seconds(1), &wait));
  delay.set_nanos(static_cast<std::int32_t>(absl::ToInt64Nanoseconds(wait)));
  google::protobuf::UnknownFieldSet retry_info;
  retry_info.AddLengthDelimited(kRetryDelay, delay.SerializeAsString());
  google::protobuf::Any any;
  any.set_type_url(kRetryInfo);
  retry_info.SerializeToString(any.mutable_value());
  google::protobuf::UnknownFieldSet fields;
  fields.AddVarint(kStatusCode, static_cast<std::uint64_t>(status.code()));
  fields.AddLengthDelimited(kStatusMessage, std::string(status.message()));
  fields.AddLengthDelimited(kStatusDetails, any.SerializeAsString());
  std::string details;
  fields.SerializeToString(&details);
  return details;
}

std::optional<absl::Duration> RetryOfDetails(const std::string& details) {
  google::protobuf::UnknownFieldSet fields;
  if (!fields.ParseFromString(details)) return std::nullopt;
  for (int i = 0; i < fields.field_count(); ++i) {
    const auto& field = fields.field(i);
    google::protobuf::Any any;
    google::protobuf::UnknownFieldSet retry_info;
    google::protobuf::Duration delay;
    if (field.number() == kStatusDetails && field.type() == google::protobuf::UnknownField::TYPE_LENGTH_DELIMITED &&
        any.ParseFromString(field.length_delimited()) && any.type_url() == kRetryInfo && retry_info.ParseFromString(any.value()) &&
        retry_info.field_count() == 1 && retry_info.field(0).type() == google::protobuf::UnknownField::TYPE_LENGTH_DELIMITED &&
        delay.ParseFromString(retry_info.field(0).length_delimited()))
      return absl::Seconds(delay.seconds()) + absl::Nanoseconds(delay.nanos());
  }
  return std::nullopt;
}

}  // namespace

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
  // Of one connection: whoever has more calls waits at his own end, within his deadline. Past the threads gRPC refuses, and says not until when.
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, options.threads_max / 2);
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
  const auto code = static_cast<grpc::StatusCode>(status.code());
  const auto wait = tenants::RetryAfterOf(status);
  if (!wait) return {code, std::string(status.message())};
  return {code, std::string(status.message()), RetryDetails(status, *wait)};
}

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  absl::Status found(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  const auto wait = RetryOfDetails(status.error_details());
  return wait ? tenants::WithRetryAfter(std::move(found), *wait) : found;
}

}  // namespace custodian::rpc

#include "services/keys/key_server.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/escaping.h"
#include "fmt/format.h"
#include "grpcpp/resource_quota.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "services/rpc/protos/keys.grpc.pb.h"
#include "spdlog/spdlog.h"

namespace custodian::keys {
namespace {

constexpr int kMessageBytesMax = 256 * 1024;
// Of one connection at once; whoever asks beyond waits at his own end, within his deadline. gRPC refuses calls that find no thread: there are enough for
// `serve`, its mirrors' questions and a command beside.
constexpr int kCallsMax = 24;
constexpr int kThreadsMax = 96;
constexpr std::chrono::seconds kGrace{5};

// One line a refused call: method, tenant or log, code. Messages name ids only; what a caller sent is escaped.
grpc::Status ToGrpc(const absl::Status& status, const char* method, const std::string& subject) {
  if (status.ok()) return grpc::Status::OK;
  spdlog::warn("keys method={} subject=\"{}\" code={} message=\"{}\"", method, absl::CHexEscape(subject),
               absl::StatusCodeToString(status.code()), absl::CHexEscape(std::string(status.message())));
  return {static_cast<grpc::StatusCode>(status.code()), std::string(status.message())};
}

absl::StatusOr<std::vector<PatientId>> PatientsOf(const google::protobuf::RepeatedPtrField<std::string>& ids) {
  std::vector<PatientId> patients;
  for (const std::string& bytes : ids) {
    const absl::StatusOr<PatientId> patient = PatientId::FromBytes(bytes);
    if (!patient.ok()) return patient.status();
    patients.push_back(*patient);
  }
  return patients;
}

class Calls final : public v1::KeyService::Service {
 public:
  Calls(KeyClient& keys, WrappedKeys& wrapped_keys) : keys_(keys), wrapped_keys_(wrapped_keys) {}

  grpc::Status CreateTenant(grpc::ServerContext*, const v1::CreateTenantRequest* request,
                            v1::CreateTenantResponse* response) override {
    const auto answer = [&]() -> absl::Status {
      const absl::StatusOr<TenantId> tenant = TenantId::Parse(request->tenant_id());
      if (!tenant.ok()) return tenant.status();
      absl::StatusOr<std::string> key =
          keys_.CreateTenant(*tenant, request->origin(), {request->cell(), request->key_database()});
      if (key.ok()) response->set_log_public_key(*std::move(key));
      return key.status();
    };
    return ToGrpc(answer(), "CreateTenant", request->tenant_id());
  }

  grpc::Status CreateLogKey(grpc::ServerContext*, const v1::CreateLogKeyRequest* request,
                            v1::CreateLogKeyResponse* response) override {
    absl::StatusOr<std::string> key = keys_.CreateLogKey(request->origin());
    if (key.ok()) response->set_log_public_key(*std::move(key));
    return ToGrpc(key.status(), "CreateLogKey", request->origin());
  }

  grpc::Status CreatePatientKey(grpc::ServerContext*, const v1::CreatePatientKeyRequest* request,
                                v1::CreatePatientKeyResponse* response) override {
    const auto answer = [&]() -> absl::Status {
      const absl::StatusOr<TenantId> tenant = TenantId::Parse(request->tenant_id());
      if (!tenant.ok()) return tenant.status();
      const auto patients = PatientsOf(request->patient_id());
      if (!patients.ok()) return patients.status();
      absl::StatusOr<std::vector<StoredKey>> stored = keys_.CreatePatientKeys(*tenant, *patients);
      if (!stored.ok()) return stored.status();
      for (StoredKey& key : *stored) {
        v1::StoredKey& out = *response->add_stored();
        out.set_what(std::move(key.what));
        out.set_key_id(std::move(key.key_id));
        out.set_wrapped_sha256(std::string(ledger::AsBytes(key.wrapped_sha256)));
        out.set_shard_id(std::move(key.shard_id));
        out.set_epoch(key.epoch);
      }
      return absl::OkStatus();
    };
    return ToGrpc(answer(), "CreatePatientKey", request->tenant_id());
  }

  grpc::Status UnwrapPatientKeys(grpc::ServerContext*, const v1::UnwrapPatientKeysRequest* request,
                                 v1::UnwrapPatientKeysResponse* response) override {
    const auto answer = [&]() -> absl::Status {
      const absl::StatusOr<TenantId> tenant = TenantId::Parse(request->tenant_id());
      if (!tenant.ok()) return tenant.status();
      const auto patients = PatientsOf(request->patient_id());
      if (!patients.ok()) return patients.status();
      const absl::StatusOr<std::vector<Secret>> secrets = keys_.UnwrapPatientKeys(*tenant, *patients, request->purpose());
      if (!secrets.ok()) return secrets.status();
      for (const Secret& secret : *secrets) response->add_key(std::string(secret.Read(SecretAccess("answer an unwrap call"))));
      return absl::OkStatus();
    };
    return ToGrpc(answer(), "UnwrapPatientKeys", request->tenant_id());
  }

  grpc::Status LocatorTokens(grpc::ServerContext*, const v1::LocatorTokensRequest* request,
                             v1::LocatorTokensResponse* response) override {
    const auto answer = [&]() -> absl::Status {
      const absl::StatusOr<TenantId> tenant = TenantId::Parse(request->tenant_id());
      if (!tenant.ok()) return tenant.status();
      const std::vector<std::string> values(request->value().begin(), request->value().end());
      absl::StatusOr<std::vector<std::string>> tokens = keys_.LocatorTokens(*tenant, values);
      if (!tokens.ok()) return tokens.status();
      for (std::string& token : *tokens) response->add_token(std::move(token));
      return absl::OkStatus();
    };
    return ToGrpc(answer(), "LocatorTokens", request->tenant_id());
  }

  grpc::Status IndexKey(grpc::ServerContext*, const v1::IndexKeyRequest* request, v1::IndexKeyResponse* response) override {
    const auto answer = [&]() -> absl::Status {
      const absl::StatusOr<TenantId> tenant = TenantId::Parse(request->tenant_id());
      if (!tenant.ok()) return tenant.status();
      const absl::StatusOr<Secret> key = keys_.IndexKey(*tenant);
      if (key.ok()) response->set_key(std::string(key->Read(SecretAccess("answer an index key call"))));
      return key.status();
    };
    return ToGrpc(answer(), "IndexKey", request->tenant_id());
  }

  grpc::Status SignCheckpoint(grpc::ServerContext*, const v1::SignCheckpointRequest* request,
                              v1::SignCheckpointResponse* response) override {
    const auto answer = [&]() -> absl::Status {
      const absl::StatusOr<ledger::Hash> root = ledger::HashFromBytes(request->root());
      if (!root.ok()) return root.status();
      absl::StatusOr<std::string> signature = keys_.SignCheckpoint(request->origin(), request->size(), *root);
      if (signature.ok()) response->set_signature(*std::move(signature));
      return signature.status();
    };
    return ToGrpc(answer(), "SignCheckpoint", request->origin());
  }

  grpc::Status Status(grpc::ServerContext*, const v1::StatusRequest*, v1::StatusResponse* response) override {
    absl::StatusOr<KeyStatus> status = keys_.Status();
    if (status.ok()) {
      response->set_ready(status->ready);
      for (std::string& tenant : status->dark_tenants) response->add_dark_tenant_id(std::move(tenant));
    }
    return ToGrpc(status.status(), "Status", "");
  }

  grpc::Status ReadWrappedKeys(grpc::ServerContext*, const v1::ReadWrappedKeysRequest* request,
                               v1::ReadWrappedKeysResponse* response) override {
    const auto answer = [&]() -> absl::Status {
      const absl::StatusOr<TenantId> tenant = TenantId::Parse(request->tenant_id());
      if (!tenant.ok()) return tenant.status();
      std::vector<KeyName> names;
      for (const v1::KeyName& key : request->key()) names.push_back({key.what(), key.key_id()});
      absl::StatusOr<std::vector<std::string>> wrapped = wrapped_keys_.ReadWrapped(*tenant, names);
      if (!wrapped.ok()) return wrapped.status();
      for (std::string& bytes : *wrapped) response->add_wrapped(std::move(bytes));
      return absl::OkStatus();
    };
    return ToGrpc(answer(), "ReadWrappedKeys", request->tenant_id());
  }

 private:
  KeyClient& keys_;
  WrappedKeys& wrapped_keys_;
};

absl::Status PrepareDirectory(const std::string& socket_path) {
  const std::filesystem::path directory = std::filesystem::absolute(socket_path).parent_path();
  std::error_code error;
  if (std::filesystem::create_directories(directory, error)) chmod(directory.c_str(), 0700);
  struct stat info {};
  if (stat(directory.c_str(), &info) != 0) return absl::NotFoundError(fmt::format("there is no folder {}", directory.string()));
  if ((info.st_mode & 077) == 0) return absl::OkStatus();
  return absl::PermissionDeniedError(fmt::format("others may enter {}: chmod 700 it", directory.string()));
}

// Somebody who answers is left alone; what a crash left is removed.
absl::Status ClearSocket(const std::string& socket_path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_path.size() >= sizeof address.sun_path) {
    return absl::InvalidArgumentError(
        fmt::format("{}: a socket's path has at most {} characters", socket_path, sizeof address.sun_path - 1));
  }
  std::memcpy(address.sun_path, socket_path.data(), socket_path.size());
  const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool answered = probe >= 0 && connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  if (probe >= 0) close(probe);
  if (answered) return absl::AlreadyExistsError(fmt::format("a key process already answers on {}", socket_path));
  unlink(socket_path.c_str());
  return absl::OkStatus();
}

}  // namespace

class KeyServer::Core {
 public:
  Core(std::string socket_path, KeyClient& keys, WrappedKeys& wrapped_keys)
      : socket_path_(std::move(socket_path)), calls_(keys, wrapped_keys) {}
  ~Core() {
    if (server_ == nullptr) return;
    server_->Shutdown(std::chrono::system_clock::now() + kGrace);
    server_->Wait();
    unlink(socket_path_.c_str());
  }

  absl::Status Start() {
    grpc::ServerBuilder builder;
    grpc::ResourceQuota quota("keys");
    quota.SetMaxThreads(kThreadsMax);
    builder.SetResourceQuota(quota);
    builder.SetMaxReceiveMessageSize(kMessageBytesMax);
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kCallsMax);
    builder.AddListeningPort("unix:" + socket_path_, grpc::InsecureServerCredentials());
    builder.RegisterService(&calls_);
    // The folder keeps others out while the socket's own mode is being set.
    server_ = builder.BuildAndStart();
    if (server_ == nullptr) return absl::UnavailableError(fmt::format("cannot listen on {}", socket_path_));
    if (chmod(socket_path_.c_str(), 0600) != 0) return absl::UnavailableError(fmt::format("cannot protect {}", socket_path_));
    return absl::OkStatus();
  }

 private:
  const std::string socket_path_;
  Calls calls_;
  std::unique_ptr<grpc::Server> server_;
};

KeyServer::KeyServer(std::unique_ptr<Core> core) : core_(std::move(core)) {}
KeyServer::~KeyServer() = default;

absl::StatusOr<std::unique_ptr<KeyServer>> KeyServer::Start(const std::string& socket_path, KeyClient& keys, WrappedKeys& wrapped_keys) {
  if (auto status = PrepareDirectory(socket_path); !status.ok()) return status;
  if (auto status = ClearSocket(socket_path); !status.ok()) return status;
  auto core = std::make_unique<Core>(socket_path, keys, wrapped_keys);
  if (auto status = core->Start(); !status.ok()) return status;
  return std::unique_ptr<KeyServer>(new KeyServer(std::move(core)));
}

}  // namespace custodian::keys

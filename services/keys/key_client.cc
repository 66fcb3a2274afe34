#include "services/keys/key_client.h"

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
// Keys and tables are made: rare, and slow in a real token.
constexpr std::chrono::milliseconds kCreateTime{30'000};
// A key process that comes back is found again at once.
constexpr int kReconnectMsMin = 20;
constexpr int kReconnectMsMax = 250;

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE) return absl::UnavailableError("the key process does not answer");
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

absl::Status Misanswered(const char* what) {
  return absl::InternalError(std::string("the key process answered with a wrong ") + what);
}

class Remote final : public KeyClient {
 public:
  explicit Remote(const std::string& socket_path) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kReconnectMsMin);
    arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kReconnectMsMin);
    arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kReconnectMsMax);
    // A Unix socket in a directory of the system user's own is what guards the way; no proxy of the environment is asked.
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    stub_ =
        v1::KeyService::NewStub(grpc::CreateCustomChannel("unix:" + socket_path, grpc::InsecureChannelCredentials(), arguments));
  }

  absl::StatusOr<std::string> CreateTenant(const TenantId& tenant, std::string_view origin,
                                           const KeyPlacement& placement) override {
    v1::CreateTenantRequest request;
    request.set_tenant_id(tenant.text());
    request.set_origin(std::string(origin));
    request.set_cell(placement.cell);
    request.set_key_database(placement.key_database);
    v1::CreateTenantResponse response;
    if (auto status = Call(&v1::KeyService::Stub::CreateTenant, request, response, kCreateTime); !status.ok()) return status;
    if (response.log_public_key().size() != 32) return Misanswered("public key");
    return std::move(*response.mutable_log_public_key());
  }

  absl::StatusOr<std::string> CreateLogKey(std::string_view origin) override {
    v1::CreateLogKeyRequest request;
    request.set_origin(std::string(origin));
    v1::CreateLogKeyResponse response;
    if (auto status = Call(&v1::KeyService::Stub::CreateLogKey, request, response, kCreateTime); !status.ok()) return status;
    if (response.log_public_key().size() != 32) return Misanswered("public key");
    return std::move(*response.mutable_log_public_key());
  }

  absl::StatusOr<std::vector<StoredKey>> CreatePatientKeys(const TenantId& tenant, std::span<const PatientId> patients) override {
    v1::CreatePatientKeyRequest request;
    request.set_tenant_id(tenant.text());
    for (const PatientId& patient : patients) request.add_patient_id(patient.bytes());
    v1::CreatePatientKeyResponse response;
    if (auto status = Call(&v1::KeyService::Stub::CreatePatientKey, request, response, kCallTime); !status.ok()) return status;
    std::vector<StoredKey> stored;
    for (v1::StoredKey& key : *response.mutable_stored()) {
      const absl::StatusOr<ledger::Hash> hash = ledger::HashFromBytes(key.wrapped_sha256());
      if (!hash.ok() || key.key_id().size() != 16) return Misanswered("stored key");
      stored.push_back(
          {std::move(*key.mutable_what()), std::move(*key.mutable_key_id()), *hash, std::move(*key.mutable_shard_id()), key.epoch()});
    }
    return stored;
  }

  absl::StatusOr<std::vector<Secret>> UnwrapPatientKeys(const TenantId& tenant, std::span<const PatientId> patients,
                                                        std::string_view purpose) override {
    v1::UnwrapPatientKeysRequest request;
    request.set_tenant_id(tenant.text());
    for (const PatientId& patient : patients) request.add_patient_id(patient.bytes());
    request.set_purpose(std::string(purpose));
    v1::UnwrapPatientKeysResponse response;
    absl::Status status = Call(&v1::KeyService::Stub::UnwrapPatientKeys, request, response, kCallTime);
    std::vector<Secret> keys;
    for (std::string& key : *response.mutable_key()) {
      if (status.ok() && key.empty()) status = absl::NotFoundError("a patient has no key");
      if (status.ok() && key.size() != 32) status = Misanswered("key length");
      if (status.ok()) keys.emplace_back(key);
      Wipe(key);
    }
    if (status.ok() && keys.size() != patients.size()) status = Misanswered("number of keys");
    if (!status.ok()) return status;
    return keys;
  }

  absl::StatusOr<std::vector<std::string>> LocatorTokens(const TenantId& tenant, std::span<const std::string> values) override {
    v1::LocatorTokensRequest request;
    request.set_tenant_id(tenant.text());
    for (const std::string& value : values) request.add_value(value);
    v1::LocatorTokensResponse response;
    if (auto status = Call(&v1::KeyService::Stub::LocatorTokens, request, response, kCallTime); !status.ok()) return status;
    std::vector<std::string> tokens;
    for (std::string& token : *response.mutable_token()) {
      if (token.size() != 32) return Misanswered("token");
      tokens.push_back(std::move(token));
    }
    if (tokens.size() != values.size()) return Misanswered("number of tokens");
    return tokens;
  }

  absl::StatusOr<Secret> IndexKey(const TenantId& tenant) override {
    v1::IndexKeyRequest request;
    request.set_tenant_id(tenant.text());
    v1::IndexKeyResponse response;
    if (auto status = Call(&v1::KeyService::Stub::IndexKey, request, response, kCallTime); !status.ok()) return status;
    if (response.key().size() != 32) return Misanswered("key length");
    Secret key(response.key());
    Wipe(*response.mutable_key());
    return key;
  }

  absl::StatusOr<std::string> SignCheckpoint(std::string_view origin, std::uint64_t size, const ledger::Hash& root) override {
    v1::SignCheckpointRequest request;
    request.set_origin(std::string(origin));
    request.set_size(size);
    request.set_root(std::string(ledger::AsBytes(root)));
    v1::SignCheckpointResponse response;
    if (auto status = Call(&v1::KeyService::Stub::SignCheckpoint, request, response, kCallTime); !status.ok()) return status;
    if (response.signature().size() != 64) return Misanswered("signature");
    return std::move(*response.mutable_signature());
  }

  absl::StatusOr<KeyStatus> Status() override {
    v1::StatusResponse response;
    if (auto status = Call(&v1::KeyService::Stub::Status, v1::StatusRequest(), response, kCallTime); !status.ok()) return status;
    return KeyStatus{response.ready(), {response.dark_tenant_id().begin(), response.dark_tenant_id().end()}};
  }

 private:
  template <typename Request, typename Response>
  absl::Status Call(grpc::Status (v1::KeyService::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                    const Request& request, Response& response, std::chrono::milliseconds time) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + time);
    return FromGrpc((stub_.get()->*method)(&context, request, &response));
  }

  std::unique_ptr<v1::KeyService::Stub> stub_;
};

}  // namespace

::ledger::v1::KeyStored KeyStoredOf(const StoredKey& key) {
  ::ledger::v1::KeyStored stored;
  stored.set_what(key.what);
  stored.set_key_id(key.key_id);
  stored.set_wrapped_sha256(std::string(ledger::AsBytes(key.wrapped_sha256)));
  stored.set_shard_id(key.shard_id);
  stored.set_epoch(key.epoch);
  return stored;
}

std::unique_ptr<KeyClient> KeyClient::Connect(const std::string& socket_path) { return std::make_unique<Remote>(socket_path); }

}  // namespace custodian::keys

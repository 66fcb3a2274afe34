#include "tests/support/keys/key_process.h"

#include <utility>

#include "services/keys/key_server.h"
#include "services/keys/key_service.h"
#include "services/keys/pkcs11_token.h"
#include "tests/support/softhsm.h"
#include "tests/support/temporary_directory.h"

namespace custodian::testing {

class KeyProcess::Folder {
 public:
  TemporaryDirectory directory;
};

KeyProcess::KeyProcess()
    : folder_(std::make_unique<Folder>()),
      state_directory_(folder_->directory.Join("state")),
      network_("test-" + HexEncode(RandomBytes(8))),
      client_(keys::KeyClient::Connect(folder_->directory.Join("run/keys.sock"))),
      wrapped_keys_(keys::WrappedKeys::Connect(folder_->directory.Join("run/keys.sock"))) {}

KeyProcess::~KeyProcess() { Stop(); }

absl::StatusOr<std::unique_ptr<KeyProcess>> KeyProcess::Create() {
  std::unique_ptr<KeyProcess> process(new KeyProcess());
  if (auto status = process->Start(); !status.ok()) return status;
  return process;
}

void KeyProcess::Stop() {
  server_.reset();
  service_.reset();
  token_.reset();
}

absl::Status KeyProcess::Start() {
  const absl::StatusOr<SoftHsm> softhsm = SoftHsm::Get();
  if (!softhsm.ok()) return softhsm.status();
  keys::Pkcs11Token::Options options;
  options.module = softhsm->module;
  options.token_label = softhsm->token_label;
  options.pin = keys::Secret(softhsm->pin);
  options.network = network_;
  absl::StatusOr<std::unique_ptr<keys::Pkcs11Token>> token = keys::Pkcs11Token::Open(std::move(options));
  if (!token.ok()) return token.status();
  token_ = *std::move(token);
  const auto connections = [this](const keys::KeyPlacement& placement) -> absl::StatusOr<tenants::ConnectionSpec> {
    for (const auto& [tenant, database] : databases_) {
      if (database->login().database == placement.key_database) return database->login();
    }
    return absl::NotFoundError("no such key database");
  };
  absl::StatusOr<std::unique_ptr<keys::KeyService>> service = keys::KeyService::Create(*token_, state_directory_, connections);
  if (!service.ok()) return service.status();
  service_ = *std::move(service);
  absl::StatusOr<std::unique_ptr<keys::KeyServer>> server =
      keys::KeyServer::Start(folder_->directory.Join("run/keys.sock"), *service_, *service_);
  if (!server.ok()) return server.status();
  server_ = *std::move(server);
  return absl::OkStatus();
}

absl::StatusOr<std::string> KeyProcess::AddTenant(const TenantId& tenant, std::string_view origin) {
  if (!databases_.contains(tenant)) {
    absl::StatusOr<std::unique_ptr<TestDatabase>> database = TestDatabase::Create("keys", tenant.text());
    if (!database.ok()) return database.status();
    databases_[tenant] = *std::move(database);
  }
  return client_->CreateTenant(tenant, origin, {"test", databases_.at(tenant)->login().database});
}

}  // namespace custodian::testing

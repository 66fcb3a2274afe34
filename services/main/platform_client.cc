#include "services/main/platform_client.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "services/main/commands.h"

namespace custodian::main {

void ConfigOption::AddTo(CLI::App& command) {
  auto* config = command.add_option("--config", file, "configuration (deploy/config.example.yaml explains each key)");
  command.add_option("--home", home, "home of a quickstart; its config.yaml is used")->excludes(config);
}

std::string ConfigOption::Path() const {
  if (file.empty() && home.empty()) throw CommandFailed{2, "name the configuration: --config FILE or --home DIR"};
  return file.empty() ? home + "/config.yaml" : file;
}

Config ConfigOption::Load() const {
  auto config = Config::Load(Path());
  Check(config.status());
  return *std::move(config);
}

std::unique_ptr<rpc::AdminClient> OperatorClient(const Config& config) {
  auto client = rpc::AdminClient::Create({.address = absl::StrCat(config.grpc.address, ":", config.grpc.port),
                                          .ca_file = config.grpc.client_ca_file,
                                          .certificate_file = config.operator_certificate_file,
                                          .key_file = config.operator_key_file});
  Check(client.status());
  return *std::move(client);
}

}  // namespace custodian::main

// `custodian keys`: the key process, the only one that loads the PKCS#11 module or sees its PIN.
#include <sys/stat.h>

#include <csignal>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>

#include "fmt/format.h"
#include "services/keys/key_server.h"
#include "services/keys/key_service.h"
#include "services/keys/pkcs11_token.h"
#include "services/keys/secret.h"
#include "services/main/commands.h"
#include "services/main/config.h"
#include "services/main/platform_client.h"
#include "spdlog/spdlog.h"
#include "tenants/provision.h"

namespace custodian::main {
namespace {

// Enough for the PIN and the keys of calls under way; a machine that gives less should say so now, not under load.
constexpr std::size_t kLockedSecretsMin = 256;

std::string Needed(const std::string& value, const char* key) {
  if (value.empty()) throw CommandFailed{1, fmt::format("configuration key '{}' is needed", key)};
  return value;
}

// Another file, another time: a refused PIN is tried again only when its file was changed.
std::string PinVersion(const std::string& file) {
  struct stat info {};
  if (stat(file.c_str(), &info) != 0) return "";
  return fmt::format("{}.{:09} {}", info.st_mtim.tv_sec, info.st_mtim.tv_nsec, info.st_ino);
}

keys::Secret ReadPin(const std::string& file) {
  absl::StatusOr<std::string> text = ReadFile(file, /*secret=*/true);
  Check(text.status());
  const std::size_t end = text->find_last_not_of("\r\n");
  keys::Secret pin(std::string_view(*text).substr(0, end == std::string::npos ? 0 : end + 1));
  keys::Wipe(*text);
  if (pin.size() == 0) throw CommandFailed{1, fmt::format("'{}' holds no PIN", file)};
  return pin;
}

void Run(const Config& config) {
  if (keys::LockedSecretsMax() < kLockedSecretsMin) {
    throw CommandFailed{1,
                        "too little locked memory for keys: raise the memlock limit (ulimit -l, LimitMEMLOCK) to 64 kB or more"};
  }
  // Before any thread is made, so that all of them leave these to sigwait().
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGTERM);
  sigaddset(&ending, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ending, nullptr);

  const std::string state_directory = Needed(config.keys.state_directory, "keys.state_directory");
  const std::string pin_file = Needed(config.keys.pin_file, "keys.pin_file");
  keys::Pkcs11Token::Options options;
  options.module = Needed(config.keys.module, "keys.module");
  options.token_label = Needed(config.keys.token_label, "keys.token_label");
  options.pin = ReadPin(pin_file);
  options.pin_version = PinVersion(pin_file);
  options.refusal_file = state_directory + "/pin-refused";
  options.network = config.network;
  Check(keys::KeyService::MakeStateDirectory(state_directory));
  absl::StatusOr<std::unique_ptr<keys::Pkcs11Token>> token = keys::Pkcs11Token::Open(std::move(options));
  Check(token.status());

  const auto connections = [&config](const keys::KeyPlacement& placement) {
    return config.Connection(placement.cell, placement.key_database, tenants::LoginRoleOf(placement.key_database),
                             config.keys.secrets_directory);
  };
  absl::StatusOr<std::unique_ptr<keys::KeyService>> service = keys::KeyService::Create(**token, state_directory, connections);
  Check(service.status());
  absl::StatusOr<std::unique_ptr<keys::KeyServer>> server =
      keys::KeyServer::Start(Needed(config.keys.socket, "keys.socket"), **service, **service);
  Check(server.status());
  if (const absl::Status health = (*token)->Health(); health.ok()) {
    spdlog::info("keys: serving on {}", config.keys.socket);
  } else {
    spdlog::error("keys: dark: {}", std::string(health.message()));
  }
  int signal = 0;
  sigwait(&ending, &signal);
  spdlog::info("keys: stopping");
}

}  // namespace

void AddKeys(CLI::App& app) {
  auto options = std::make_shared<ConfigOption>();
  auto* command = app.add_subcommand("keys", "the key process: holds the token, wraps keys, signs checkpoints");
  command->footer(
      "Ends on SIGTERM. A PIN that the token refuses is not tried again until keys.pin_file changes.\n"
      "Example:\n  custodian keys --config /etc/custodian/config.yaml");
  options->AddTo(*command);
  command->callback([options] { Run(options->Load()); });
}

}  // namespace custodian::main

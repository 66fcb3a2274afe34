// What commands that call a running `serve` share: where the configuration is, and an operator's client made from it.
#ifndef CUSTODIAN_SERVICES_MAIN_PLATFORM_CLIENT_H_
#define CUSTODIAN_SERVICES_MAIN_PLATFORM_CLIENT_H_

#include <memory>
#include <string>

#include "CLI/CLI.hpp"
#include "services/main/config.h"
#include "services/rpc/grpc_client.h"

namespace custodian::main {

// --config FILE or --home DIR (DIR/config.yaml).
struct ConfigOption {
  std::string file;
  std::string home;

  // Adds both options to `command`.
  void AddTo(CLI::App& command);
  // The file they name; throws CommandFailed (usage) when neither or both are given.
  [[nodiscard]] std::string Path() const;
  // Loaded; throws CommandFailed.
  [[nodiscard]] Config Load() const;
};

// The operator's client of the `serve` that `config` describes; throws CommandFailed.
[[nodiscard]] std::unique_ptr<rpc::AdminClient> OperatorClient(const Config& config);

}  // namespace custodian::main

#endif  // CUSTODIAN_SERVICES_MAIN_PLATFORM_CLIENT_H_

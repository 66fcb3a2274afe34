// One function a command: adds its options to the app and, when chosen, its run. Each lives in <command>.cc beside this file.
#ifndef CUSTODIAN_SERVICES_MAIN_COMMANDS_H_
#define CUSTODIAN_SERVICES_MAIN_COMMANDS_H_

#include <string>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"

namespace custodian::main {

// Thrown out of a command's callback by Fail(): main() prints "custodian <command>: <message>" as one line on stderr and exits
// with 1 (or 2, for a usage error).
struct CommandFailed {
  int exit_code;
  std::string message;
};
// Returns when `status` is OK.
inline void Check(const absl::Status& status) {
  if (!status.ok()) throw CommandFailed{1, std::string(status.message())};
}

void AddServe(CLI::App& app);
void AddKeys(CLI::App& app);
void AddNode(CLI::App& app);
void AddMigrate(CLI::App& app);
void AddTenant(CLI::App& app);
void AddImport(CLI::App& app);
void AddCorrections(CLI::App& app);
void AddFeed(CLI::App& app);
void AddMatch(CLI::App& app);
void AddSavings(CLI::App& app);
void AddSample(CLI::App& app);
void AddReplay(CLI::App& app);
void AddVerify(CLI::App& app);
void AddStatus(CLI::App& app);
void AddDoctor(CLI::App& app);
void AddExplain(CLI::App& app);

}  // namespace custodian::main

#endif  // CUSTODIAN_SERVICES_MAIN_COMMANDS_H_

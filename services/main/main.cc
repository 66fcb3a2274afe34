// The one binary: chooses a command, prints its errors as one line that says what to do, and exits 0 (ok), 1 (failed) or 2 (usage).
#include <sys/prctl.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <string>

#include "services/main/commands.h"

namespace {

// Secrets live in this process's memory: none may reach a core file.
void ForbidCoreDumps() {
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  prctl(PR_SET_DUMPABLE, 0);
}

// One line, whatever the message holds.
std::string OneLine(std::string text) {
  for (char& c : text) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  return text;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace custodian::main;  // NOLINT: the commands of this binary
  ForbidCoreDumps();
  std::signal(SIGPIPE, SIG_IGN);
  CLI::App app{"Custodian: a ledger-backed exchange of prior results between health systems.", "custodian"};
  app.require_subcommand(1);
  app.set_version_flag("--version", CUSTODIAN_VERSION);
  AddServe(app);
  AddKeys(app);
  AddNode(app);
  AddMigrate(app);
  AddTenant(app);
  AddImport(app);
  AddCorrections(app);
  AddFeed(app);
  AddMatch(app);
  AddSavings(app);
  AddSample(app);
  AddReplay(app);
  AddVerify(app);
  AddStatus(app);
  AddDoctor(app);
  AddExplain(app);
  const auto chosen = [&app] {
    const auto chosen_commands = app.get_subcommands();
    return chosen_commands.empty() ? std::string() : " " + chosen_commands.front()->get_name();
  };
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    std::fprintf(stderr, "custodian%s: %s (see custodian%s --help)\n", chosen().c_str(), OneLine(error.what()).c_str(),
                 chosen().c_str());
    return 2;
  } catch (const CommandFailed& failed) {
    std::fprintf(stderr, "custodian%s: %s\n", chosen().c_str(), OneLine(failed.message).c_str());
    return failed.exit_code;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "custodian%s: unexpected: %s\n", chosen().c_str(), OneLine(error.what()).c_str());
    return 1;
  }
  return 0;
}

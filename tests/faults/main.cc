// custodian_faults: what tests/faults/syscalls runs under strace and against what strace ran.
#include <CLI/CLI.hpp>
#include <string>

#include "tests/faults/faults.h"

int main(int argc, char** argv) {
  CLI::App app("What tests/faults/syscalls runs; see its --help");
  app.require_subcommand(1);
  int code = 0;

  std::string folder;
  int count = 4;
  auto* requests = app.add_subcommand("witness-requests", "writes requests for a witness into a folder");
  requests->add_option("folder", folder)->required();
  requests->add_option("count", count)->required();
  requests->callback([&] { custodian::faults::WriteWitnessRequests(folder, count); });

  custodian::faults::WriterCases cases;
  auto* writer_cases = app.add_subcommand("writer-cases", "a writer whose system calls, or whose server's, fail");
  writer_cases->add_flag("--grid", cases.grid);
  writer_cases->add_option("--restart-postgres", cases.restart_postgres);
  writer_cases->callback([&] { code = custodian::faults::RunWriterCases(cases) == 0 ? 0 : 1; });

  int first = 0;
  int writes = 0;
  auto* writer = app.add_subcommand("writer", "the writer of a case");
  writer->add_option("first", first)->required();
  writer->add_option("writes", writes)->required();
  writer->callback([&] { code = custodian::faults::RunWriter(first, writes); });

  custodian::faults::RandomKills kills;
  auto* random_kills = app.add_subcommand("random-kills", "a writer and a server that are killed at random");
  random_kills->add_option("--seed", kills.seed);
  random_kills->add_option("--seconds", kills.seconds);
  random_kills->add_option("--restart-postgres", kills.restart_postgres);
  random_kills->add_option("--postgres-pid-file", kills.postgres_pid_file);
  random_kills->callback([&] { code = custodian::faults::RunRandomKills(kills) == 0 ? 0 : 1; });
  app.add_subcommand("killed-writer", "the writer of random-kills")->callback([&] { code = custodian::faults::RunKilledWriter(); });

  CLI11_PARSE(app, argc, argv);
  return code;
}

// The parts of custodian_faults, the program of tests/faults/syscalls. One thread, but for the writer's own.
#ifndef CUSTODIAN_TESTS_FAULTS_FAULTS_H_
#define CUSTODIAN_TESTS_FAULTS_FAULTS_H_

#include <cstdint>
#include <string>

namespace custodian::faults {

// Writes into `folder` what a witness is told and asked: `logs` (the log's verifier key), `name` (of its state file), `request-1` to
// `request-<count>`, each from the size before, and `fork-1` to `fork-<count>`, the same with another history's root.
void WriteWitnessRequests(const std::string& folder, int count);

struct WriterCases {
  // All calls at all positions; else a few.
  bool grid = false;
  // Writes a case, one commit each.
  int writes = 6;
  // Called when PostgreSQL does not come back by itself.
  std::string restart_postgres;
};
// Runs them on the server of CUSTODIAN_TEST_POSTGRES, prints a line a case; how many failed.
[[nodiscard]] int RunWriterCases(const WriterCases& cases);

// The child of a case: a writer that prints what was answered, with the connection in PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSWORD. Prints
// `ready`, waits for a line, makes writes first to first + count - 1 and prints `<write> <log index>` for each that was admitted.
int RunWriter(int first, int count);

struct RandomKills {
  std::uint64_t seed = 1;
  int seconds = 20;
  // Starts PostgreSQL again after its postmaster was killed; it is not killed without.
  std::string restart_postgres;
  // Of the postmaster, first line; PostgreSQL's postmaster.pid.
  std::string postgres_pid_file;
};
// Kills a writer, its PostgreSQL's backends and postmaster at random while writes are on their way, on the server of CUSTODIAN_TEST_POSTGRES, and
// compares what is stored with what was answered. Prints what happened; how many things were wrong.
[[nodiscard]] int RunRandomKills(const RandomKills& kills);

// Its child: a writer that reads the numbers of writes to make, and prints what each was answered (random_kills.h).
int RunKilledWriter();

}  // namespace custodian::faults

#endif  // CUSTODIAN_TESTS_FAULTS_FAULTS_H_

// A tenant's log as `serve` runs it, and its authors: PostgreSQL of CUSTODIAN_TEST_POSTGRES, the partition writer, LedgerService behind the gRPC
// server with mutual TLS; and a client that keeps so many AppendBatch calls in flight, on one thread, of requests that were signed before.
#ifndef CUSTODIAN_TESTS_BENCHMARK_LEDGER_APPEND_SERVER_H_
#define CUSTODIAN_TESTS_BENCHMARK_LEDGER_APPEND_SERVER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "ledger/entry.pb.h"
#include "tests/benchmark/load.h"

namespace custodian::benchmark {

// Of `entry_bytes` (Entry, serialized), what an author signs.
inline constexpr std::size_t kAppendedEntryBytes = 300;

class AppendServer {
 public:
  struct Options {
    ledger::v1::SignatureAlgorithm algorithm = ledger::v1::SIGNATURE_ALGORITHM_ED25519;
    // Entries under one signature, in one call.
    int batch = 1;
    int in_flight = 64;
    // TLS connections they are spread over.
    int channels = 4;
  };
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<AppendServer>> Create(const Options& options);
  ~AppendServer();

  // Signs so many requests more.
  [[nodiscard]] absl::Status Prepare(std::int64_t requests);
  // Sends those that were prepared until `slice` is over or nothing is left (FailedPrecondition, since then it measured its own preparation);
  // each answer must be OK. `answered` counts calls.
  [[nodiscard]] absl::StatusOr<Figures> Run(absl::Duration slice);
  // Sends all that were prepared.
  [[nodiscard]] absl::StatusOr<Figures> RunAll() { return Run(absl::InfiniteDuration()); }

  // Processor time that the sending thread used in all Run()s.
  [[nodiscard]] absl::Duration client_time() const;
  // libpq connection string of the superuser on the log's database.
  [[nodiscard]] std::string superuser() const;

 private:
  class Core;
  explicit AppendServer(std::unique_ptr<Core> core);
  std::unique_ptr<Core> core_;
};

}  // namespace custodian::benchmark

#endif  // CUSTODIAN_TESTS_BENCHMARK_LEDGER_APPEND_SERVER_H_

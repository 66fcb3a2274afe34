// Logs whose checkpoints are witnessed as in production: the real publisher, key process and witnesses (HTTPS, state on disk), each log a database
// of its own with its writer, on the PostgreSQL of CUSTODIAN_TEST_POSTGRES.
#ifndef CUSTODIAN_TESTS_BENCHMARK_LEDGER_PUBLISHED_LOGS_H_
#define CUSTODIAN_TESTS_BENCHMARK_LEDGER_PUBLISHED_LOGS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/log/publisher.h"
#include "tests/support/keys/key_process.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/test_certificates.h"
#include "tests/support/witness_server.h"
#include "tests/support/written_log.h"

namespace custodian::benchmark {

class PublishedLogs {
 public:
  struct Options {
    int logs = 1;
    int witnesses = 5;
    // Of them, for a quorum; that cannot be reached; that take 2 s an answer.
    int needed = 3;
    int dead = 0;
    int slow = 0;
  };
  PublishedLogs() = default;
  ~PublishedLogs();
  PublishedLogs(const PublishedLogs&) = delete;
  PublishedLogs& operator=(const PublishedLogs&) = delete;

  // Once, before anything else.
  [[nodiscard]] absl::Status Start(const Options& options);
  // Index of one entry more in the log, once it is admitted.
  [[nodiscard]] absl::StatusOr<std::uint64_t> Write(int log);
  // Waits until a published checkpoint covers `size` entries.
  [[nodiscard]] absl::Status WaitWitnessed(int log, std::uint64_t size);

 private:
  testing::TemporaryDirectory folder_;
  testing::TestCertificates certificates_;
  std::unique_ptr<testing::KeyProcess> keys_;
  std::vector<std::unique_ptr<testing::WitnessServer>> witnesses_;
  std::unique_ptr<rpc::HttpsClient> client_;
  std::unique_ptr<log::Publisher> publisher_;
  // Their writers tell the publisher of commits, and end first.
  std::vector<std::unique_ptr<testing::WrittenLog>> logs_;
  std::vector<std::thread> loops_;
};

}  // namespace custodian::benchmark

#endif  // CUSTODIAN_TESTS_BENCHMARK_LEDGER_PUBLISHED_LOGS_H_

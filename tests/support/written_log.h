// A partition's log for tests: a migrated database, an author key, a roster that admits it, and a running writer. Not thread-safe
// itself; the writer is.
#ifndef CUSTODIAN_TESTS_SUPPORT_WRITTEN_LOG_H_
#define CUSTODIAN_TESTS_SUPPORT_WRITTEN_LOG_H_

#include <memory>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "ledger/signature.h"
#include "tenants/log_reader.h"
#include "tenants/partition_writer.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fixed_roster.h"
#include "tests/support/postgres.h"

namespace custodian::testing {

inline constexpr const char* kTestOrigin = "custodian.example/p/00000000000000aa";
inline constexpr const char* kTestAuthor = "spiffe://custodian.example/custodian/serve";

class WrittenLog {
 public:
  struct Options {
    std::string_view set = "tenant";
    std::string_view tenant = kTestTenant;
    tenants::PartitionWriter::Options writer = {.origin = kTestOrigin, .author = kTestAuthor};
  };
  // Starts the writer on the login role's connections.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<WrittenLog>> Create();
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<WrittenLog>> Create(Options options);
  ~WrittenLog();

  // Stops the writer and starts a new one, as after a restart; through `spec` when given.
  [[nodiscard]] absl::Status Restart();
  [[nodiscard]] absl::Status RestartThrough(const tenants::ConnectionSpec& spec);
  void Stop();

  [[nodiscard]] TestDatabase& postgres() { return *postgres_; }
  [[nodiscard]] tenants::PartitionWriter& writer() { return *writer_; }
  [[nodiscard]] const tenants::LogReader& log() const { return *log_; }
  [[nodiscard]] const ledger::Signer& signer() const { return *signer_; }
  [[nodiscard]] FixedRoster& roster() { return roster_; }
  [[nodiscard]] FakeClock& clock() { return clock_; }

 private:
  WrittenLog() = default;

  Options options_;
  std::unique_ptr<TestDatabase> postgres_;
  std::unique_ptr<tenants::Database> database_;
  std::unique_ptr<ledger::Signer> signer_;
  FixedRoster roster_;
  FakeClock clock_;
  std::unique_ptr<tenants::PartitionWriter> writer_;
  std::unique_ptr<tenants::LogReader> log_;
  std::thread thread_;
};

}  // namespace custodian::testing

#endif  // CUSTODIAN_TESTS_SUPPORT_WRITTEN_LOG_H_

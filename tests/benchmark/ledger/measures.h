// How fast and how large the ledger is: a function a measure, or a few that are one (README.md of tests/benchmark says what each is). Those that
// write do so on the PostgreSQL of CUSTODIAN_TEST_POSTGRES.
#ifndef CUSTODIAN_TESTS_BENCHMARK_LEDGER_MEASURES_H_
#define CUSTODIAN_TESTS_BENCHMARK_LEDGER_MEASURES_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "tests/benchmark/measure.h"

namespace custodian::benchmark {

// "append_ed25519", "append_p256", "append_batch100" or "append_batch100_vs_copy": durable 300-byte entries a second of one log through gRPC, 64
// calls in flight, against plain inserts of 32 clients or binary COPY of 1,000 rows a transaction by `copy_clients`.
[[nodiscard]] absl::StatusOr<Report> MeasureAppends(const Settings& settings, const std::string& measure, int copy_clients);
// Processor time an entry in batches of 100 once the log has `entries`, against a log of 10,000.
[[nodiscard]] absl::StatusOr<Report> MeasureAppendGrowth(const Settings& settings, std::int64_t entries);
// How soon a write is witnessed while as many logs are busy, with five witnesses of which 3 make a quorum, `dead` cannot be reached and `slow` take
// 2 s an answer.
[[nodiscard]] absl::StatusOr<Report> MeasureCheckpoints(const Settings& settings, int logs, int dead, int slow);
// From admitted to witnessed, at half of the log's peak: 4 witnesses of which 3 are needed and one is dead.
[[nodiscard]] absl::StatusOr<Report> MeasureWitnessed(const Settings& settings);
// Receipts verified a second on one core, times the signatures in each, against OpenSSL verifying Ed25519 signatures.
[[nodiscard]] absl::StatusOr<Report> MeasureReceipts(const Settings& settings);
// Entries of a log, signed 100 at a time, audited a second on one core, against SHA-256 of their leaves.
[[nodiscard]] absl::StatusOr<Report> MeasureAudit(const Settings& settings, std::int64_t entries);

// "start_to_write" and "serve_rss" of the quickstart at `home` (its `serve` stopped) once its logs have `entries` together, against themselves before.
// `tenants_file` is what `custodian tenant list --json` says, `author_key` the key (PEM) enrolled for KIND_CONSENT_SET of the first tenant's node
// `quickstart`. On the PostgreSQL of CUSTODIAN_TEST_POSTGRES, which is the home's. The home is of no other use afterwards.
[[nodiscard]] absl::StatusOr<Report> MeasureRestarts(const Settings& settings, const std::string& home, const std::string& tenants_file,
                                                     const std::string& author_key, std::int64_t entries);

}  // namespace custodian::benchmark

#endif  // CUSTODIAN_TESTS_BENCHMARK_LEDGER_MEASURES_H_

// The peer: what a hospital would use today for the same evidence, an audit table in the same PostgreSQL. Each call is one statement
// and one transaction (autocommit, prepared, binary, libpq) that inserts the given number of bytes, a row per table, and returns once
// it is durable. The table is as cheap as one can be made (an identity, a time, the bytes; the only index is the primary key), so
// that the comparison errs in the peer's favour.
#ifndef CUSTODIAN_TESTS_BENCHMARK_PLAIN_POSTGRES_H_
#define CUSTODIAN_TESTS_BENCHMARK_PLAIN_POSTGRES_H_

#include <libpq-fe.h>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tests/benchmark/load.h"

namespace custodian::benchmark {

// One libpq connection; used by one thread at a time.
class Connection {
 public:
  [[nodiscard]] static absl::StatusOr<Connection> Open(const std::string& conninfo);

  // The same for one that answers with one value, as text.
  [[nodiscard]] absl::StatusOr<std::string> Query(const std::vector<std::string_view>& parameters);
  // `sql` is COPY ... FROM STDIN; the rows in its text format, one transaction.
  [[nodiscard]] absl::Status Copy(const std::string& sql, const std::vector<std::string>& rows);
  // The same of what COPY reads, whole, in the format that `sql` names.
  [[nodiscard]] absl::Status CopyRaw(const std::string& sql, std::string_view data);
  // SQL without parameters; the rows as text.
  [[nodiscard]] absl::StatusOr<std::vector<std::vector<std::string>>> Run(const std::string& sql);
  [[nodiscard]] absl::Status Prepare(const std::string& sql);
  // The prepared statement, with these bytea parameters.
  [[nodiscard]] absl::Status Execute(const std::vector<std::string_view>& parameters);

 private:
  struct Finish {
    void operator()(PGconn* connection) const { PQfinish(connection); }
  };
  explicit Connection(std::unique_ptr<PGconn, Finish> connection) : connection_(std::move(connection)) {}
  std::unique_ptr<PGconn, Finish> connection_;
};

// A value in COPY's text format; without control characters.
[[nodiscard]] std::string CopyText(std::string_view value);

// What a partition's database holds for its order checks: bytes of the leaves, and of the rows beside them (values alone).
struct StoredBytes {
  double entries = 0;
  double rows = 0;
};
[[nodiscard]] absl::StatusOr<StoredBytes> BytesOfOrderChecks(Connection& connection);

// Random bytes to insert, made once: what is sealed does not compress.
class RandomText {
 public:
  explicit RandomText(std::size_t bytes);
  // Another place each time; at most half of what was made.
  [[nodiscard]] std::string_view Take(std::size_t bytes);

 private:
  std::string bytes_;
  std::size_t next_ = 0;
};

// The same table filled in bulk: each call is one binary COPY of so many rows, one transaction. What a batch of entries is held against.
class PlainCopy final : public Side {
 public:
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<PlainCopy>> Create(const std::string& superuser, std::size_t row_bytes, int rows, int clients);
  // Drops its database.
  ~PlainCopy() override;
  PlainCopy(const PlainCopy&) = delete;
  PlainCopy& operator=(const PlainCopy&) = delete;

  [[nodiscard]] absl::StatusOr<Outcome> Call(int client) override;

 private:
  PlainCopy(std::string superuser, std::string database) : superuser_(std::move(superuser)), database_(std::move(database)) {}

  const std::string superuser_;
  const std::string database_;
  // One transaction's rows in COPY's binary format.
  std::string rows_;
  std::vector<Connection> clients_;
};

class PlainPostgres final : public Side {
 public:
  // Makes a database of its own beside `superuser`'s, with a table for each of `row_bytes`.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<PlainPostgres>> Create(const std::string& superuser, std::vector<std::size_t> row_bytes,
                                                                             int clients);
  // Drops it.
  ~PlainPostgres() override;
  PlainPostgres(const PlainPostgres&) = delete;
  PlainPostgres& operator=(const PlainPostgres&) = delete;

  [[nodiscard]] absl::StatusOr<Outcome> Call(int client) override;

 private:
  struct Client {
    Connection connection;
    RandomText text;
  };
  PlainPostgres(std::string superuser, std::string database, std::vector<std::size_t> row_bytes)
      : superuser_(std::move(superuser)), database_(std::move(database)), row_bytes_(std::move(row_bytes)) {}
  [[nodiscard]] absl::Status Connect(int clients);

  const std::string superuser_;
  const std::string database_;
  const std::vector<std::size_t> row_bytes_;
  std::vector<Client> clients_;
};

}  // namespace custodian::benchmark

#endif  // CUSTODIAN_TESTS_BENCHMARK_PLAIN_POSTGRES_H_

// A pool of connections to one PostgreSQL database under one login role, and the only way to a transaction on it. Thread-safe.
// Never retries a COMMIT whose outcome is unknown: that is StatusCode::kUnknown. Errors never carry SQL text or values.
#ifndef CUSTODIAN_TENANTS_DATABASE_H_
#define CUSTODIAN_TENANTS_DATABASE_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tenants/transaction.h"

namespace custodian::tenants {

struct ConnectionSpec {
  // Directory of the Unix socket, or a host name.
  std::string host;
  int port = 5432;
  std::string database;
  std::string user;
  std::string password;
  // Appended as key=value pairs, for sslmode and its files.
  std::string options;
};

class Database {
 public:
  struct Options {
    // At once; a caller waits up to `wait` for one (Unavailable after).
    int connections_max = 1;
    absl::Duration wait = absl::Seconds(5);
    // The sessions plan each statement once, whatever its values: for who looks up by keys only (see connection.cc), and asks often.
    bool plan_once = false;
    // The sessions may write outside of a transaction, for WriteOne(); others' may not, so that ReadOne() reads only.
    bool write_one = false;
  };
  // Lazy: connects at first use.
  Database(ConnectionSpec spec, Options options);
  Database(ConnectionSpec spec, int connections_max) : Database(std::move(spec), Options{.connections_max = connections_max}) {}
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // Runs `body` in a READ ONLY, repeatable-read transaction.
  [[nodiscard]] absl::Status Read(const std::function<absl::Status(ReadTransaction&)>& body) const;
  // The same for a `body` that makes one statement: no transaction is opened around it, so that it takes one round trip instead of three.
  // The statement may run again on another session when the server went away.
  [[nodiscard]] absl::Status ReadOne(const std::function<absl::Status(ReadTransaction&)>& body) const;
  // Runs `body`; commits when it returns OK, else rolls back. AlreadyExists on a unique violation, Aborted on a serialization
  // failure, Unavailable when the server cannot be reached, Unknown when the COMMIT is in doubt.
  [[nodiscard]] absl::Status Write(const std::function<absl::Status(WriteTransaction&)>& body) const;
  // The same for a `body` that makes one statement, which commits by itself if it does not fail, whatever the body returns: one round trip instead
  // of four, and then in doubt, Unknown, whenever the connection is lost. As Write() where Options do not allow it.
  [[nodiscard]] absl::Status WriteOne(const std::function<absl::Status(WriteTransaction&)>& body) const;

 private:
  class Pool;
  std::unique_ptr<Pool> pool_;
};

}  // namespace custodian::tenants

#endif  // CUSTODIAN_TENANTS_DATABASE_H_

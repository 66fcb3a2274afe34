// How this folder opens a PostgreSQL session and turns what libpqxx throws into a Status. Included by database.cc, provision.cc and
// the tests' fixture only: everyone else uses a Database.
#ifndef CUSTODIAN_TENANTS_CONNECTION_H_
#define CUSTODIAN_TENANTS_CONNECTION_H_

#include <memory>

#include "absl/status/status.h"
#include "tenants/database.h"

namespace pqxx {
class connection_base;
}

namespace custodian::tenants {

// A session, and how many notices and warnings the server sent on it.
class Session {
 public:
  // Throws what libpqxx throws.
  explicit Session(const ConnectionSpec& spec);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  [[nodiscard]] pqxx::connection_base& connection();
  [[nodiscard]] int notices() const;
  // Name of a statement; prepared at first use.
  [[nodiscard]] const std::string& Prepared(const std::string& sql);

 private:
  struct Open;
  std::unique_ptr<Open> open_;
};

// Inside a catch block: the exception as a Status that names the database and the server's error code or constraint, never SQL
// text or values. Exceptions that are not libpqxx's or the standard library's pass on.
[[nodiscard]] absl::Status StatusOfException(const ConnectionSpec& spec);

}  // namespace custodian::tenants

#endif  // CUSTODIAN_TENANTS_CONNECTION_H_

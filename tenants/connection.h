// How this folder opens a PostgreSQL session and turns what libpqxx throws into a Status. Included by database.cc and
// provision.cc only: everyone else uses a Database.
#ifndef CUSTODIAN_TENANTS_CONNECTION_H_
#define CUSTODIAN_TENANTS_CONNECTION_H_

#include <memory>
#include <pqxx/pqxx>
#include <string>

#include "absl/status/status.h"
#include "tenants/database.h"

namespace custodian::tenants {

// A session, and how many notices and warnings the server sent on it.
class Session {
 public:
  // Throws what libpqxx throws.
  explicit Session(const ConnectionSpec& spec);

  [[nodiscard]] pqxx::connection& connection() { return *connection_; }
  [[nodiscard]] int notices() const { return notices_->count(); }

 private:
  // Keeps libpqxx from printing notices (they may quote values) to stderr.
  class Notices final : public pqxx::errorhandler {
   public:
    explicit Notices(pqxx::connection_base& connection) : pqxx::errorhandler(connection) {}
    bool operator()(const char[]) noexcept override {
      ++count_;
      return false;
    }
    [[nodiscard]] int count() const { return count_; }

   private:
    int count_ = 0;
  };

  std::unique_ptr<pqxx::connection> connection_;
  std::unique_ptr<Notices> notices_;
};

// Inside a catch block: the exception as a Status that names the database and the server's error code or constraint, never SQL
// text or values. Exceptions that are not libpqxx's or the standard library's pass on.
[[nodiscard]] absl::Status StatusOfException(const ConnectionSpec& spec);

}  // namespace custodian::tenants

#endif  // CUSTODIAN_TENANTS_CONNECTION_H_

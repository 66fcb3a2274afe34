// A TCP relay before a PostgreSQL server that can lose the connection around a commit, be it a COMMIT or the one statement of a partition writer that
// commits by itself: before the server hears of it ("failed and not stored") or after it is done ("failed to answer but stored"). Thread-safe; runs
// threads of its own.
#ifndef CUSTODIAN_TESTS_SUPPORT_FAULT_PROXY_H_
#define CUSTODIAN_TESTS_SUPPORT_FAULT_PROXY_H_

#include <memory>

#include "tenants/database.h"

namespace custodian::testing {

class FaultProxy {
 public:
  enum class Fault {
    kNone,
    // The connection ends before the commit reaches the server.
    kCommitLost,
    // The server commits; its answer never arrives.
    kAnswerLost,
    // The connection ends as soon as the commit has been sent: the server may still be at it.
    kCutOnceSent,
  };

  explicit FaultProxy(const tenants::ConnectionSpec& server);
  ~FaultProxy();
  FaultProxy(const FaultProxy&) = delete;
  FaultProxy& operator=(const FaultProxy&) = delete;

  // The same role and database, through the relay.
  [[nodiscard]] tenants::ConnectionSpec Through(tenants::ConnectionSpec spec) const;
  // Strikes the next commit, once.
  void StrikeNextCommit(Fault fault);
  // Faults that have struck.
  [[nodiscard]] int struck() const;

 private:
  class Relay;
  std::unique_ptr<Relay> relay_;
};

}  // namespace custodian::testing

#endif  // CUSTODIAN_TESTS_SUPPORT_FAULT_PROXY_H_

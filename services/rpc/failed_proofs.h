// Addresses from which proofs of identity failed lately: whoever goes on guessing is made to wait before the next one is looked at, so that signatures
// that nobody made cost little processor time; what is looked at already when the limit is reached is looked at to its end. Failures count, never successes; by
// address and not by the client that is named, so that nobody locks another out by naming him. Thread-safe.
#ifndef CUSTODIAN_SERVICES_RPC_FAILED_PROOFS_H_
#define CUSTODIAN_SERVICES_RPC_FAILED_PROOFS_H_

#include <cstddef>
#include <map>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "tenants/clock.h"

namespace custodian::rpc {

class FailedProofs {
 public:
  // An address may fail so often at once, and then so often a second.
  static constexpr double kAtOnce = 20;
  static constexpr double kPerSecond = 5;
  // Beyond, all are forgotten: who has that many addresses is not held back by counting them.
  static constexpr std::size_t kAddressesMax = 10'000;

  // `machine_clock` is borrowed.
  explicit FailedProofs(const Clock& machine_clock) : clock_(machine_clock) {}

  // How long until a proof from there is looked at; zero: now. `address` as HttpRequest has it; an IPv6 network of 64 bits is one address.
  [[nodiscard]] absl::Duration WaitOf(std::string_view address) ABSL_LOCKS_EXCLUDED(mutex_);
  void Note(std::string_view address) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Failures {
    double count = 0;
    absl::Time counted;
  };
  // What is left of them by now.
  [[nodiscard]] double CountNow(const Failures& failures) const;

  const Clock& clock_;
  absl::Mutex mutex_;
  std::map<std::string, Failures, std::less<>> failures_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace custodian::rpc

#endif  // CUSTODIAN_SERVICES_RPC_FAILED_PROOFS_H_

// The platform as an EHR, a result feed and an operator reach it from outside: HTTPS, gRPC, and nothing else. An interface, so
// that tests can break it. Calls block; used by one thread.
#ifndef CUSTODIAN_SERVICES_SAMPLE_REPLAY_PLATFORM_H_
#define CUSTODIAN_SERVICES_SAMPLE_REPLAY_PLATFORM_H_

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace custodian::sample {

class Platform {
 public:
  struct Answer {
    int status = 0;
    // Of the Retry-After header: the platform asks for the same call later. Also of an order check without cards that took as long as one may (450 ms): it may have
    // been given up, which a clinician is not told, and an EHR may ask again.
    bool retry_later = false;
    std::string body;
  };
  virtual ~Platform() = default;

  // Simulated time, as an operator. InvalidArgument when network time is later already.
  [[nodiscard]] virtual absl::Status SetTime(absl::Time time) = 0;
  // A FHIR write by the tenant's client; `path` is below its base ("" for a transaction).
  [[nodiscard]] virtual absl::StatusOr<Answer> WriteFhir(const std::string& tenant, const std::string& method,
                                                         const std::string& path, const std::string& body,
                                                         const std::string& idempotency_key) = 0;
  // A call by the tenant's EHR, with a new token each time: "/prior-results" or "/prior-results/feedback".
  [[nodiscard]] virtual absl::StatusOr<Answer> CallCds(const std::string& tenant, const std::string& path,
                                                       const std::string& body) = 0;
  [[nodiscard]] virtual absl::Status AdvanceWatermark(const std::string& tenant, absl::Time through,
                                                      const std::string& idempotency_key) = 0;
  [[nodiscard]] virtual absl::Status ReportGap(const std::string& tenant, absl::Time from, absl::Time to,
                                               const std::string& idempotency_key) = 0;
};

// From HOME/summary.json, with its certificates and keys. NotFound, InvalidArgument naming the field.
[[nodiscard]] absl::StatusOr<std::unique_ptr<Platform>> ConnectToHome(const std::string& home);

}  // namespace custodian::sample

#endif  // CUSTODIAN_SERVICES_SAMPLE_REPLAY_PLATFORM_H_

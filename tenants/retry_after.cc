#include "tenants/retry_after.h"

#include <cstdint>
#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace custodian::tenants {
namespace {

constexpr char kPayload[] = "custodian/retry-after-ms";

}  // namespace

absl::Status WithRetryAfter(absl::Status status, absl::Duration wait) {
  status.SetPayload(kPayload, absl::Cord(absl::StrCat(absl::ToInt64Milliseconds(wait))));
  return status;
}

std::optional<absl::Duration> RetryAfterOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kPayload);
  std::int64_t wait_ms = 0;
  if (!payload || !absl::SimpleAtoi(std::string(*payload), &wait_ms)) return std::nullopt;
  return absl::Milliseconds(wait_ms);
}

}  // namespace custodian::tenants

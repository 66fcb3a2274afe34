#include "services/rpc/failed_proofs.h"

#include <arpa/inet.h>

#include <algorithm>

namespace custodian::rpc {
namespace {

constexpr std::size_t kNetworkBytes = 8;

// Who has an IPv6 address has all of its network; one of IPv4 is that one alone, as a socket of IPv6 names it, too (RFC 4291, section 2.5.5.2).
std::string NetworkOf(std::string_view address) {
  std::string text(address);
  in6_addr bytes{};
  if (inet_pton(AF_INET6, text.c_str(), &bytes) != 1) return text;
  if (IN6_IS_ADDR_V4MAPPED(&bytes)) {
    char mapped[INET_ADDRSTRLEN];
    return inet_ntop(AF_INET, &bytes.s6_addr[sizeof bytes - sizeof(in_addr)], mapped, sizeof mapped);
  }
  return std::string(reinterpret_cast<const char*>(&bytes), kNetworkBytes);
}

}  // namespace

double FailedProofs::CountNow(const Failures& failures) const {
  // A clock that is set back forgives nothing.
  const double seconds = std::max(absl::ToDoubleSeconds(clock_.Now() - failures.counted), 0.0);
  return std::max(failures.count - seconds * kPerSecond, 0.0);
}

absl::Duration FailedProofs::WaitOf(std::string_view address) {
  const absl::MutexLock lock(&mutex_);
  const auto found = failures_.find(NetworkOf(address));
  if (found == failures_.end()) return absl::ZeroDuration();
  const double count = CountNow(found->second);
  if (count == 0) failures_.erase(found);
  return std::max(absl::Seconds((count - (kAtOnce - 1)) / kPerSecond), absl::ZeroDuration());
}

void FailedProofs::Note(std::string_view address) {
  const absl::MutexLock lock(&mutex_);
  const std::string network = NetworkOf(address);
  if (failures_.size() >= kAddressesMax && !failures_.contains(network)) {
    std::erase_if(failures_, [this](const auto& each) { return CountNow(each.second) == 0; });
    if (failures_.size() >= kAddressesMax) failures_.clear();
  }
  Failures& failures = failures_[network];
  failures = {CountNow(failures) + 1, clock_.Now()};
}

}  // namespace custodian::rpc

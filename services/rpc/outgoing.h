// Requests that the platform makes to others' servers on somebody's word: public keys (SMART, CDS Hooks) and data for an order check.
// Only to hosts that the operator lists, and only to addresses that are public or lie in networks the operator names; the address that
// was judged is the one connected to, so a name that changes its mind in between gains nothing. No redirect is followed, no
// certificate of ours is shown, answers have a limit in size and time. Thread-safe.
#ifndef CUSTODIAN_SERVICES_RPC_OUTGOING_H_
#define CUSTODIAN_SERVICES_RPC_OUTGOING_H_

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/rpc/http.h"
#include "services/rpc/https_client.h"

namespace custodian::rpc {

// An IP network in CIDR form ("10.20.0.0/16", "::1/128"); an IPv4 address written as IPv6 (::ffff:a.b.c.d) is that IPv4 address.
class IpNetwork {
 public:
  [[nodiscard]] static absl::StatusOr<IpNetwork> Parse(std::string_view text);
  // False for what is no address.
  [[nodiscard]] bool Contains(std::string_view address) const;

 private:
  // 4 or 16 bytes.
  std::string bytes_;
  int bits_ = 0;
};

// False for loopback, private, link-local, shared, documentation, multicast and every other special-purpose address (RFC 6890), and
// for what is no address.
[[nodiscard]] bool IsPublicAddress(std::string_view address);

class Outgoing {
 public:
  struct Options {
    // "ehr.example.org" (port 443) or "ehr.example.org:8443"; compared without regard to case, never by suffix.
    std::vector<std::string> hosts;
    // CIDR networks that may be connected to though they are not public.
    std::vector<std::string> private_networks;
    // The only CAs believed; needed when there are hosts.
    std::string ca_file;
    absl::Duration timeout = absl::Seconds(2);
    std::size_t body_bytes_max = 1u << 20;
  };
  // InvalidArgument names the fault.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Outgoing>> Create(Options options);

  // InvalidArgument unless `url` is https, names a listed host and port, and holds neither user name nor fragment.
  [[nodiscard]] absl::Status Check(std::string_view url) const;
  // GET within `timeout` (at most the options'). As HttpsClient::Send, and as Check.
  [[nodiscard]] absl::StatusOr<HttpResponse> Get(absl::Duration timeout, std::string_view url,
                                                 const std::vector<std::pair<std::string, std::string>>& headers = {}) const;

 private:
  Outgoing(std::vector<std::string> hosts, std::unique_ptr<HttpsClient> client)
      : hosts_(std::move(hosts)), client_(std::move(client)) {}
  // "host:port" in lower case.
  const std::vector<std::string> hosts_;
  // Null when no host is listed.
  const std::unique_ptr<HttpsClient> client_;
};

}  // namespace custodian::rpc

#endif  // CUSTODIAN_SERVICES_RPC_OUTGOING_H_

// A blocking HTTPS client with kept connections. Thread-safe: each call takes a connection of its own from the pool.
#ifndef CUSTODIAN_SERVICES_RPC_HTTPS_CLIENT_H_
#define CUSTODIAN_SERVICES_RPC_HTTPS_CLIENT_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/rpc/http.h"

namespace custodian::rpc {

class HttpsClient {
 public:
  struct Options {
    // The only CA believed.
    std::string ca_file{};
    // Both empty: no client certificate.
    std::string certificate_file{};
    std::string key_file{};
    absl::Duration timeout = absl::Seconds(30);
    std::size_t body_bytes_max = 256u << 20;
    // Asked about each resolved address ("192.0.2.7", "2001:db8::1") before it is connected to; an address that it refuses is never
    // spoken to. Absent: every address is admitted.
    std::function<bool(const std::string& address)> admits_address{};
  };
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<HttpsClient>> Create(Options options);
  ~HttpsClient();

  // `url` is https://host:port/path?query. Any HTTP status is OK; Unavailable when no connection can be made, DeadlineExceeded
  // past the timeout, Unknown when the connection broke after the request was sent (never sent again, but for a GET or HEAD on a
  // connection that was kept), Unauthenticated when the
  // server refused our certificate, ResourceExhausted for an answer past the limit, PermissionDenied when no address of the host is
  // admitted. Header names of the answer are in lower case. Redirects are answers like others; none is followed.
  [[nodiscard]] absl::StatusOr<HttpResponse> Send(std::string_view method, std::string_view url,
                                                  const std::vector<std::pair<std::string, std::string>>& headers = {},
                                                  std::string_view body = {}) const;
  // The same with a time limit of its own for this call.
  [[nodiscard]] absl::StatusOr<HttpResponse> SendWithin(absl::Duration timeout, std::string_view method, std::string_view url,
                                                        const std::vector<std::pair<std::string, std::string>>& headers = {},
                                                        std::string_view body = {}) const;

 private:
  class Core;
  explicit HttpsClient(std::unique_ptr<Core> core);
  std::unique_ptr<Core> core_;
};

}  // namespace custodian::rpc

#endif  // CUSTODIAN_SERVICES_RPC_HTTPS_CLIENT_H_

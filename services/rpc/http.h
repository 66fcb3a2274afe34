// Requests and responses as services see them: plain values, no Beast. One handler per server; it runs on the server's
// threads, may block, and must not throw.
#ifndef CUSTODIAN_SERVICES_RPC_HTTP_H_
#define CUSTODIAN_SERVICES_RPC_HTTP_H_

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/time.h"

namespace custodian::rpc {

struct HttpRequest {
  std::string method;
  // Percent-decoded path without query ("/fhir/0123456789abcdef/Patient/x").
  std::string path;
  // Raw query, without '?'.
  std::string query;
  // Names in lower case.
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  // URI SAN (spiffe://...) of a client certificate that our CA signed; empty when the client showed none.
  std::string peer_spiffe_id;
  // IP address that the connection comes from, as text; a proxy's where one stands between.
  std::string peer_address;

  // First value of a header (lower-case name), or nothing.
  [[nodiscard]] std::optional<std::string_view> Header(std::string_view name) const {
    for (const auto& [key, value] : headers)
      if (key == name) return value;
    return std::nullopt;
  }
  // Decoded query parameters, in order.
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> Parameters() const;
};

struct HttpResponse {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  // The answer is held back until then (machine's clock); no thread waits for it meanwhile.
  absl::Time not_before = absl::InfinitePast();
};

using HttpHandler = std::function<HttpResponse(const HttpRequest&)>;

[[nodiscard]] std::string PercentDecode(std::string_view text);
[[nodiscard]] std::string PercentEncode(std::string_view text);

}  // namespace custodian::rpc

#endif  // CUSTODIAN_SERVICES_RPC_HTTP_H_

// An HTTPS server (Beast, in https.cc alone). A client certificate is asked for, not required; one that our CA did not sign
// ends the handshake. Limits: body, header, connections, time to read. Create() binds; Run() serves until Stop().
#ifndef CUSTODIAN_SERVICES_RPC_HTTPS_SERVER_H_
#define CUSTODIAN_SERVICES_RPC_HTTPS_SERVER_H_

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/rpc/http.h"

namespace custodian::rpc {

class HttpsServer {
 public:
  struct Options {
    std::string address = "127.0.0.1";
    // 0 chooses a free one.
    int port = 0;
    std::string certificate_file{};
    std::string key_file{};
    // CA of client certificates.
    std::string client_ca_file{};
    int threads = 8;
    // Past it the oldest connection that waits for its peer (handshake, next request, the rest of one) makes room, of the address that keeps most waiting; a
    // new one is told to come back only where a request is under way on each.
    int connections_max = 1'000;
    // At most 5 MiB without a client certificate.
    std::size_t body_bytes_max = 64u << 20;
    // A handshake has 5 s at most.
    absl::Duration read_timeout = absl::Seconds(30);
  };
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<HttpsServer>> Create(Options options, HttpHandler handler);
  ~HttpsServer();

  [[nodiscard]] int port() const;
  // Blocks; serves on Options::threads threads of its own.
  void Run();
  // Finishes requests under way, then Run() returns.
  void Stop();

 private:
  class Core;
  explicit HttpsServer(std::unique_ptr<Core> core);
  std::unique_ptr<Core> core_;
};

}  // namespace custodian::rpc

#endif  // CUSTODIAN_SERVICES_RPC_HTTPS_SERVER_H_

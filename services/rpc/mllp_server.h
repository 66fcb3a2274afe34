// HL7's minimal lower layer protocol over mutual TLS (Asio, in mllp_server.cc alone): frames in, frames out, nothing about what is in
// them. A client certificate of our CA is required. Limits: connections in all and for one client, size of a frame, time for a frame and
// between frames; one frame of a connection at a time is with the handler, the next is read when it is answered. Create() binds;
// Run() serves until Stop(). Source: HL7 Transport Specification: MLLP, Release 1.
#ifndef CUSTODIAN_SERVICES_RPC_MLLP_SERVER_H_
#define CUSTODIAN_SERVICES_RPC_MLLP_SERVER_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace custodian::rpc {

struct MllpFrame {
  // URI SAN of the client certificate.
  std::string peer_spiffe_id;
  // What lies between the start and the end of the block.
  std::string bytes;
  // False: the frame is larger than is taken, and this is its beginning; the connection ends after the answer.
  bool whole = true;
};
struct MllpAnswer {
  // Sent in order, each in a frame.
  std::vector<std::string> messages;
  // True: the connection ends behind them.
  bool close = false;
};
// Runs on the server's threads, may block, must not throw.
using MllpHandler = std::function<MllpAnswer(const MllpFrame& frame)>;

class MllpServer {
 public:
  struct Options {
    std::string address = "127.0.0.1";
    // 0 chooses a free one.
    int port = 0;
    std::string certificate_file{};
    std::string key_file{};
    // CA of client certificates.
    std::string client_ca_file{};
    // Frames worked on at once; half of them of one tenant at most, and of those that wait the tenant goes first for whom the fewest are worked on.
    int threads = 32;
    int connections_max = 500;
    // Of one certificate; a new one past it is closed.
    int connections_per_client_max = 64;
    std::size_t frame_bytes_max = 16u << 20;
    // From the first byte of a frame to its last; and for the handshake, and for taking an answer.
    absl::Duration frame_timeout = absl::Seconds(30);
    // Without a frame.
    absl::Duration idle_timeout = absl::Hours(1);
  };
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<MllpServer>> Create(Options options, MllpHandler handler);
  ~MllpServer();

  [[nodiscard]] int port() const;
  // Blocks; serves on Options::threads threads of its own.
  void Run();
  // Answers what is with the handler, then Run() returns.
  void Stop();

 private:
  class Core;
  explicit MllpServer(std::unique_ptr<Core> core);
  std::unique_ptr<Core> core_;
};

}  // namespace custodian::rpc

#endif  // CUSTODIAN_SERVICES_RPC_MLLP_SERVER_H_

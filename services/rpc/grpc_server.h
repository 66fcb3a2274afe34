// The mTLS gRPC server that hosts the platform's services. A client certificate signed by our CA is required; roots are explicit, never the
// environment's. Methods are synchronous (each call on a thread of gRPC's, at most Options::threads_max), so that they may block on the
// database; or they answer later (serve_call.h) and never block. Create() listens; Stop() lets running calls finish.
#ifndef CUSTODIAN_SERVICES_RPC_GRPC_SERVER_H_
#define CUSTODIAN_SERVICES_RPC_GRPC_SERVER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace grpc {
class Service;
class Status;
}  // namespace grpc

namespace custodian::rpc {

// Largest message either way: an author batch with its leaves.
inline constexpr int kGrpcMessageBytesMax = 32 << 20;

class GrpcServer {
 public:
  struct Options {
    std::string address = "127.0.0.1";
    // 0 chooses a free one.
    int port = 0;
    std::string certificate_file{};
    std::string key_file{};
    // CA of client certificates.
    std::string client_ca_file{};
    // One connection has half of them at once.
    int threads_max = 200;
  };
  // `services` are borrowed until Stop() returned. Unavailable when the port is taken, InvalidArgument for bad files.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<GrpcServer>> Create(const Options& options,
                                                                          const std::vector<grpc::Service*>& services);
  ~GrpcServer();

  [[nodiscard]] int port() const;
  // Blocks until Stop(). Not needed for serving: gRPC brings its threads.
  void Wait();
  // New calls are refused at once, running ones get `grace` to finish, then are cancelled.
  void Stop(absl::Duration grace = absl::Seconds(5));

 private:
  class Core;
  explicit GrpcServer(std::unique_ptr<Core> core);
  std::unique_ptr<Core> core_;
};

// The same code and message on the wire; codes are equal by number. tenants::RetryAfterOf() travels as google.rpc.RetryInfo in a google.rpc.Status.
[[nodiscard]] grpc::Status ToGrpc(const absl::Status& status);
[[nodiscard]] absl::Status FromGrpc(const grpc::Status& status);

}  // namespace custodian::rpc

#endif  // CUSTODIAN_SERVICES_RPC_GRPC_SERVER_H_

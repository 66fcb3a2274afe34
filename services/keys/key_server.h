// The transport of the key process: gRPC on a Unix socket of mode 0600 in a directory of mode 0700. Threads are gRPC's own.
#ifndef CUSTODIAN_SERVICES_KEYS_KEY_SERVER_H_
#define CUSTODIAN_SERVICES_KEYS_KEY_SERVER_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "services/keys/key_client.h"
#include "services/keys/wrapped_keys.h"

namespace custodian::keys {

class KeyServer {
 public:
  // Serves `keys` and `wrapped_keys` until destroyed; they must outlive the server. Makes the directory when missing. PermissionDenied when others may
  // enter it; AlreadyExists when somebody answers on the socket; a socket left by a crash is replaced.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<KeyServer>> Start(const std::string& socket_path, KeyClient& keys,
                                                                         WrappedKeys& wrapped_keys);
  // Stops taking calls, lets those under way end (5 s at most), removes the socket.
  ~KeyServer();

 private:
  class Core;
  explicit KeyServer(std::unique_ptr<Core> core);
  std::unique_ptr<Core> core_;
};

}  // namespace custodian::keys

#endif  // CUSTODIAN_SERVICES_KEYS_KEY_SERVER_H_

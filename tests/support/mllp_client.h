// A sender of HL7 v2 by MLLP over TLS, as an interface engine is one: blocking, one thread at a time. Plain OpenSSL, so that nothing of the
// server under test helps it.
#ifndef CUSTODIAN_TESTS_SUPPORT_MLLP_CLIENT_H_
#define CUSTODIAN_TESTS_SUPPORT_MLLP_CLIENT_H_

#include <openssl/types.h>

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace custodian::testing {

class MllpClient {
 public:
  // To a port of 127.0.0.1; `certificate_file` empty: without a client certificate.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<MllpClient>> Connect(int port, const std::string& ca_file, const std::string& certificate_file,
                                                                           const std::string& key_file);
  ~MllpClient();
  MllpClient(const MllpClient&) = delete;
  MllpClient& operator=(const MllpClient&) = delete;

  [[nodiscard]] absl::Status Write(std::string_view bytes);
  // The content of the next frame; Unavailable when the connection ended, DeadlineExceeded after ten seconds.
  [[nodiscard]] absl::StatusOr<std::string> Read();
  // A frame of `message`, and the answer to it.
  [[nodiscard]] absl::StatusOr<std::string> Send(std::string_view message);

 private:
  MllpClient() = default;
  int socket_ = -1;
  SSL_CTX* context_ = nullptr;
  SSL* tls_ = nullptr;
  std::string pending_;
};

}  // namespace custodian::testing

#endif  // CUSTODIAN_TESTS_SUPPORT_MLLP_CLIENT_H_

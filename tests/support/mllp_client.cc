#include "tests/support/mllp_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>

namespace custodian::testing {

absl::StatusOr<std::unique_ptr<MllpClient>> MllpClient::Connect(int port, const std::string& ca_file, const std::string& certificate_file,
                                                                const std::string& key_file) {
  // OpenSSL writes without MSG_NOSIGNAL: a server that hangs up must be a status, not the end of the process.
  std::signal(SIGPIPE, SIG_IGN);
  std::unique_ptr<MllpClient> client(new MllpClient());
  client->socket_ = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  timeval timeout{.tv_sec = 10, .tv_usec = 0};
  const int on = 1;
  setsockopt(client->socket_, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
  setsockopt(client->socket_, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
  setsockopt(client->socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  if (connect(client->socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) return absl::UnavailableError("cannot connect");
  client->context_ = SSL_CTX_new(TLS_client_method());
  if (SSL_CTX_load_verify_locations(client->context_, ca_file.c_str(), nullptr) != 1) return absl::InvalidArgumentError("no CA in " + ca_file);
  SSL_CTX_set_verify(client->context_, SSL_VERIFY_PEER, nullptr);
  if (!certificate_file.empty() && (SSL_CTX_use_certificate_chain_file(client->context_, certificate_file.c_str()) != 1 ||
                                    SSL_CTX_use_PrivateKey_file(client->context_, key_file.c_str(), SSL_FILETYPE_PEM) != 1)) {
    return absl::InvalidArgumentError("no certificate and key in " + certificate_file);
  }
  client->tls_ = SSL_new(client->context_);
  SSL_set_fd(client->tls_, client->socket_);
  if (SSL_connect(client->tls_) != 1) return absl::UnavailableError("no TLS connection");
  return client;
}

MllpClient::~MllpClient() {
  SSL_free(tls_);
  SSL_CTX_free(context_);
  if (socket_ >= 0) close(socket_);
}

absl::Status MllpClient::Write(std::string_view bytes) {
  while (!bytes.empty()) {
    const int written = SSL_write(tls_, bytes.data(), static_cast<int>(std::min<std::size_t>(bytes.size(), 1u << 20)));
    if (written <= 0) return absl::UnavailableError("the connection ended");
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> MllpClient::Read() {
  for (;;) {
    if (const auto end = pending_.find("\x1c\r"); end != std::string::npos) {
      if (pending_.front() != '\x0b') return absl::DataLossError("an answer is no frame");
      std::string content = pending_.substr(1, end - 1);
      pending_.erase(0, end + 2);
      return content;
    }
    std::array<char, 16 * 1024> chunk;
    errno = 0;
    const int count = SSL_read(tls_, chunk.data(), chunk.size());
    if (count <= 0) return errno == EAGAIN || errno == EWOULDBLOCK ? absl::DeadlineExceededError("no answer") : absl::UnavailableError("the connection ended");
    pending_.append(chunk.data(), static_cast<std::size_t>(count));
  }
}

absl::StatusOr<std::string> MllpClient::Send(std::string_view message) {
  std::string frame = "\x0b";
  frame += message;
  frame += "\x1c\r";
  if (absl::Status status = Write(frame); !status.ok()) return status;
  return Read();
}

}  // namespace custodian::testing

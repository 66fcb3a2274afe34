#include "tests/support/fault_proxy.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace custodian::testing {
namespace {

constexpr int kPollMs = 20;

// A simple query message ('Q', length, text, NUL) with the text COMMIT.
constexpr std::string_view kCommit("Q\0\0\0\x0b" "COMMIT\0", 12);
// How the one statement of a partition writer begins (tenants/commit_statement).
constexpr std::string_view kWriterStatement = "WITH head AS (UPDATE ledger.head";

// The name under which a Parse message ('P', length, name, NUL, text) prepares a partition writer's statement; empty for any other.
std::string WriterStatementIn(std::string_view bytes) {
  constexpr std::size_t kHeader = 5;
  const std::size_t text = bytes.find(kWriterStatement);
  if (!bytes.starts_with('P') || text == std::string_view::npos || text <= kHeader) return "";
  return std::string(bytes.substr(kHeader, text - kHeader - 1));
}

// Whether it is a Bind message ('B', length, portal, NUL, statement, NUL) of one of these.
bool Binds(std::string_view bytes, const std::set<std::string>& statements) {
  return bytes.starts_with('B') && std::any_of(statements.begin(), statements.end(), [bytes](const std::string& name) {
    return bytes.find(std::string(1, '\0') + name + std::string(1, '\0')) != std::string_view::npos;
  });
}

int ConnectTo(const tenants::ConnectionSpec& server) {
  if (server.host.starts_with('/')) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = server.host + "/.s.PGSQL." + std::to_string(server.port);
    std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) return fd;
    close(fd);
    return -1;
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(server.host.c_str(), std::to_string(server.port).c_str(), &hints, &found) != 0) return -1;
  const int fd = socket(found->ai_family, SOCK_STREAM, 0);
  const int connected = connect(fd, found->ai_addr, found->ai_addrlen);
  freeaddrinfo(found);
  if (connected == 0) return fd;
  close(fd);
  return -1;
}

bool SendAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

bool Readable(int fd) {
  pollfd wait{fd, POLLIN, 0};
  return poll(&wait, 1, kPollMs) > 0;
}

}  // namespace

class FaultProxy::Relay {
 public:
  explicit Relay(tenants::ConnectionSpec server) : server_(std::move(server)) {
    listener_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0 || listen(listener_, 16) != 0) {
      throw std::system_error(errno, std::generic_category(), "fault proxy");
    }
    socklen_t length = sizeof(address);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { Accept(); });
  }

  ~Relay() {
    stopping_ = true;
    acceptor_.join();
    for (std::thread& thread : connections_) thread.join();
    close(listener_);
  }

  [[nodiscard]] int port() const { return port_; }
  void Strike(Fault fault) { fault_ = fault; }
  [[nodiscard]] int struck() const { return struck_; }

 private:
  void Accept() {
    while (!stopping_) {
      if (!Readable(listener_)) continue;
      const int client = accept(listener_, nullptr, nullptr);
      if (client < 0) continue;
      connections_.emplace_back([this, client] { Serve(client); });
    }
  }

  void Serve(int client) {
    const int server = ConnectTo(server_);
    if (server >= 0) {
      std::set<std::string> writer_statements;
      while (!stopping_ && Pump(client, server, writer_statements)) {
      }
      close(server);
    }
    close(client);
  }

  // False when the connection is to end. `writer_statements`: names of those that it has prepared.
  bool Pump(int client, int server, std::set<std::string>& writer_statements) {
    pollfd wait[2] = {{client, POLLIN, 0}, {server, POLLIN, 0}};
    if (poll(wait, 2, kPollMs) <= 0) return true;
    char buffer[65'536];
    if (wait[1].revents != 0) {
      const ssize_t got = recv(server, buffer, sizeof(buffer), 0);
      if (got <= 0 || !SendAll(client, {buffer, static_cast<std::size_t>(got)})) return false;
    }
    if (wait[0].revents != 0) {
      const ssize_t got = recv(client, buffer, sizeof(buffer), 0);
      if (got <= 0) return false;
      const std::string_view bytes(buffer, static_cast<std::size_t>(got));
      Fault fault = Fault::kNone;
      if (const std::string prepared = WriterStatementIn(bytes); !prepared.empty()) writer_statements.insert(prepared);
      if (bytes.find(kCommit) != std::string_view::npos || Binds(bytes, writer_statements)) fault = fault_.exchange(Fault::kNone);
      if (fault != Fault::kNone) ++struck_;
      if (fault == Fault::kCommitLost) return false;
      if (!SendAll(server, bytes) || fault == Fault::kCutOnceSent) return false;
      if (fault == Fault::kAnswerLost) {
        // The answer is there once the server has committed; it goes no further.
        while (!stopping_ && !Readable(server)) {
        }
        return false;
      }
    }
    return true;
  }

  const tenants::ConnectionSpec server_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> stopping_ = false;
  std::atomic<Fault> fault_ = Fault::kNone;
  std::atomic<int> struck_ = 0;
  std::thread acceptor_;
  // Filled by the acceptor, joined after it.
  std::vector<std::thread> connections_;
};

FaultProxy::FaultProxy(const tenants::ConnectionSpec& server) : relay_(std::make_unique<Relay>(server)) {}
FaultProxy::~FaultProxy() = default;

tenants::ConnectionSpec FaultProxy::Through(tenants::ConnectionSpec spec) const {
  spec.host = "127.0.0.1";
  spec.port = relay_->port();
  return spec;
}

void FaultProxy::StrikeNextCommit(Fault fault) { relay_->Strike(fault); }
int FaultProxy::struck() const { return relay_->struck(); }

}  // namespace custodian::testing

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <stdexcept>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "services/rpc/https_client.h"
#include "services/rpc/https_server.h"
#include "tests/support/test_certificates.h"

namespace custodian::rpc {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;
using Certificates = custodian::testing::TestCertificates;

constexpr char kFeed[] = "spiffe://custodian.example/tenant/0123456789abcdef/feed/lab";

// A server on a free port with its thread.
class RunningServer {
 public:
  RunningServer(Certificates& certificates, HttpHandler handler, HttpsServer::Options options = {}) {
    const auto files = certificates.IssueServer();
    options.certificate_file = files.certificate;
    options.key_file = files.key;
    options.client_ca_file = certificates.ca_file();
    auto server = HttpsServer::Create(options, std::move(handler));
    if (!server.ok()) throw std::runtime_error(std::string(server.status().message()));
    server_ = *std::move(server);
    thread_ = std::thread([this] { server_->Run(); });
  }
  ~RunningServer() { Stop(); }
  void Stop() {
    if (!thread_.joinable()) return;
    server_->Stop();
    thread_.join();
  }
  int port() const { return server_->port(); }
  std::string Url(const std::string& path) const { return absl::StrCat("https://127.0.0.1:", port(), path); }

 private:
  std::unique_ptr<HttpsServer> server_;
  std::thread thread_;
};

std::unique_ptr<HttpsClient> Client(const Certificates& certificates, const Certificates::Files& files = {},
                                    absl::Duration timeout = absl::Seconds(10)) {
  auto client = HttpsClient::Create({certificates.ca_file(), files.certificate, files.key, timeout});
  EXPECT_TRUE(client.ok()) << client.status();
  return *std::move(client);
}

int ConnectTcp(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  return fd;
}

// Sends raw bytes over TLS and reads until the server closes.
std::string Talk(const Certificates& certificates, int port, const std::string& bytes) {
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_load_verify_locations(context, certificates.ca_file().c_str(), nullptr);
  SSL* tls = SSL_new(context);
  const int fd = ConnectTcp(port);
  SSL_set_fd(tls, fd);
  EXPECT_EQ(SSL_connect(tls), 1);
  for (std::size_t sent = 0; sent < bytes.size();) {
    const int count = SSL_write(tls, bytes.data() + sent, static_cast<int>(std::min<std::size_t>(bytes.size() - sent, 16'384)));
    if (count <= 0) break;
    sent += static_cast<std::size_t>(count);
  }
  std::string answer;
  char buffer[4096];
  for (int count = 0; (count = SSL_read(tls, buffer, sizeof(buffer))) > 0;) answer.append(buffer, static_cast<std::size_t>(count));
  SSL_free(tls);
  SSL_CTX_free(context);
  close(fd);
  return answer;
}

std::optional<std::string> HeaderOf(const HttpResponse& response, std::string_view name) {
  for (const auto& [key, value] : response.headers)
    if (key == name) return value;
  return std::nullopt;
}

HttpResponse Echo(const HttpRequest& request) {
  return {200, {{"X-Peer", request.peer_spiffe_id}, {"X-Address", request.peer_address}, {"X-Method", request.method}, {"X-Path", request.path}, {"X-Query", request.query}},
          request.body};
}

TEST(Https, RequestReachesTheHandlerAndItsAnswerComesBack) {
  Certificates certificates;
  RunningServer server(certificates, Echo);
  auto response = Client(certificates)->Send("POST", server.Url("/fhir/Patient%20x?name=a%20b&c=d"), {{"X-Any", "1"}}, "body");
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(response->body, "body");
  EXPECT_EQ(HeaderOf(*response, "x-path"), "/fhir/Patient x");
  EXPECT_EQ(HeaderOf(*response, "x-query"), "name=a%20b&c=d");
  EXPECT_EQ(HeaderOf(*response, "x-peer"), "");
  EXPECT_EQ(HeaderOf(*response, "x-address"), "127.0.0.1");
  EXPECT_EQ(HeaderOf(*response, "content-length"), "4");
}

TEST(Https, ClientCertificateNamesThePeer) {
  Certificates certificates;
  RunningServer server(certificates, Echo);
  auto response = Client(certificates, certificates.IssueClient({kFeed}))->Send("GET", server.Url("/"));
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(HeaderOf(*response, "x-peer"), kFeed);
}

TEST(Https, CertificateWithTwoUrisNamesNobody) {
  Certificates certificates;
  RunningServer server(certificates, Echo);
  auto response = Client(certificates, certificates.IssueClient({kFeed, "spiffe://custodian.example/operator/x"}))->Send("GET", server.Url("/"));
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(HeaderOf(*response, "x-peer"), "");
}

TEST(Https, ForeignClientCertificateEndsTheHandshake) {
  Certificates certificates;
  Certificates foreign;
  std::atomic<int> handled = 0;
  RunningServer server(certificates, [&](const HttpRequest&) { ++handled; return HttpResponse{}; });
  auto response = Client(certificates, foreign.IssueClient({kFeed}))->Send("GET", server.Url("/"));
  ASSERT_FALSE(response.ok());
  EXPECT_EQ(response.status().code(), absl::StatusCode::kUnauthenticated) << response.status();
  EXPECT_EQ(handled, 0);
}

TEST(Https, ExpiredClientCertificateEndsTheHandshake) {
  Certificates certificates;
  RunningServer server(certificates, Echo);
  EXPECT_FALSE(Client(certificates, certificates.IssueClient({kFeed}, -1))->Send("GET", server.Url("/")).ok());
}

TEST(Https, ClientRefusesAServerOfAnotherCa) {
  Certificates certificates;
  Certificates other;
  RunningServer server(other, Echo);
  auto response = Client(certificates)->Send("GET", server.Url("/"));
  EXPECT_EQ(response.status().code(), absl::StatusCode::kUnavailable) << response.status();
}

TEST(Https, ClientRefusesACertificateOfAnotherHost) {
  Certificates certificates;
  RunningServer server(certificates, Echo);
  // The certificate names 127.0.0.1 alone.
  EXPECT_FALSE(Client(certificates)->Send("GET", absl::StrCat("https://localhost:", server.port(), "/")).ok());
}

TEST(Https, ConnectionIsKeptBetweenRequests) {
  Certificates certificates;
  RunningServer server(certificates, Echo, {.connections_max = 1});
  auto client = Client(certificates);
  for (int i = 0; i < 20; ++i) {
    auto response = client->Send("GET", server.Url("/"));
    ASSERT_TRUE(response.ok()) << response.status();
    // A second connection would be over the limit.
    EXPECT_EQ(response->status, 200);
  }
}

TEST(Https, ConnectionPastTheLimitIsToldToComeBack) {
  Certificates certificates;
  absl::Notification arrived, answer;
  RunningServer server(certificates,
                       [&](const HttpRequest& request) {
                         if (request.path == "/slow") {
                           arrived.Notify();
                           answer.WaitForNotification();
                         }
                         return Echo(request);
                       },
                       {.connections_max = 1});
  std::thread slow([&] { EXPECT_TRUE(Client(certificates)->Send("GET", server.Url("/slow")).ok()); });
  arrived.WaitForNotification();
  auto response = Client(certificates)->Send("GET", server.Url("/"));
  answer.Notify();
  slow.join();
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->status, 503);
  EXPECT_EQ(HeaderOf(*response, "retry-after"), "1");
}

// Whoever opens connections and says nothing, or not all, keeps nobody out.
TEST(Https, ConnectionsThatOnlyWaitMakeRoom) {
  Certificates certificates;
  RunningServer server(certificates, Echo, {.connections_max = 4});
  auto idle = Client(certificates);
  ASSERT_TRUE(idle->Send("GET", server.Url("/")).ok());
  std::vector<int> bare;
  for (int i = 0; i < 200; ++i) {
    bare.push_back(ConnectTcp(server.port()));
  }
  const absl::Time before = absl::Now();
  for (int i = 0; i < 3; ++i) {
    const auto response = Client(certificates)->Send("GET", server.Url("/"));
    ASSERT_TRUE(response.ok()) << response.status();
    EXPECT_EQ(response->status, 200);
  }
  EXPECT_LT(absl::Now() - before, absl::Seconds(4));
  for (const int connection : bare) close(connection);
}

TEST(Https, HeadHasTheLengthAndNoBody) {
  Certificates certificates;
  RunningServer server(certificates, [](const HttpRequest&) { return HttpResponse{200, {}, "12345"}; });
  auto client = Client(certificates);
  auto response = client->Send("HEAD", server.Url("/"));
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->body, "");
  EXPECT_EQ(HeaderOf(*response, "content-length"), "5");
  EXPECT_EQ(client->Send("GET", server.Url("/"))->body, "12345");
}

TEST(Https, BodyOverTheLimitIs413) {
  Certificates certificates;
  std::atomic<int> handled = 0;
  RunningServer server(certificates, [&](const HttpRequest&) { ++handled; return HttpResponse{}; }, {.body_bytes_max = 1'000});
  auto client = Client(certificates);
  auto response = client->Send("POST", server.Url("/"), {}, std::string(5'000'000, 'x'));
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->status, 413);
  // In chunks the length is not known before.
  EXPECT_THAT(Talk(certificates, server.port(), "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n800\r\n" + std::string(0x800, 'x') + "\r\n0\r\n\r\n"),
              StartsWith("HTTP/1.1 413 "));
  EXPECT_EQ(handled, 0);
  EXPECT_EQ(client->Send("POST", server.Url("/"), {}, std::string(1'000, 'x'))->status, 200);
}

TEST(Https, WhoShowsNoCertificateSendsNoLargeBody) {
  Certificates certificates;
  RunningServer server(certificates, [](const HttpRequest&) { return HttpResponse{}; });
  const std::string body(6'000'000, 'x');
  auto response = Client(certificates)->Send("POST", server.Url("/"), {}, body);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->status, 413);
  EXPECT_EQ(Client(certificates, certificates.IssueClient({kFeed}))->Send("POST", server.Url("/"), {}, body)->status, 200);
}

TEST(Https, HeaderOverTheLimitIs431) {
  Certificates certificates;
  RunningServer server(certificates, Echo);
  auto response = Client(certificates)->Send("GET", server.Url("/"), {{"X-Large", std::string(20'000, 'x')}});
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->status, 431);
}

TEST(Https, MalformedRequestsAre400AndClosed) {
  Certificates certificates;
  std::atomic<int> handled = 0;
  RunningServer server(certificates, [&](const HttpRequest&) { ++handled; return HttpResponse{}; });
  const std::vector<std::string> requests = {
      "nonsense\r\n\r\n",
      "GET / HTTP/9.9\r\nHost: x\r\n\r\n",
      "GET / HTTP/1.1\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
      "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n",
      "GET /a%2Fb HTTP/1.1\r\nHost: x\r\n\r\n",
      "GET /a%00b HTTP/1.1\r\nHost: x\r\n\r\n",
      "GET relative HTTP/1.1\r\nHost: x\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
  };
  for (const std::string& request : requests) {
    const std::string answer = Talk(certificates, server.port(), request);
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 400 ")) << request;
    EXPECT_THAT(answer, HasSubstr("Content-Length: ")) << request;
    EXPECT_THAT(answer, HasSubstr("Connection: close")) << request;
  }
  EXPECT_EQ(handled, 0);
}

TEST(Https, ExpectContinueIsAnswered) {
  Certificates certificates;
  RunningServer server(certificates, Echo);
  const std::string answer =
      Talk(certificates, server.port(), "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\nab");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"));
}

TEST(Https, PipelinedRequestsAreAnsweredInOrder) {
  Certificates certificates;
  RunningServer server(certificates, Echo);
  const std::string answer = Talk(certificates, server.port(),
                                  "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_LT(answer.find("X-Path: /1"), answer.find("X-Path: /2"));
  EXPECT_NE(answer.find("X-Path: /2"), std::string::npos);
}

TEST(Https, ThrowingHandlerIs500WithoutItsText) {
  Certificates certificates;
  RunningServer server(certificates, [](const HttpRequest&) -> HttpResponse { throw std::runtime_error("secret"); });
  auto response = Client(certificates)->Send("GET", server.Url("/"));
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->status, 500);
  EXPECT_THAT(response->body, Not(HasSubstr("secret")));
}

TEST(Https, HandlerCannotSplitTheAnswer) {
  Certificates certificates;
  RunningServer server(certificates, [](const HttpRequest&) { return HttpResponse{200, {{"X-A", "1\r\nX-B: 2"}}, ""}; });
  EXPECT_EQ(Client(certificates)->Send("GET", server.Url("/"))->status, 500);
}

TEST(Https, SlowSenderIsDisconnected) {
  Certificates certificates;
  RunningServer server(certificates, Echo, {.read_timeout = absl::Milliseconds(200)});
  const absl::Time before = absl::Now();
  EXPECT_THAT(Talk(certificates, server.port(), "GET / HTTP/1.1\r\nHost:"), IsEmpty());
  EXPECT_LT(absl::Now() - before, absl::Seconds(5));
}

TEST(Https, StopFinishesTheRequestUnderWay) {
  Certificates certificates;
  absl::Notification entered;
  RunningServer server(certificates, [&](const HttpRequest&) {
    entered.Notify();
    absl::SleepFor(absl::Milliseconds(300));
    return HttpResponse{200, {}, "done"};
  });
  auto idle = Client(certificates);
  absl::StatusOr<HttpResponse> response = absl::UnknownError("");
  std::thread sender([&] { response = idle->Send("GET", server.Url("/")); });
  entered.WaitForNotification();
  server.Stop();
  sender.join();
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->body, "done");
  EXPECT_EQ(idle->Send("GET", server.Url("/")).status().code(), absl::StatusCode::kUnavailable);
}

TEST(Https, KeptConnectionThatTheServerClosedIsReplaced) {
  Certificates certificates;
  std::atomic<int> handled = 0;
  RunningServer server(certificates, [&](const HttpRequest&) { ++handled; return HttpResponse{}; }, {.read_timeout = absl::Milliseconds(100)});
  auto client = Client(certificates);
  ASSERT_TRUE(client->Send("POST", server.Url("/")).ok());
  absl::SleepFor(absl::Milliseconds(400));
  auto response = client->Send("POST", server.Url("/"));
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(handled, 2);
}

TEST(Https, ClientTimesOut) {
  Certificates certificates;
  RunningServer server(certificates, [](const HttpRequest&) {
    absl::SleepFor(absl::Milliseconds(600));
    return HttpResponse{};
  });
  auto response = Client(certificates, {}, absl::Milliseconds(200))->Send("GET", server.Url("/"));
  EXPECT_EQ(response.status().code(), absl::StatusCode::kDeadlineExceeded) << response.status();
}

// A server that answers the first request of each of its connections, and closes after reading the second.
class BreakingServer {
 public:
  BreakingServer(Certificates& certificates, int connections) : context_(SSL_CTX_new(TLS_server_method())), listener_(socket(AF_INET, SOCK_STREAM, 0)) {
    const auto files = certificates.IssueServer();
    SSL_CTX_use_certificate_file(context_, files.certificate.c_str(), SSL_FILETYPE_PEM);
    SSL_CTX_use_PrivateKey_file(context_, files.key.c_str(), SSL_FILETYPE_PEM);
    SSL_CTX_set_num_tickets(context_, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof(address);
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), length), 0);
    EXPECT_EQ(listen(listener_, 5), 0);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
    url_ = absl::StrCat("https://127.0.0.1:", ntohs(address.sin_port), "/");
    thread_ = std::thread([this, connections] {
      for (int i = 0; i < connections; ++i) ServeOne();
    });
  }
  ~BreakingServer() {
    close(listener_);
    SSL_CTX_free(context_);
  }
  const std::string& url() const { return url_; }
  // Once every connection is over.
  int Received() {
    thread_.join();
    return received_;
  }

 private:
  void ServeOne() {
    const int fd = accept(listener_, nullptr, nullptr);
    SSL* tls = SSL_new(context_);
    SSL_set_fd(tls, fd);
    SSL_accept(tls);
    char buffer[4096];
    if (SSL_read(tls, buffer, sizeof(buffer)) > 0) ++received_;
    const std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    SSL_write(tls, answer.data(), static_cast<int>(answer.size()));
    if (SSL_read(tls, buffer, sizeof(buffer)) > 0) ++received_;
    SSL_free(tls);
    close(fd);
  }

  SSL_CTX* context_;
  int listener_;
  std::string url_;
  int received_ = 0;
  std::thread thread_;
};

TEST(Https, RequestThatMayHaveBeenDoneIsNotSentAgain) {
  Certificates certificates;
  BreakingServer server(certificates, 1);
  auto client = Client(certificates);
  ASSERT_TRUE(client->Send("POST", server.url(), {}, "1").ok());
  EXPECT_EQ(client->Send("POST", server.url(), {}, "2").status().code(), absl::StatusCode::kUnknown);
  EXPECT_EQ(server.Received(), 2);
}

TEST(Https, ReadOnAKeptConnectionThatBreaksIsSentAgain) {
  Certificates certificates;
  BreakingServer server(certificates, 2);
  {
    auto client = Client(certificates);
    ASSERT_TRUE(client->Send("GET", server.url()).ok());
    EXPECT_TRUE(client->Send("GET", server.url()).ok());
  }
  EXPECT_EQ(server.Received(), 3);
}

TEST(Https, ManyClientsAtOnce) {
  Certificates certificates;
  RunningServer server(certificates, Echo);
  auto client = Client(certificates);
  std::atomic<int> good = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 25; ++i) {
        const std::string body = absl::StrCat(t, "-", i);
        auto response = client->Send("PUT", server.Url("/x"), {}, body);
        if (response.ok() && response->body == body) ++good;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 200);
}

TEST(Https, AnAnswerIsHeldBackAndNoThreadWaitsForIt) {
  Certificates certificates;
  HttpsServer::Options options;
  options.threads = 1;
  constexpr absl::Duration kHeld = absl::Seconds(1);
  RunningServer server(
      certificates,
      [](const HttpRequest&) {
        HttpResponse response{200, {}, "late"};
        response.not_before = absl::Now() + kHeld;
        return response;
      },
      options);
  const auto client = Client(certificates);
  const absl::Time start = absl::Now();
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([&] {
      const auto answer = client->Send("GET", server.Url("/"));
      ASSERT_TRUE(answer.ok()) << answer.status();
      EXPECT_EQ(answer->body, "late");
      EXPECT_GE(absl::Now() - start, kHeld);
    });
  }
  for (std::thread& caller : callers) caller.join();
  // One after the other on the one thread would take four times as long.
  EXPECT_LT(absl::Now() - start, 3 * kHeld);
}

TEST(Https, EveryAnswerHasADate) {
  Certificates certificates;
  RunningServer server(certificates, [](const HttpRequest&) { return HttpResponse{200, {}, ""}; });
  const auto answer = Client(certificates)->Send("GET", server.Url("/"));
  ASSERT_TRUE(answer.ok());
  for (const auto& [name, value] : answer->headers) {
    if (name != "date") continue;
    absl::Time date;
    std::string error;
    ASSERT_TRUE(absl::ParseTime("%a, %d %b %Y %H:%M:%S GMT", value, absl::UTCTimeZone(), &date, &error)) << value;
    EXPECT_LE(absl::AbsDuration(absl::Now() - date), absl::Seconds(10));
    return;
  }
  ADD_FAILURE() << "no Date";
}

TEST(Https, BadOptionsAreRefused) {
  Certificates certificates;
  const auto files = certificates.IssueServer();
  EXPECT_EQ(HttpsServer::Create({.certificate_file = "/absent", .key_file = files.key, .client_ca_file = certificates.ca_file()}, Echo).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(HttpsClient::Create({.ca_file = "/absent", .certificate_file = "", .key_file = ""}).status().code(), absl::StatusCode::kInvalidArgument);
  RunningServer server(certificates, Echo);
  EXPECT_EQ(HttpsServer::Create({.port = server.port(), .certificate_file = files.certificate, .key_file = files.key,
                                 .client_ca_file = certificates.ca_file()}, Echo).status().code(),
            absl::StatusCode::kUnavailable);
  for (const char* url : {"http://127.0.0.1/", "https://", "https://127.0.0.1:x/", "https://a@b/", "https://127.0.0.1/a b"}) {
    EXPECT_EQ(Client(certificates)->Send("GET", url).status().code(), absl::StatusCode::kInvalidArgument) << url;
  }
}

}  // namespace
}  // namespace custodian::rpc

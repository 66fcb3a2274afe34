// The one file that sees Beast, Asio and their TLS streams: server and client of HTTPS.
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <chrono>
#include <cstdlib>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <typeinfo>
#include <utility>
#include <vector>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "services/rpc/https_client.h"
#include "services/rpc/https_server.h"
#include "services/rpc/tls_context.h"
#include "spdlog/spdlog.h"

namespace custodian::rpc {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
namespace ssl = boost::asio::ssl;
using asio::ip::tcp;
using boost::system::error_code;
using TlsStream = beast::ssl_stream<beast::tcp_stream>;
using SteadyTime = std::chrono::steady_clock::time_point;

constexpr std::uint32_t kHeaderBytesMax = 16 * 1024;
// A body is read before anybody is asked who he is: without a certificate that proves it, only as much as an order check may have.
constexpr std::size_t kAnonymousBodyBytesMax = 5u << 20;
// Handshakes and socket work; handlers have threads of their own.
constexpr int kSocketThreads = 2;
// Connections past the limit that still get a 503 instead of a reset.
constexpr std::size_t kRefusedConnectionsMax = 256;
constexpr std::chrono::milliseconds kCloseTimeout{1'000};
// A handshake is two round trips.
constexpr std::chrono::milliseconds kHandshakeTimeout{5'000};
// How long, and for how many bytes, a refused request is read on so that the peer sees the answer rather than a reset.
constexpr std::chrono::milliseconds kDrainTimeout{3'000};
constexpr std::size_t kDrainBytesMax = 256u << 20;
// A kept client connection older than this is not used again: well under the server's read timeout.
constexpr absl::Duration kKeptFor = absl::Seconds(10);
constexpr std::size_t kKeptPerHostMax = 64;

absl::StatusOr<ssl::context> MakeContext(ssl::context::method method, const std::string& certificate_file, const std::string& key_file,
                                         const std::string& ca_file) {
  ssl::context context(method);
  if (absl::Status status = ConfigureTls(context.native_handle(), certificate_file, key_file, ca_file); !status.ok()) return status;
  return context;
}

bool IsHttpError(const error_code& error) { return error.category() == http::make_error_code(http::error::bad_target).category(); }

std::string HttpDateNow() { return absl::FormatTime("%a, %d %b %Y %H:%M:%S GMT", absl::Now(), absl::UTCTimeZone()); }

// A line break in a header would let its value write others.
bool HasLineBreak(std::string_view text) { return text.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos; }

HttpResponse Refusal(int status, std::string text) {
  return {status, {{"Content-Type", "text/plain; charset=utf-8"}, {"Cache-Control", "no-store"}}, std::move(text)};
}

// Path and query of a request target, or nothing when the escapes are malformed or hide a separator or control character.
std::optional<std::pair<std::string, std::string>> SplitTarget(std::string_view target) {
  // absolute-form (RFC 9112, section 3.2.2): what follows the authority.
  if (target.rfind("https://", 0) == 0) {
    const std::size_t slash = target.find('/', 8);
    target = slash == std::string_view::npos ? "/" : target.substr(slash);
  }
  if (target.empty() || target[0] != '/') return std::nullopt;
  const std::size_t mark = target.find('?');
  const std::string_view raw = target.substr(0, mark);
  std::string path = PercentDecode(raw);
  const auto escapes = static_cast<std::size_t>(std::count(raw.begin(), raw.end(), '%'));
  const bool escapes_valid = raw.size() - path.size() == 2 * escapes;
  const bool hides_slash = std::count(path.begin(), path.end(), '/') != std::count(raw.begin(), raw.end(), '/');
  const bool has_control = std::any_of(path.begin(), path.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  if (!escapes_valid || hides_slash || has_control) return std::nullopt;
  return std::make_pair(std::move(path), mark == std::string_view::npos ? std::string() : std::string(target.substr(mark + 1)));
}

}  // namespace

class HttpsServer::Core {
 public:
  Core(Options options, HttpHandler handler, ssl::context tls)
      : options_(std::move(options)), handler_(std::move(handler)), tls_(std::move(tls)), sockets_(kSocketThreads),
        acceptor_(asio::make_strand(sockets_)), retry_(acceptor_.get_executor()) {}

  absl::Status Bind();
  int port() const { return port_; }
  void Run();
  void Stop();

 private:
  class Session;
  friend class Session;

  void Accept();
  // False when no connection waits for its peer. Else `leaving` is the oldest of the address that keeps the most of them waiting (null when that is just being
  // destroyed): to be told to give way, and let go of, without the lock.
  bool MakeRoom(std::shared_ptr<Session>& leaving) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The one place where a handler's exception is caught.
  HttpResponse CallHandler(const HttpRequest& request) const;

  const Options options_;
  const HttpHandler handler_;
  ssl::context tls_;
  std::atomic<bool> stopping_ = false;
  // Outlive the event loop, whose handlers own the sessions.
  absl::Mutex mutex_;
  std::set<Session*> sessions_ ABSL_GUARDED_BY(mutex_);
  // Those whose peer's turn it is (handshake, header, body), by its address, the oldest first.
  std::map<std::string, std::list<Session*>> waiting_ ABSL_GUARDED_BY(mutex_);
  asio::io_context sockets_;
  tcp::acceptor acceptor_;
  asio::steady_timer retry_;
  std::optional<asio::thread_pool> workers_;
  int port_ = 0;
};

// One connection: handshake, then request after request. All members are touched on its strand only.
class HttpsServer::Core::Session : public std::enable_shared_from_this<Session> {
 public:
  Session(Core& core, tcp::socket socket, std::string address, bool over_limit)
      : core_(core), stream_(std::move(socket), core.tls_), held_(stream_.get_executor()), address_(std::move(address)), over_limit_(over_limit) {}
  ~Session() {
    absl::MutexLock lock(&core_.mutex_);
    core_.sessions_.erase(this);
    EndWait();
  }

  void Start() {
    asio::post(stream_.get_executor(), [self = shared_from_this()] { self->Handshake(); });
  }
  // It is the peer's turn, and another may have the connection's place. Under the core's lock, which the analysis cannot follow here.
  void BeginWait() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    EndWait();
    std::list<Session*>& waiting = core_.waiting_[address_];
    place_ = waiting.insert(waiting.end(), this);
  }
  void EndWait() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    if (!place_) return;
    const auto waiting = core_.waiting_.find(address_);
    waiting->second.erase(*place_);
    if (waiting->second.empty()) core_.waiting_.erase(waiting);
    place_.reset();
  }
  // Ends the connection unless its request is complete by now.
  void GiveWay() {
    asio::post(stream_.get_executor(), [self = shared_from_this()] {
      if (self->peers_turn_) beast::get_lowest_layer(self->stream_).close();
    });
  }
  // Ends the connection unless a request is under way.
  void StopWhenIdle() {
    asio::post(stream_.get_executor(), [self = shared_from_this()] {
      if (self->idle_) beast::get_lowest_layer(self->stream_).cancel();
    });
  }

 private:
  void ExpireAfter(std::chrono::milliseconds time) { beast::get_lowest_layer(stream_).expires_after(time); }
  std::chrono::milliseconds ReadTimeout() const { return absl::ToChronoMilliseconds(core_.options_.read_timeout); }

  std::size_t BodyBytesMax() const {
    return spiffe_id_.empty() ? std::min(core_.options_.body_bytes_max, kAnonymousBodyBytesMax) : core_.options_.body_bytes_max;
  }

  void SetPeersTurn(bool peers_turn) {
    peers_turn_ = peers_turn;
    absl::MutexLock lock(&core_.mutex_);
    if (peers_turn) {
      BeginWait();
    } else {
      EndWait();
    }
  }

  void Handshake() {
    ExpireAfter(std::min(kHandshakeTimeout, ReadTimeout()));
    idle_ = true;
    stream_.async_handshake(ssl::stream_base::server, [self = shared_from_this()](error_code error) {
      if (error) return;
      self->spiffe_id_ = PeerSpiffeId(self->stream_.native_handle());
      self->ReadHeader();
    });
  }

  void ReadHeader() {
    if (core_.stopping_) return Close();
    parser_.emplace();
    parser_->header_limit(kHeaderBytesMax);
    parser_->body_limit(BodyBytesMax());
    idle_ = true;
    SetPeersTurn(true);
    ExpireAfter(ReadTimeout());
    http::async_read_header(stream_, buffer_, *parser_, [self = shared_from_this()](error_code error, std::size_t) {
      self->idle_ = false;
      if (error) return self->ReadFailed(error);
      self->OnHeader();
    });
  }

  void OnHeader() {
    if (over_limit_) {
      HttpResponse response = Refusal(503, "too many connections; try again in a second\n");
      response.headers.emplace_back("Retry-After", "1");
      return Refuse(std::move(response));
    }
    if (!beast::iequals(parser_->get()[http::field::expect], "100-continue")) return ReadBody();
    continue_.result(http::status::continue_);
    continue_.version(11);
    http::async_write(stream_, continue_, [self = shared_from_this()](error_code error, std::size_t) {
      if (!error) self->ReadBody();
    });
  }

  void ReadBody() {
    ExpireAfter(ReadTimeout());
    http::async_read(stream_, buffer_, *parser_, [self = shared_from_this()](error_code error, std::size_t) {
      if (error) return self->ReadFailed(error);
      self->OnRequest();
    });
  }

  void ReadFailed(const error_code& error) {
    if (error == http::error::end_of_stream) return Close();
    // The peer left in mid-message, or took too long: nobody waits for an answer.
    if (!IsHttpError(error) || error == http::error::partial_message) return;
    if (error == http::error::body_limit) {
      return Refuse(Refusal(413, absl::StrCat("the body is larger than ", BodyBytesMax(), " bytes\n")));
    }
    if (error == http::error::header_limit) {
      return Refuse(Refusal(431, absl::StrCat("the header is larger than ", kHeaderBytesMax, " bytes\n")));
    }
    Refuse(Refusal(400, "not a well-formed HTTP/1.1 request\n"));
  }

  void OnRequest() {
    SetPeersTurn(false);
    auto message = parser_->release();
    keep_alive_ = message.keep_alive();
    head_ = message.method() == http::verb::head;
    const std::string_view target(message.target().data(), message.target().size());
    auto split = SplitTarget(target);
    if (!split.has_value()) return Refuse(Refusal(400, "the request target is not a valid path\n"));
    if (message.version() >= 11 && message.count(http::field::host) != 1) return Refuse(Refusal(400, "one Host header is required\n"));

    HttpRequest request;
    request.method = std::string(message.method_string());
    request.path = std::move(split->first);
    request.query = std::move(split->second);
    for (const auto& field : message) {
      request.headers.emplace_back(absl::AsciiStrToLower(std::string(field.name_string())), std::string(field.value()));
    }
    request.body = std::move(message.body());
    request.peer_spiffe_id = spiffe_id_;
    request.peer_address = address_;
    // Waits for the handler as long as it takes: our own deadlines are the handlers'.
    beast::get_lowest_layer(stream_).expires_never();
    asio::post(*core_.workers_, [self = shared_from_this(), guard = asio::make_work_guard(core_.sockets_), request = std::move(request)] {
      HttpResponse response = self->core_.CallHandler(request);
      asio::post(self->stream_.get_executor(), [self, response = std::move(response)]() mutable { self->WriteInTime(std::move(response)); });
    });
  }

  void WriteInTime(HttpResponse response) {
    const absl::Duration wait = response.not_before - absl::Now();
    if (wait <= absl::ZeroDuration() || core_.stopping_) return Write(std::move(response), false);
    held_.expires_after(absl::ToChronoNanoseconds(wait));
    held_.async_wait([self = shared_from_this(), response = std::move(response)](error_code) mutable { self->Write(std::move(response), false); });
  }

  // Answers without having read the request to its end.
  void Refuse(HttpResponse response) {
    SetPeersTurn(false);
    keep_alive_ = false;
    Write(std::move(response), true);
  }

  void Write(HttpResponse answer, bool drain) {
    if (core_.stopping_) keep_alive_ = false;
    response_ = {};
    response_.version(11);
    response_.result(static_cast<unsigned>(answer.status));
    for (const auto& [name, value] : answer.headers) response_.insert(name, value);
    // RFC 9110, section 6.6.1: a client may compare its clock.
    if (response_.count(http::field::date) == 0) response_.set(http::field::date, HttpDateNow());
    response_.keep_alive(keep_alive_);
    // RFC 9110, section 8.6: no length on 204.
    if (answer.status != 204) response_.content_length(answer.body.size());
    if (!head_ && answer.status != 204 && answer.status != 304) response_.body() = std::move(answer.body);
    ExpireAfter(ReadTimeout());
    http::async_write(stream_, response_, [self = shared_from_this(), drain](error_code error, std::size_t) {
      if (error) return;
      if (drain) return self->Drain();
      if (!self->keep_alive_) return self->Close();
      self->ReadHeader();
    });
  }

  // Ends our side and reads on for a while, below TLS: closing with unread bytes would reset the connection and take the answer
  // with it.
  void Drain() {
    error_code ignored;
    beast::get_lowest_layer(stream_).socket().shutdown(tcp::socket::shutdown_send, ignored);
    ExpireAfter(kDrainTimeout);
    drain_buffer_.resize(64 * 1024);
    DrainSome();
  }
  void DrainSome() {
    beast::get_lowest_layer(stream_).async_read_some(asio::buffer(drain_buffer_), [self = shared_from_this()](error_code error, std::size_t count) {
      self->drained_ += count;
      if (error || self->drained_ > kDrainBytesMax) return;
      self->DrainSome();
    });
  }

  void Close() {
    ExpireAfter(kCloseTimeout);
    stream_.async_shutdown([self = shared_from_this()](error_code) {});
  }

  Core& core_;
  TlsStream stream_;
  // Of an answer that is held back.
  asio::steady_timer held_;
  // The peer's.
  const std::string address_;
  const bool over_limit_;
  // Among those of its address that wait; under the core's lock.
  std::optional<std::list<Session*>::iterator> place_;
  bool peers_turn_ = true;
  std::string spiffe_id_;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  http::response<http::string_body> response_;
  http::response<http::string_body> continue_;
  std::vector<char> drain_buffer_;
  std::size_t drained_ = 0;
  // Nothing of a request has been handed on yet.
  bool idle_ = true;
  bool keep_alive_ = false;
  bool head_ = false;
};

absl::Status HttpsServer::Core::Bind() {
  error_code error;
  const auto address = asio::ip::make_address(options_.address, error);
  if (error) return absl::InvalidArgumentError(absl::StrCat("not an IP address to listen on: ", options_.address));
  const tcp::endpoint endpoint(address, static_cast<std::uint16_t>(options_.port));
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
  if (error) return absl::UnavailableError(absl::StrCat("cannot listen on ", options_.address, ":", options_.port, ": ", error.message()));
  port_ = acceptor_.local_endpoint().port();
  return absl::OkStatus();
}

void HttpsServer::Core::Run() {
  workers_.emplace(static_cast<std::size_t>(options_.threads));
  asio::post(acceptor_.get_executor(), [this] { Accept(); });
  std::vector<std::thread> threads;
  for (int i = 1; i < kSocketThreads; ++i) threads.emplace_back([this] { sockets_.run(); });
  sockets_.run();
  for (std::thread& thread : threads) thread.join();
  workers_->join();
}

void HttpsServer::Core::Accept() {
  if (stopping_) return;
  acceptor_.async_accept(asio::make_strand(sockets_), [this](error_code error, tcp::socket socket) {
    if (stopping_) return;
    if (error) {
      // Out of descriptors, or a peer that left already: go on a little later.
      retry_.expires_after(std::chrono::milliseconds(50));
      return retry_.async_wait([this](error_code) { Accept(); });
    }
    socket.set_option(tcp::no_delay(true), error);
    const tcp::endpoint peer = socket.remote_endpoint(error);
    std::shared_ptr<Session> session, leaving;
    {
      absl::MutexLock lock(&mutex_);
      const auto limit = static_cast<std::size_t>(options_.connections_max);
      const bool full = sessions_.size() >= limit && !MakeRoom(leaving);
      if (sessions_.size() < limit + kRefusedConnectionsMax) {
        session = std::make_shared<Session>(*this, std::move(socket), error ? "" : peer.address().to_string(), full);
        sessions_.insert(session.get());
        session->BeginWait();
      }
    }
    if (leaving != nullptr) leaving->GiveWay();
    if (session != nullptr) session->Start();
    Accept();
  });
}

bool HttpsServer::Core::MakeRoom(std::shared_ptr<Session>& leaving) {
  const auto greediest = std::max_element(waiting_.begin(), waiting_.end(), [](const auto& a, const auto& b) { return a.second.size() < b.second.size(); });
  if (greediest == waiting_.end()) return false;
  Session& oldest = *greediest->second.front();
  leaving = oldest.weak_from_this().lock();
  oldest.EndWait();
  return true;
}

void HttpsServer::Core::Stop() {
  stopping_ = true;
  asio::post(acceptor_.get_executor(), [this] {
    error_code ignored;
    acceptor_.close(ignored);
    retry_.cancel();
  });
  std::vector<std::shared_ptr<Session>> sessions;
  {
    absl::MutexLock lock(&mutex_);
    // One that is just being destroyed locks to nothing.
    for (Session* session : sessions_) sessions.push_back(session->weak_from_this().lock());
  }
  for (const auto& session : sessions)
    if (session != nullptr) session->StopWhenIdle();
}

HttpResponse HttpsServer::Core::CallHandler(const HttpRequest& request) const {
  try {
    HttpResponse response = handler_(request);
    const bool headers_valid = std::all_of(response.headers.begin(), response.headers.end(), [](const auto& header) {
      return !header.first.empty() && !HasLineBreak(header.first) && !HasLineBreak(header.second) &&
             header.first.size() + header.second.size() < kHeaderBytesMax;
    });
    if (headers_valid && response.status >= 200 && response.status <= 599) {
      // Framing is the server's.
      std::erase_if(response.headers, [](const auto& header) {
        const std::string name = absl::AsciiStrToLower(header.first);
        return name == "content-length" || name == "transfer-encoding" || name == "connection";
      });
      return response;
    }
    spdlog::error("event=bad_response status={}", response.status);
  } catch (const std::exception& exception) {
    // The text could carry health data; the type cannot.
    spdlog::error("event=handler_threw type={}", typeid(exception).name());
  }
  return Refusal(500, "internal error\n");
}

HttpsServer::HttpsServer(std::unique_ptr<Core> core) : core_(std::move(core)) {}
HttpsServer::~HttpsServer() = default;

absl::StatusOr<std::unique_ptr<HttpsServer>> HttpsServer::Create(Options options, HttpHandler handler) {
  auto tls = MakeContext(ssl::context::tls_server, options.certificate_file, options.key_file, options.client_ca_file);
  if (!tls.ok()) return tls.status();
  if (options.certificate_file.empty()) return absl::InvalidArgumentError("an HTTPS server needs a certificate");
  // Asked for, not required; one that does not verify ends the handshake.
  AskForClientCertificate(tls->native_handle(), options.client_ca_file, /*required=*/false);
  auto core = std::make_unique<Core>(std::move(options), std::move(handler), *std::move(tls));
  if (absl::Status bound = core->Bind(); !bound.ok()) return bound;
  return std::unique_ptr<HttpsServer>(new HttpsServer(std::move(core)));
}

int HttpsServer::port() const { return core_->port(); }
void HttpsServer::Run() { core_->Run(); }
void HttpsServer::Stop() { core_->Stop(); }

namespace {

struct Url {
  std::string host;
  std::string port;
  // Path and query.
  std::string target;
  std::string HostAndPort() const {
    return host.find(':') == std::string::npos ? absl::StrCat(host, ":", port) : absl::StrCat("[", host, "]:", port);
  }
};

absl::StatusOr<Url> ParseUrl(std::string_view text) {
  const bool has_space = std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f; });
  if (text.rfind("https://", 0) != 0 || has_space) return absl::InvalidArgumentError("a URL must begin with https:// and hold no spaces");
  text.remove_prefix(8);
  const std::size_t end = text.find_first_of("/?#");
  const std::string_view authority = text.substr(0, end);
  Url url;
  url.target = end == std::string_view::npos ? "/" : std::string(text.substr(end, text.find('#', end) - end));
  if (url.target.empty() || url.target[0] != '/') url.target.insert(0, "/");
  const std::size_t colon = authority.rfind(':');
  const std::size_t bracket = authority.rfind(']');
  const bool has_port = colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket);
  url.host = std::string(authority.substr(0, has_port ? colon : authority.size()));
  url.port = has_port ? std::string(authority.substr(colon + 1)) : "443";
  if (url.host.size() > 2 && url.host.front() == '[' && url.host.back() == ']') url.host = url.host.substr(1, url.host.size() - 2);
  const bool port_valid = !url.port.empty() && url.port.size() <= 5 && url.port.find_first_not_of("0123456789") == std::string::npos;
  if (url.host.empty() || !port_valid || url.host.find('@') != std::string::npos) {
    return absl::InvalidArgumentError("a URL needs a host and a port number, and no user name");
  }
  return url;
}

// One connection of the client with an event loop of its own, driven by the thread that has taken it.
struct Connection {
  explicit Connection(ssl::context& tls) : stream(loop, tls) {}

  // Runs one asynchronous operation to its end or to the deadline.
  template <typename Start>
  error_code Await(SteadyTime deadline, Start start) {
    error_code result = asio::error::would_block;
    beast::get_lowest_layer(stream).expires_at(deadline);
    start([&result](error_code error, auto&&...) { result = error; });
    loop.restart();
    loop.run();
    return result;
  }
  // The server closed it (or said something unasked) while it lay in the pool.
  bool Stale() {
    char byte = 0;
    const auto count = recv(beast::get_lowest_layer(stream).socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return count >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
  }

  asio::io_context loop{1};
  TlsStream stream;
  beast::flat_buffer buffer;
  absl::Time kept_at;
  // Has carried a request before.
  bool kept = false;
};

bool IsTlsAlert(const error_code& error) {
  return error.category() == asio::error::get_ssl_category() &&
         ERR_GET_REASON(static_cast<unsigned long>(error.value())) > SSL_AD_REASON_OFFSET;
}

absl::Status ConnectionError(std::string_view what, const Url& url, const error_code& error) {
  const std::string message = absl::StrCat(std::string(what), " ", url.HostAndPort(), ": ", error.message());
  return error == beast::error::timeout ? absl::DeadlineExceededError(message) : absl::UnavailableError(message);
}

}  // namespace

class HttpsClient::Core {
 public:
  Core(Options options, ssl::context tls) : options_(std::move(options)), tls_(std::move(tls)) {}

  using Headers = std::vector<std::pair<std::string, std::string>>;
  absl::StatusOr<HttpResponse> Send(absl::Duration timeout, std::string_view method, std::string_view url_text, const Headers& headers,
                                    std::string_view body);
  [[nodiscard]] absl::Duration timeout() const { return options_.timeout; }

 private:
  using Request = http::request<http::string_body>;
  struct Outcome {
    absl::StatusOr<HttpResponse> response;
    // The connection failed before the whole request was handed to it: the server cannot have acted.
    bool unsent = false;
  };

  std::unique_ptr<Connection> TakeKept(const Url& url);
  void Keep(const Url& url, std::unique_ptr<Connection> connection);
  absl::StatusOr<std::unique_ptr<Connection>> Connect(const Url& url, SteadyTime deadline);
  Outcome Exchange(const Url& url, const Request& request, std::unique_ptr<Connection> connection, SteadyTime deadline);

  const Options options_;
  ssl::context tls_;
  absl::Mutex mutex_;
  std::map<std::string, std::vector<std::unique_ptr<Connection>>> kept_ ABSL_GUARDED_BY(mutex_);
};

std::unique_ptr<Connection> HttpsClient::Core::TakeKept(const Url& url) {
  // Closed outside the lock.
  std::vector<std::unique_ptr<Connection>> discarded;
  absl::MutexLock lock(&mutex_);
  auto& connections = kept_[url.HostAndPort()];
  while (!connections.empty()) {
    std::unique_ptr<Connection> connection = std::move(connections.back());
    connections.pop_back();
    if (absl::Now() - connection->kept_at < kKeptFor && !connection->Stale()) return connection;
    discarded.push_back(std::move(connection));
  }
  return nullptr;
}

void HttpsClient::Core::Keep(const Url& url, std::unique_ptr<Connection> connection) {
  connection->kept = true;
  connection->kept_at = absl::Now();
  absl::MutexLock lock(&mutex_);
  auto& connections = kept_[url.HostAndPort()];
  if (connections.size() < kKeptPerHostMax) connections.push_back(std::move(connection));
}

absl::StatusOr<std::unique_ptr<Connection>> HttpsClient::Core::Connect(const Url& url, SteadyTime deadline) {
  auto connection = std::make_unique<Connection>(tls_);
  error_code error;
  tcp::resolver resolver(connection->loop);
  const auto resolved = resolver.resolve(url.host, url.port, error);
  if (error) return ConnectionError("cannot resolve", url, error);
  // What was judged is what is connected to: the name is not asked a second time.
  std::vector<tcp::endpoint> endpoints;
  for (const auto& entry : resolved)
    if (!options_.admits_address || options_.admits_address(entry.endpoint().address().to_string())) endpoints.push_back(entry.endpoint());
  if (endpoints.empty()) return absl::PermissionDeniedError(absl::StrCat("no address of ", url.host, " may be connected to"));
  error = connection->Await(deadline, [&](auto done) { beast::get_lowest_layer(connection->stream).async_connect(endpoints, done); });
  if (error) return ConnectionError("cannot connect to", url, error);
  beast::get_lowest_layer(connection->stream).socket().set_option(tcp::no_delay(true), error);
  asio::ip::make_address(url.host, error);
  // SNI holds names only (RFC 6066, section 3).
  if (error) SSL_set_tlsext_host_name(connection->stream.native_handle(), url.host.c_str());
  connection->stream.set_verify_mode(ssl::verify_peer);
  connection->stream.set_verify_callback(ssl::host_name_verification(url.host));
  error = connection->Await(deadline, [&](auto done) { connection->stream.async_handshake(ssl::stream_base::client, done); });
  if (error) return ConnectionError("no trusted TLS connection to", url, error);
  return connection;
}

HttpsClient::Core::Outcome HttpsClient::Core::Exchange(const Url& url, const Request& request, std::unique_ptr<Connection> connection,
                                                       SteadyTime deadline) {
  const error_code write_error = connection->Await(deadline, [&](auto done) { http::async_write(connection->stream, request, done); });
  if (write_error == beast::error::timeout) {
    return {absl::DeadlineExceededError(absl::StrCat("timed out sending to ", url.HostAndPort()))};
  }
  // Even when the write failed: a server that refuses a body early has answered already.
  std::optional<http::response_parser<http::string_body>> parser;
  error_code read_error;
  do {
    parser.emplace();
    parser->header_limit(64 * 1024);
    parser->body_limit(options_.body_bytes_max);
    if (request.method() == http::verb::head) parser->skip(true);
    read_error = connection->Await(deadline, [&](auto done) { http::async_read(connection->stream, connection->buffer, *parser, done); });
  } while (!read_error && parser->get().result_int() < 200);

  if (read_error) {
    const bool nothing_arrived = !parser->got_some() && connection->buffer.size() == 0;
    if (read_error == beast::error::timeout) return {absl::DeadlineExceededError(absl::StrCat("timed out waiting for ", url.HostAndPort()))};
    // TLS 1.3 tells a client only now that its certificate was refused.
    if (nothing_arrived && !connection->kept && IsTlsAlert(read_error)) {
      return {absl::UnauthenticatedError(absl::StrCat(url.HostAndPort(), " refused our certificate: ", read_error.message()))};
    }
    if (read_error == http::error::body_limit) return {absl::ResourceExhaustedError(absl::StrCat("the answer of ", url.HostAndPort(), " is too large"))};
    if (write_error && nothing_arrived) return {ConnectionError("the connection broke before the request was sent to", url, write_error), true};
    return {absl::UnknownError(absl::StrCat("the connection to ", url.HostAndPort(), " broke after the request was sent: ", read_error.message()))};
  }
  HttpResponse response;
  response.status = static_cast<int>(parser->get().result_int());
  for (const auto& field : parser->get()) {
    response.headers.emplace_back(absl::AsciiStrToLower(std::string(field.name_string())), std::string(field.value()));
  }
  const bool keep = !write_error && parser->keep_alive() && connection->buffer.size() == 0;
  response.body = std::move(parser->get().body());
  if (keep) Keep(url, std::move(connection));
  return {std::move(response)};
}

absl::StatusOr<HttpResponse> HttpsClient::Core::Send(absl::Duration timeout, std::string_view method, std::string_view url_text,
                                                     const Headers& headers, std::string_view body) {
  auto url = ParseUrl(url_text);
  if (!url.ok()) return url.status();
  Request request;
  request.version(11);
  try {
    request.method_string(beast::string_view(method.data(), method.size()));
    request.target(url->target);
    request.set(http::field::host, url->HostAndPort());
    for (const auto& [name, value] : headers) {
      if (name.empty() || HasLineBreak(name) || HasLineBreak(value)) {
        return absl::InvalidArgumentError("a header is empty or holds a line break");
      }
      request.set(name, value);
    }
  } catch (const std::exception&) {
    return absl::InvalidArgumentError("not an HTTP method or header");
  }
  request.body() = std::string(body);
  request.prepare_payload();

  const SteadyTime deadline = std::chrono::steady_clock::now() + absl::ToChronoMilliseconds(timeout);
  std::unique_ptr<Connection> kept = TakeKept(*url);
  if (kept != nullptr) {
    Outcome outcome = Exchange(*url, request, std::move(kept), deadline);
    // Servers close idle connections when they like; a read may be done twice (RFC 9110, section 9.2.2).
    const bool is_read = method == "GET" || method == "HEAD";
    if (!outcome.unsent && !(is_read && absl::IsUnknown(outcome.response.status()))) return std::move(outcome.response);
  }
  auto connection = Connect(*url, deadline);
  if (!connection.ok()) return connection.status();
  return Exchange(*url, request, *std::move(connection), deadline).response;
}

HttpsClient::HttpsClient(std::unique_ptr<Core> core) : core_(std::move(core)) {}
HttpsClient::~HttpsClient() = default;

absl::StatusOr<std::unique_ptr<HttpsClient>> HttpsClient::Create(Options options) {
  auto tls = MakeContext(ssl::context::tls_client, options.certificate_file, options.key_file, options.ca_file);
  if (!tls.ok()) return tls.status();
  return std::unique_ptr<HttpsClient>(new HttpsClient(std::make_unique<Core>(std::move(options), *std::move(tls))));
}

absl::StatusOr<HttpResponse> HttpsClient::Send(std::string_view method, std::string_view url,
                                               const std::vector<std::pair<std::string, std::string>>& headers,
                                               std::string_view body) const {
  return core_->Send(core_->timeout(), method, url, headers, body);
}

absl::StatusOr<HttpResponse> HttpsClient::SendWithin(absl::Duration timeout, std::string_view method, std::string_view url,
                                                     const std::vector<std::pair<std::string, std::string>>& headers,
                                                     std::string_view body) const {
  return core_->Send(std::min(timeout, core_->timeout()), method, url, headers, body);
}

}  // namespace custodian::rpc

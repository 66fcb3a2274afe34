#include "services/rpc/mllp_server.h"

#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/buffer.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <thread>
#include <typeinfo>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "services/rpc/errands.h"
#include "services/rpc/identity.h"
#include "services/rpc/tls_context.h"
#include "spdlog/spdlog.h"

namespace custodian::rpc {
namespace {

namespace asio = boost::asio;
namespace ssl = boost::asio::ssl;
using asio::ip::tcp;
using boost::system::error_code;

constexpr char kStart = '\x0b';
constexpr char kEnd = '\x1c';
constexpr char kReturn = '\r';
constexpr std::size_t kReadBytes = 64 * 1024;
constexpr std::chrono::milliseconds kCloseTimeout{1'000};
// How long a client that is cut off in mid-frame is still read, so that it sees the answer rather than a reset; and how much.
constexpr std::chrono::milliseconds kDrainTimeout{3'000};
constexpr std::size_t kDrainBytesMax = 256u << 20;

std::string Framed(const std::vector<std::string>& messages) {
  std::string frames;
  for (const std::string& message : messages) {
    frames += kStart;
    frames += message;
    frames += kEnd;
    frames += kReturn;
  }
  return frames;
}

}  // namespace

class MllpServer::Core {
 public:
  Core(Options options, MllpHandler handler, ssl::context tls)
      : options_(std::move(options)),
        handler_(std::move(handler)),
        tls_(std::move(tls)),
        acceptor_(asio::make_strand(sockets_)),
        retry_(acceptor_.get_executor()),
        frames_(static_cast<std::size_t>(options_.connections_max), std::max(1, options_.threads / 2)) {}

  absl::Status Bind();
  [[nodiscard]] int port() const { return port_; }
  void Run();
  void Stop();

 private:
  class Session;
  friend class Session;

  void Accept();
  // The one place where a handler's exception is caught.
  MllpAnswer CallHandler(const MllpFrame& frame) const;
  // False when the client has as many connections as it may.
  bool Admit(const std::string& client);
  void Leave(const std::string& client);

  const Options options_;
  const MllpHandler handler_;
  ssl::context tls_;
  std::atomic<bool> stopping_ = false;
  // Outlive the event loop, whose handlers own the sessions.
  absl::Mutex mutex_;
  std::set<Session*> sessions_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, int> clients_ ABSL_GUARDED_BY(mutex_);
  asio::io_context sockets_;
  tcp::acceptor acceptor_;
  asio::steady_timer retry_;
  // A connection has one frame at a time.
  Errands frames_;
  int port_ = 0;
};

// One connection: handshake, then frame after frame. All members are touched on its strand only.
class MllpServer::Core::Session : public std::enable_shared_from_this<Session> {
 public:
  Session(Core& core, tcp::socket socket) : core_(core), stream_(std::move(socket), core.tls_), timer_(stream_.get_executor()) {}
  ~Session() {
    if (admitted_) core_.Leave(client_);
    absl::MutexLock lock(&core_.mutex_);
    core_.sessions_.erase(this);
  }

  void Start() {
    asio::post(stream_.get_executor(), [self = shared_from_this()] { self->Handshake(); });
  }
  // Ends the connection unless a frame is being worked on.
  void StopWhenIdle() {
    asio::post(stream_.get_executor(), [self = shared_from_this()] {
      if (!self->working_) self->Abandon();
    });
  }

 private:
  std::chrono::milliseconds FrameTimeout() const { return absl::ToChronoMilliseconds(core_.options_.frame_timeout); }

  void ExpireAfter(std::chrono::milliseconds time) {
    timer_.expires_after(time);
    timer_.async_wait([weak = weak_from_this()](error_code error) {
      if (error) return;
      if (const auto self = weak.lock()) self->Abandon();
    });
  }
  void Abandon() {
    error_code ignored;
    timer_.cancel();
    stream_.lowest_layer().close(ignored);
  }

  void Handshake() {
    ExpireAfter(FrameTimeout());
    stream_.async_handshake(ssl::stream_base::server, [self = shared_from_this()](error_code error) {
      if (error) return self->Abandon();
      self->client_ = PeerSpiffeId(self->stream_.native_handle());
      if (const auto id = SpiffeId::Parse(self->client_); id.ok()) self->tenant_ = id->tenant;
      self->admitted_ = !self->client_.empty() && self->core_.Admit(self->client_);
      if (!self->admitted_) return self->Close();
      self->ExpireAfter(absl::ToChronoMilliseconds(self->core_.options_.idle_timeout));
      self->Read();
    });
  }

  void Read() {
    if (core_.stopping_) return Close();
    stream_.async_read_some(asio::buffer(chunk_), [self = shared_from_this()](error_code error, std::size_t count) {
      if (error) return self->Abandon();
      self->pending_.append(self->chunk_.data(), count);
      self->Next();
    });
  }

  // Takes from `pending_` what is there of a frame.
  void Next() {
    if (!in_frame_) {
      // Some senders end a block with line feeds of their own.
      const auto start = pending_.find_first_not_of("\r\n");
      pending_.erase(0, std::min(start, pending_.size()));
      if (pending_.empty()) return Read();
      if (pending_.front() != kStart) return Close();
      pending_.erase(0, 1);
      in_frame_ = true;
      searched_ = 0;
      // A slow client has the time of one frame, however it spreads its bytes.
      ExpireAfter(FrameTimeout());
    }
    const auto end = pending_.find(kEnd, searched_);
    if (std::min(end, pending_.size()) > core_.options_.frame_bytes_max) {
      pending_.resize(std::min(pending_.size(), core_.options_.frame_bytes_max));
      return Hand(std::exchange(pending_, ""), false);
    }
    if (end == std::string::npos || end + 1 == pending_.size()) {
      searched_ = end == std::string::npos ? pending_.size() : end;
      return Read();
    }
    // The end of a block is two bytes; the first alone may be nowhere within it.
    if (pending_[end + 1] != kReturn) return Close();
    std::string bytes = pending_.substr(0, end);
    pending_.erase(0, end + 2);
    Hand(std::move(bytes), true);
  }

  void Hand(std::string bytes, bool whole) {
    in_frame_ = false;
    working_ = true;
    timer_.cancel();
    MllpFrame frame{client_, std::move(bytes), whole};
    const bool taken = core_.frames_.Add(tenant_, [self = shared_from_this(), guard = asio::make_work_guard(core_.sockets_), frame = std::move(frame)] {
      MllpAnswer answer = self->core_.CallHandler(frame);
      asio::post(self->stream_.get_executor(),
                 [self, whole = frame.whole, answer = std::move(answer)]() mutable { self->Write(std::move(answer), whole); });
    });
    // No answer: the sender sends again.
    if (!taken) Abandon();
  }

  void Write(MllpAnswer answer, bool whole) {
    working_ = false;
    const bool close = answer.close || !whole || core_.stopping_;
    outgoing_ = Framed(answer.messages);
    ExpireAfter(FrameTimeout());
    asio::async_write(stream_, asio::buffer(outgoing_), [self = shared_from_this(), close, whole](error_code error, std::size_t) {
      if (error) return self->Abandon();
      if (!whole) return self->Drain();
      if (close) return self->Close();
      self->ExpireAfter(absl::ToChronoMilliseconds(self->core_.options_.idle_timeout));
      self->Next();
    });
  }

  // Ends our side and reads on for a while, below TLS: closing with unread bytes would reset the connection and take the answer with it.
  void Drain() {
    error_code ignored;
    stream_.next_layer().shutdown(tcp::socket::shutdown_send, ignored);
    ExpireAfter(kDrainTimeout);
    DrainSome();
  }
  void DrainSome() {
    stream_.next_layer().async_read_some(asio::buffer(chunk_), [self = shared_from_this()](error_code error, std::size_t count) {
      self->drained_ += count;
      if (error || self->drained_ > kDrainBytesMax) return self->Abandon();
      self->DrainSome();
    });
  }

  void Close() {
    ExpireAfter(kCloseTimeout);
    stream_.async_shutdown([self = shared_from_this()](error_code) { self->Abandon(); });
  }

  Core& core_;
  ssl::stream<tcp::socket> stream_;
  asio::steady_timer timer_;
  std::string client_;
  TenantId tenant_;
  // Counted among the client's connections.
  bool admitted_ = false;
  // With the handler.
  bool working_ = false;
  bool in_frame_ = false;
  std::array<char, kReadBytes> chunk_;
  std::string pending_;
  // Of `pending_`, where no end of a block was found.
  std::size_t searched_ = 0;
  std::string outgoing_;
  std::size_t drained_ = 0;
};

absl::Status MllpServer::Core::Bind() {
  error_code error;
  const auto address = asio::ip::make_address(options_.address, error);
  if (error) return absl::InvalidArgumentError(absl::StrCat("not an IP address to listen on: ", options_.address));
  const tcp::endpoint endpoint(address, static_cast<std::uint16_t>(options_.port));
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
  if (error) return absl::UnavailableError(absl::StrCat("cannot listen for MLLP on ", options_.address, ":", options_.port, ": ", error.message()));
  port_ = acceptor_.local_endpoint().port();
  return absl::OkStatus();
}

void MllpServer::Core::Run() {
  std::vector<std::thread> threads;
  for (int i = 0; i < options_.threads; ++i) threads.emplace_back([this] { frames_.Work(); });
  asio::post(acceptor_.get_executor(), [this] { Accept(); });
  sockets_.run();
  frames_.Stop();
  for (std::thread& thread : threads) thread.join();
}

void MllpServer::Core::Accept() {
  if (stopping_) return;
  acceptor_.async_accept(asio::make_strand(sockets_), [this](error_code error, tcp::socket socket) {
    if (stopping_) return;
    if (error) {
      // Out of descriptors, or a peer that left already: go on a little later.
      retry_.expires_after(std::chrono::milliseconds(50));
      return retry_.async_wait([this](error_code) { Accept(); });
    }
    socket.set_option(tcp::no_delay(true), error);
    socket.set_option(asio::socket_base::keep_alive(true), error);
    std::shared_ptr<Session> session;
    {
      absl::MutexLock lock(&mutex_);
      if (sessions_.size() < static_cast<std::size_t>(options_.connections_max)) {
        session = std::make_shared<Session>(*this, std::move(socket));
        sessions_.insert(session.get());
      }
    }
    if (session != nullptr) session->Start();
    Accept();
  });
}

void MllpServer::Core::Stop() {
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

MllpAnswer MllpServer::Core::CallHandler(const MllpFrame& frame) const {
  try {
    MllpAnswer answer = handler_(frame);
    const bool sound = std::all_of(answer.messages.begin(), answer.messages.end(), [](const std::string& message) {
      return message.find_first_of(std::string_view("\x0b\x1c", 2)) == std::string::npos;
    });
    if (sound) return answer;
    spdlog::error("event=bad_mllp_answer");
  } catch (const std::exception& exception) {
    // The text could carry health data; the type cannot.
    spdlog::error("event=handler_threw type={}", typeid(exception).name());
  }
  // No answer: the sender sends again.
  return {.messages = {}, .close = true};
}

bool MllpServer::Core::Admit(const std::string& client) {
  absl::MutexLock lock(&mutex_);
  int& connections = clients_[client];
  if (connections >= options_.connections_per_client_max) return false;
  ++connections;
  return true;
}

void MllpServer::Core::Leave(const std::string& client) {
  absl::MutexLock lock(&mutex_);
  if (const auto found = clients_.find(client); found != clients_.end() && --found->second == 0) clients_.erase(found);
}

MllpServer::MllpServer(std::unique_ptr<Core> core) : core_(std::move(core)) {}
MllpServer::~MllpServer() = default;

absl::StatusOr<std::unique_ptr<MllpServer>> MllpServer::Create(Options options, MllpHandler handler) {
  if (options.certificate_file.empty()) return absl::InvalidArgumentError("an MLLP server needs a certificate");
  ssl::context tls(ssl::context::tls_server);
  if (absl::Status status = ConfigureTls(tls.native_handle(), options.certificate_file, options.key_file, options.client_ca_file); !status.ok()) return status;
  AskForClientCertificate(tls.native_handle(), options.client_ca_file, /*required=*/true);
  auto core = std::make_unique<Core>(std::move(options), std::move(handler), std::move(tls));
  if (absl::Status bound = core->Bind(); !bound.ok()) return bound;
  return std::unique_ptr<MllpServer>(new MllpServer(std::move(core)));
}

int MllpServer::port() const { return core_->port(); }
void MllpServer::Run() { core_->Run(); }
void MllpServer::Stop() { core_->Stop(); }

}  // namespace custodian::rpc

#include "services/rpc/mllp_server.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "tests/support/mllp_client.h"
#include "tests/support/test_certificates.h"

namespace custodian::rpc {
namespace {

using testing::MllpClient;
using Certificates = testing::TestCertificates;

constexpr char kFeed[] = "spiffe://custodian.example/tenant/0123456789abcdef/feed/his";

class RunningServer {
 public:
  explicit RunningServer(MllpHandler handler, MllpServer::Options options = {}) {
    const auto files = certificates_.IssueServer();
    options.certificate_file = files.certificate;
    options.key_file = files.key;
    options.client_ca_file = certificates_.ca_file();
    auto server = MllpServer::Create(options, std::move(handler));
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
  absl::StatusOr<std::unique_ptr<MllpClient>> Client() {
    if (client_files_.certificate.empty()) client_files_ = certificates_.IssueClient({kFeed});
    return MllpClient::Connect(server_->port(), certificates_.ca_file(), client_files_.certificate, client_files_.key);
  }
  int port() const { return server_->port(); }
  Certificates& certificates() { return certificates_; }

 private:
  Certificates certificates_;
  Certificates::Files client_files_;
  std::unique_ptr<MllpServer> server_;
  std::thread thread_;
};

MllpAnswer Echo(const MllpFrame& frame) { return {.messages = {frame.peer_spiffe_id + " " + frame.bytes}, .close = false}; }

TEST(MllpServer, AnswersFrameAfterFrameWithTheClientsName) {
  RunningServer server(Echo);
  const auto client = server.Client();
  ASSERT_TRUE(client.ok()) << client.status();
  EXPECT_EQ((*client)->Send("one\rtwo\r").value(), std::string(kFeed) + " one\rtwo\r");
  EXPECT_EQ((*client)->Send("three").value(), std::string(kFeed) + " three");
  // Several at once are answered in order, and so is one that comes byte by byte.
  ASSERT_TRUE((*client)->Write("\x0b" "a\x1c\r\r\n\x0b" "b\x1c\r").ok());
  EXPECT_EQ((*client)->Read().value(), std::string(kFeed) + " a");
  EXPECT_EQ((*client)->Read().value(), std::string(kFeed) + " b");
  for (const char byte : std::string("\x0b" "c\x1c\r")) ASSERT_TRUE((*client)->Write(std::string(1, byte)).ok());
  EXPECT_EQ((*client)->Read().value(), std::string(kFeed) + " c");
}

TEST(MllpServer, WantsACertificateOfOurCa) {
  RunningServer server(Echo);
  auto client = MllpClient::Connect(server.port(), server.certificates().ca_file(), "", "");
  // TLS 1.3 tells a client only when it reads.
  if (client.ok()) {
    EXPECT_FALSE((*client)->Send("x").ok());
  }
  Certificates others;
  const auto files = others.IssueClient({kFeed});
  client = MllpClient::Connect(server.port(), server.certificates().ca_file(), files.certificate, files.key);
  if (client.ok()) {
    EXPECT_FALSE((*client)->Send("x").ok());
  }
}

TEST(MllpServer, WhatIsNoFrameEndsTheConnection) {
  RunningServer server(Echo);
  for (const char* bytes : {"MSH|^~\\&|no start of a block", "\x0b" "end alone\x1c" "x\r"}) {
    const auto client = server.Client();
    ASSERT_TRUE(client.ok());
    ASSERT_TRUE((*client)->Write(bytes).ok());
    EXPECT_TRUE(absl::IsUnavailable((*client)->Read().status())) << bytes;
  }
}

TEST(MllpServer, AFrameThatIsTooLargeIsAnsweredAndEndsTheConnection) {
  MllpServer::Options options;
  options.frame_bytes_max = 100'000;
  RunningServer server([](const MllpFrame& frame) { return MllpAnswer{.messages = {frame.whole ? "whole" : "cut " + std::to_string(frame.bytes.size())}, .close = false}; },
                       options);
  const auto client = server.Client();
  ASSERT_TRUE(client.ok());
  EXPECT_EQ((*client)->Send(std::string(100'000, 'x')).value(), "whole");
  EXPECT_EQ((*client)->Send(std::string(3'000'000, 'x')).value(), "cut 100000");
  EXPECT_TRUE(absl::IsUnavailable((*client)->Read().status()));
}

TEST(MllpServer, ASlowOrSilentClientIsCutOff) {
  MllpServer::Options options;
  options.frame_timeout = absl::Milliseconds(300);
  options.idle_timeout = absl::Milliseconds(600);
  RunningServer server(Echo, options);
  const auto slow = server.Client();
  ASSERT_TRUE(slow.ok());
  ASSERT_TRUE((*slow)->Write("\x0b").ok());
  const absl::Time begun = absl::Now();
  // A byte now and then does not make it live longer.
  while ((*slow)->Write("x").ok() && absl::Now() - begun < absl::Seconds(5)) absl::SleepFor(absl::Milliseconds(50));
  EXPECT_LT(absl::Now() - begun, absl::Seconds(4));
  const auto silent = server.Client();
  ASSERT_TRUE(silent.ok());
  EXPECT_TRUE(absl::IsUnavailable((*silent)->Read().status()));
}

TEST(MllpServer, WhatHangsForATenantHoldsNobodyElseUp) {
  MllpServer::Options options;
  options.threads = 2;
  absl::Notification go_on;
  RunningServer server(
      [&go_on](const MllpFrame& frame) {
        if (frame.peer_spiffe_id == kFeed) go_on.WaitForNotification();
        return Echo(frame);
      },
      options);
  std::vector<std::unique_ptr<MllpClient>> hanging;
  for (int i = 0; i < 4; ++i) {
    hanging.push_back(*server.Client());
    ASSERT_TRUE(hanging.back()->Write("\x0b" "x\x1c\r").ok());
  }
  const auto files = server.certificates().IssueClient({"spiffe://custodian.example/tenant/00000000000000bb/feed/his"});
  const auto other = MllpClient::Connect(server.port(), server.certificates().ca_file(), files.certificate, files.key);
  ASSERT_TRUE(other.ok());
  for (int i = 0; i < 3; ++i) EXPECT_TRUE((*other)->Send("y").ok());
  go_on.Notify();
  for (const auto& client : hanging) EXPECT_EQ(client->Read().value_or(""), std::string(kFeed) + " x");
}

TEST(MllpServer, OneClientHasAsManyConnectionsAsItMay) {
  MllpServer::Options options;
  options.connections_per_client_max = 2;
  RunningServer server(Echo, options);
  auto first = server.Client(), second = server.Client();
  ASSERT_TRUE((*first)->Send("1").ok());
  ASSERT_TRUE((*second)->Send("2").ok());
  const auto third = server.Client();
  if (third.ok()) {
    EXPECT_FALSE((*third)->Send("3").ok());
  }
  const auto files = server.certificates().IssueClient({"spiffe://custodian.example/tenant/0123456789abcdef/feed/other"});
  const auto other = MllpClient::Connect(server.port(), server.certificates().ca_file(), files.certificate, files.key);
  ASSERT_TRUE(other.ok());
  EXPECT_TRUE((*other)->Send("4").ok());
  first->reset();
  absl::StatusOr<std::string> again;
  for (int i = 0; i < 50 && !again.ok(); ++i) {
    absl::SleepFor(absl::Milliseconds(20));
    const auto client = server.Client();
    if (client.ok()) again = (*client)->Send("5");
  }
  EXPECT_TRUE(again.ok());
}

TEST(MllpServer, StopFinishesWhatIsWorkedOn) {
  absl::Notification started, go;
  RunningServer server([&](const MllpFrame&) {
    started.Notify();
    go.WaitForNotification();
    return MllpAnswer{.messages = {"done"}, .close = false};
  });
  const auto client = server.Client();
  ASSERT_TRUE(client.ok());
  ASSERT_TRUE((*client)->Write("\x0bx\x1c\r").ok());
  started.WaitForNotification();
  std::thread stopper([&] { server.Stop(); });
  absl::SleepFor(absl::Milliseconds(50));
  go.Notify();
  EXPECT_EQ((*client)->Read().value(), "done");
  stopper.join();
}

TEST(MllpServer, AHandlerThatThrowsAnswersNothing) {
  RunningServer server([](const MllpFrame&) -> MllpAnswer { throw std::runtime_error("secret"); });
  const auto client = server.Client();
  ASSERT_TRUE(client.ok());
  EXPECT_TRUE(absl::IsUnavailable((*client)->Send("x").status()));
}

}  // namespace
}  // namespace custodian::rpc

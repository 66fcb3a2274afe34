// gRPC over real sockets: who gets through mTLS and the guard, and what the clients make of the answers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <stdexcept>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/rpc/grpc_client.h"
#include "services/rpc/grpc_server.h"
#include "services/rpc/protos/custodian.grpc.pb.h"
#include "services/rpc/serve_call.h"
#include "services/rpc/shares.h"
#include "services/rpc/timestamp.h"
#include "tenants/clock.h"
#include "tenants/retry_after.h"
#include "tests/support/test_certificates.h"

namespace custodian::rpc {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Certificates = custodian::testing::TestCertificates;

constexpr char kFeed[] = "spiffe://custodian.example/tenant/0123456789abcdef/feed/lab";
constexpr char kNode[] = "spiffe://custodian.example/tenant/0123456789abcdef/node/lab";

std::optional<tenants::Client> FindClient(std::string_view id) {
  if (id == kFeed) return tenants::Client{kFeed, TenantId::Parse("0123456789abcdef").value(), "feed", ""};
  if (id == kNode) return tenants::Client{kNode, TenantId::Parse("0123456789abcdef").value(), "node", ""};
  return std::nullopt;
}

// Answers with the watermark's milliseconds as index; throws for the epoch.
class EchoFeed final : public v1::FeedService::Service {
 public:
  grpc::Status AdvanceWatermark(grpc::ServerContext* context, const v1::AdvanceWatermarkRequest* request, v1::FeedResponse* response) override {
    return ServeCall(guard_, *context, "AdvanceWatermark", {"feed"}, [&](const tenants::Client&) -> absl::Status {
      const auto time = FromTimestamp(request->through());
      if (!time.ok()) return time.status();
      if (*time == absl::UnixEpoch()) throw std::runtime_error("secret");
      response->set_index(static_cast<std::uint64_t>(absl::ToUnixMillis(*time)));
      return absl::OkStatus();
    });
  }

 private:
  MachineClock clock_;
  Shares shares_{{.client_at_once = 1, .client_per_second = 2}, clock_};
  CallGuard guard_{"custodian.example", FindClient, &shares_};
};

// As when a database is slow.
class SlowFeed final : public v1::FeedService::Service {
 public:
  grpc::Status AdvanceWatermark(grpc::ServerContext*, const v1::AdvanceWatermarkRequest*, v1::FeedResponse*) override {
    absl::SleepFor(absl::Milliseconds(50));
    return grpc::Status::OK;
  }
};

class GrpcTest : public ::testing::Test {
 protected:
  GrpcTest() { Serve(feed_); }
  void Serve(grpc::Service& service) {
    const auto files = certificates_.IssueServer();
    auto server = GrpcServer::Create({.certificate_file = files.certificate, .key_file = files.key, .client_ca_file = certificates_.ca_file()}, {&service});
    if (!server.ok()) throw std::runtime_error(std::string(server.status().message()));
    server_ = *std::move(server);
  }
  GrpcEndpoint Endpoint(const Certificates::Files& files) const {
    return {absl::StrCat("127.0.0.1:", server_->port()), certificates_.ca_file(), files.certificate, files.key, absl::Seconds(5)};
  }
  absl::StatusOr<std::uint64_t> Advance(const Certificates::Files& files, absl::Time through = absl::FromUnixMillis(7)) const {
    auto client = FeedClient::Create(Endpoint(files));
    if (!client.ok()) return client.status();
    return (*client)->AdvanceWatermark(through, "key");
  }

  Certificates certificates_;
  EchoFeed feed_;
  std::unique_ptr<GrpcServer> server_;
};

TEST_F(GrpcTest, RegisteredClientIsServed) {
  auto index = Advance(certificates_.IssueClient({kFeed}));
  ASSERT_TRUE(index.ok()) << index.status();
  EXPECT_EQ(*index, 7u);
}

TEST_F(GrpcTest, PastItsShareAClientIsToldHowLongToWait) {
  const auto files = certificates_.IssueClient({kFeed});
  absl::Status refused;
  for (int i = 0; i < 100 && refused.ok(); ++i) refused = Advance(files).status();
  EXPECT_TRUE(absl::IsResourceExhausted(refused)) << refused;
  EXPECT_EQ(tenants::RetryAfterOf(refused), absl::Seconds(1));
}

TEST_F(GrpcTest, MoreCallsThanThereAreThreadsWaitForTheirTurn) {
  SlowFeed slow;
  Serve(slow);
  const auto client = FeedClient::Create(Endpoint(certificates_.IssueClient({kFeed})));
  ASSERT_TRUE(client.ok());
  std::vector<std::thread> threads;
  std::vector<absl::Status> said(200);
  for (absl::Status& status : said)
    threads.emplace_back([&] { status = (*client)->AdvanceWatermark(absl::FromUnixMillis(7), "key").status(); });
  for (std::thread& thread : threads) thread.join();
  for (const absl::Status& status : said) EXPECT_TRUE(status.ok()) << status;
  server_.reset();
}

TEST_F(GrpcTest, OtherRolesAndUnknownClientsAreRefused) {
  EXPECT_EQ(Advance(certificates_.IssueClient({kNode})).status().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(Advance(certificates_.IssueClient({"spiffe://custodian.example/operator/x"})).status().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(Advance(certificates_.IssueClient({})).status().code(), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(Advance(certificates_.IssueClient({kFeed, kNode})).status().code(), absl::StatusCode::kUnauthenticated);
}

TEST_F(GrpcTest, ForeignAndExpiredCertificatesDoNotConnect) {
  Certificates foreign;
  EXPECT_EQ(Advance(foreign.IssueClient({kFeed})).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Advance(certificates_.IssueClient({kFeed}, -1)).status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(GrpcTest, ClientRefusesAServerOfAnotherCa) {
  Certificates other;
  GrpcEndpoint endpoint = Endpoint(certificates_.IssueClient({kFeed}));
  endpoint.ca_file = other.ca_file();
  EXPECT_EQ((*FeedClient::Create(endpoint))->AdvanceWatermark(absl::FromUnixMillis(1), "k").status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(GrpcTest, ThrowingMethodIsInternalWithoutItsText) {
  const absl::Status status = Advance(certificates_.IssueClient({kFeed}), absl::UnixEpoch()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()), Not(HasSubstr("secret")));
}

TEST_F(GrpcTest, MessageOverTheLimitIsRefused) {
  auto client = LedgerClient::Create(Endpoint(certificates_.IssueClient({kNode})));
  ASSERT_TRUE(client.ok());
  EXPECT_EQ((*client)->AppendBatch("o", {std::string(kGrpcMessageBytesMax + 1, 'x')}).status().code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(GrpcTest, StoppedServerIsUnavailable) {
  const auto files = certificates_.IssueClient({kFeed});
  ASSERT_TRUE(Advance(files).ok());
  server_->Stop();
  EXPECT_EQ(Advance(files).status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(GrpcTest, TakenPortAndBadFilesAreErrors) {
  const auto files = certificates_.IssueServer();
  GrpcServer::Options options{.port = server_->port(), .certificate_file = files.certificate, .key_file = files.key, .client_ca_file = certificates_.ca_file()};
  EchoFeed feed;
  EXPECT_EQ(GrpcServer::Create(options, {&feed}).status().code(), absl::StatusCode::kUnavailable);
  options.client_ca_file = "/absent";
  EXPECT_EQ(GrpcServer::Create(options, {&feed}).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(FeedClient::Create({.address = "127.0.0.1:1", .ca_file = certificates_.ca_file(), .certificate_file = "/absent", .key_file = files.key})
                .status().code(),
            absl::StatusCode::kNotFound);
}

TEST(Timestamp, RoundTripsAndKeepsToItsRange) {
  for (const absl::Time time : {absl::UnixEpoch(), absl::FromUnixMillis(-1), absl::FromUnixMillis(1'772'323'200'123)}) {
    EXPECT_EQ(FromTimestamp(ToTimestamp(time)).value(), time);
    EXPECT_GE(ToTimestamp(time).nanos(), 0);
  }
  google::protobuf::Timestamp timestamp;
  timestamp.set_nanos(-1);
  EXPECT_FALSE(FromTimestamp(timestamp).ok());
  timestamp.set_nanos(0);
  timestamp.set_seconds(253'402'300'800);
  EXPECT_FALSE(FromTimestamp(timestamp).ok());
}

TEST(Grpc, HowLongToWaitTravelsWithTheStatus) {
  for (const absl::Duration wait : {absl::Milliseconds(100), absl::Milliseconds(2'500), absl::Seconds(10)}) {
    const absl::Status status = tenants::WithRetryAfter(absl::ResourceExhaustedError("full"), wait);
    const grpc::Status sent = ToGrpc(status);
    // A google.rpc.Status that says the same.
    EXPECT_THAT(sent.error_details(), HasSubstr("type.googleapis.com/google.rpc.RetryInfo"));
    const absl::Status received = FromGrpc(sent);
    EXPECT_EQ(received.code(), absl::StatusCode::kResourceExhausted);
    EXPECT_EQ(received.message(), "full");
    EXPECT_EQ(tenants::RetryAfterOf(received), wait);
  }
  EXPECT_EQ(tenants::RetryAfterOf(FromGrpc(ToGrpc(absl::ResourceExhaustedError("full")))), std::nullopt);
  EXPECT_EQ(tenants::RetryAfterOf(FromGrpc({grpc::StatusCode::RESOURCE_EXHAUSTED, "full", "no message"})), std::nullopt);
}

TEST(GrpcStatus, CodesKeepTheirNumbers) {
  for (int code = 0; code <= 16; ++code) {
    const absl::Status status(static_cast<absl::StatusCode>(code), "m");
    EXPECT_EQ(FromGrpc(ToGrpc(status)).code(), status.code());
  }
}

}  // namespace
}  // namespace custodian::rpc

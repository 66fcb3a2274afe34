// Whom we ask on somebody's word: listed hosts, judged addresses, no redirects.
#include "services/rpc/outgoing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "services/rpc/https_server.h"
#include "tests/support/test_certificates.h"

namespace custodian::rpc {
namespace {

using ::testing::HasSubstr;

TEST(Outgoing, PublicAddressesAreThoseOfNoSpecialPurpose) {
  for (const char* address : {"8.8.8.8", "93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "100.128.0.1", "172.32.0.1", "198.20.0.1"})
    EXPECT_TRUE(IsPublicAddress(address)) << address;
  for (const char* address :
       {"127.0.0.1", "127.255.255.254", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "198.18.0.1", "224.0.0.1", "255.255.255.255", "::1", "::", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1",
        "2002:7f00:1::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12:3456::1", "ff02::1", "2001:db8::1", "", "localhost", "1.2.3", "0x7f.1"})
    EXPECT_FALSE(IsPublicAddress(address)) << address;
}

TEST(Outgoing, NetworksAreCidr) {
  EXPECT_TRUE(IpNetwork::Parse("10.20.0.0/14")->Contains("10.23.255.255"));
  EXPECT_FALSE(IpNetwork::Parse("10.20.0.0/14")->Contains("10.24.0.0"));
  EXPECT_TRUE(IpNetwork::Parse("127.0.0.1/32")->Contains("::ffff:127.0.0.1"));
  EXPECT_FALSE(IpNetwork::Parse("::1/128")->Contains("127.0.0.1"));
  EXPECT_TRUE(IpNetwork::Parse("0.0.0.0/0")->Contains("8.8.8.8"));
  for (const char* text : {"", "10.0.0.0", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0/8", "host/8", "::/129", "10.0.0.0/8x"})
    EXPECT_FALSE(IpNetwork::Parse(text).ok()) << text;
}

TEST(Outgoing, OnlyListedHostsAreAsked) {
  custodian::testing::TestCertificates certificates;
  const auto outgoing = Outgoing::Create({.hosts = {"EHR.example.org", "keys.example.org:8443", "[2606:2800::1]:9443"},
                                          .private_networks = {},
                                          .ca_file = certificates.ca_file()});
  ASSERT_TRUE(outgoing.ok()) << outgoing.status();
  for (const char* url : {"https://ehr.example.org/jwks", "https://ehr.example.org:443/jwks?x=1", "https://Ehr.Example.Org", "https://keys.example.org:8443/",
                          "https://[2606:2800::1]:9443/x"})
    EXPECT_TRUE((*outgoing)->Check(url).ok()) << url;
  for (const char* url : {"http://ehr.example.org/", "https://ehr.example.org:8443/", "https://keys.example.org/", "https://evil.example.org/",
                          "https://ehr.example.org.evil.example/", "https://xehr.example.org/", "https://ehr.example.org@evil.example/",
                          "https://evil.example\\@ehr.example.org/", "https://ehr.example.org#x", "https://ehr.example.org /", "https:///x", "https://",
                          "file:///etc/passwd", "https://ehr.example.org:443:1/", "https://ehr.example.org./"})
    EXPECT_EQ((*outgoing)->Check(url).code(), absl::StatusCode::kInvalidArgument) << url;
  EXPECT_FALSE((*outgoing)->Check("https://ehr.example.org/" + std::string(3'000, 'a')).ok());
  EXPECT_THAT(std::string((*outgoing)->Check("https://other.example/").message()), HasSubstr("outgoing.hosts"));
  EXPECT_EQ((*outgoing)->Get(absl::Seconds(1), "https://other.example/").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(Outgoing, WithoutHostsNobodyIsAskedAndNoCaIsNeeded) {
  const auto outgoing = Outgoing::Create({});
  ASSERT_TRUE(outgoing.ok());
  EXPECT_EQ((*outgoing)->Get(absl::Seconds(1), "https://a.example/").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(Outgoing, BadOptionsAreRefused) {
  EXPECT_FALSE(Outgoing::Create({.hosts = {"*.example.org"}, .private_networks = {}, .ca_file = {}}).ok());
  EXPECT_FALSE(Outgoing::Create({.hosts = {"a.example/path"}, .private_networks = {}, .ca_file = {}}).ok());
  EXPECT_FALSE(Outgoing::Create({.hosts = {}, .private_networks = {"10.0.0.0"}, .ca_file = {}}).ok());
  EXPECT_FALSE(Outgoing::Create({.hosts = {"a.example"}, .private_networks = {}, .ca_file = "/no/such/file"}).ok());
}

TEST(Outgoing, APrivateAddressIsSpokenToOnlyWhereItsNetworkIsNamed) {
  custodian::testing::TestCertificates certificates;
  const auto files = certificates.IssueServer();
  std::atomic<int> calls = 0;
  auto server = HttpsServer::Create({.certificate_file = files.certificate, .key_file = files.key, .client_ca_file = certificates.ca_file()},
                                    [&calls](const HttpRequest& request) -> HttpResponse {
                                      ++calls;
                                      if (request.path == "/away") return {302, {{"Location", "https://127.0.0.1/x"}}, ""};
                                      if (request.path == "/large") return {200, {}, std::string(2'000, 'x')};
                                      return {200, {}, "keys"};
                                    });
  ASSERT_TRUE(server.ok()) << server.status();
  std::thread thread([&server] { (*server)->Run(); });
  const std::string host = absl::StrCat("127.0.0.1:", (*server)->port());
  const auto closed = Outgoing::Create({.hosts = {host}, .private_networks = {}, .ca_file = certificates.ca_file()});
  const auto refused = (*closed)->Get(absl::Seconds(5), absl::StrCat("https://", host, "/jwks"));
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kPermissionDenied) << refused.status();
  EXPECT_EQ(calls, 0);

  const auto open = Outgoing::Create(
      {.hosts = {host}, .private_networks = {"127.0.0.1/32"}, .ca_file = certificates.ca_file(), .body_bytes_max = 1'000});
  const auto answer = (*open)->Get(absl::Seconds(5), absl::StrCat("https://", host, "/jwks"));
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->body, "keys");
  const auto redirect = (*open)->Get(absl::Seconds(5), absl::StrCat("https://", host, "/away"));
  ASSERT_TRUE(redirect.ok());
  EXPECT_EQ(redirect->status, 302);
  EXPECT_EQ(calls, 2);
  EXPECT_EQ((*open)->Get(absl::Seconds(5), absl::StrCat("https://", host, "/large")).status().code(), absl::StatusCode::kResourceExhausted);
  (*server)->Stop();
  thread.join();
}

}  // namespace
}  // namespace custodian::rpc

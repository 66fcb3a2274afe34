#include "services/rpc/router.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <optional>
#include <sstream>

#include "tests/support/fake_clock.h"

namespace custodian::rpc {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

HttpHandler Say(std::string text) {
  return [text](const HttpRequest& request) { return HttpResponse{200, {{"X-Method", request.method}}, text}; };
}

HttpRequest Request(std::string method, std::string path) {
  HttpRequest request;
  request.method = std::move(method);
  request.path = std::move(path);
  return request;
}

std::optional<std::string> HeaderOf(const HttpResponse& response, std::string_view name) {
  for (const auto& [key, value] : response.headers)
    if (key == name) return value;
  return std::nullopt;
}

// What is logged while it lives.
class CapturedLog {
 public:
  CapturedLog() : before_(spdlog::default_logger()) {
    spdlog::set_default_logger(std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_mt>(stream_)));
  }
  ~CapturedLog() { spdlog::set_default_logger(before_); }
  std::string text() const { return stream_.str(); }

 private:
  std::shared_ptr<spdlog::logger> before_;
  std::ostringstream stream_;
};

class RouterTest : public ::testing::Test {
 protected:
  RouterTest() {
    router_.Add({.prefix = "/fhir/", .methods = {"GET", "PUT"}, .handler = Say("fhir"), .tenant_follows = true, .refusal = {}});
    router_.Add({.prefix = "/fhir/special/", .methods = {"GET"}, .handler = Say("special"), .tenant_follows = false, .refusal = {}});
    router_.Add({.prefix = "/metrics", .methods = {"GET"}, .handler = Say("metrics"), .tenant_follows = false,
                 .refusal = [](int status, std::string_view) { return HttpResponse{status, {}, "own"}; }});
  }
  custodian::testing::FakeClock clock_;
  Router router_{clock_};
};

TEST_F(RouterTest, LongestPrefixWins) {
  EXPECT_EQ(router_.Handle(Request("GET", "/fhir/x/Patient")).body, "fhir");
  EXPECT_EQ(router_.Handle(Request("GET", "/fhir/special/x")).body, "special");
  EXPECT_EQ(router_.Handle(Request("GET", "/metrics")).body, "metrics");
}

TEST_F(RouterTest, UnknownPathsAre404) {
  for (const char* path : {"/", "/fhir", "/metrics/x", "/metricsx", ""}) {
    EXPECT_EQ(router_.Handle(Request("GET", path)).status, 404) << path;
  }
}

TEST_F(RouterTest, OtherMethodsAre405WithWhatIsAllowed) {
  const HttpResponse response = router_.Handle(Request("POST", "/fhir/x"));
  EXPECT_EQ(response.status, 405);
  EXPECT_EQ(HeaderOf(response, "Allow"), "GET, PUT");
  EXPECT_EQ(router_.Handle(Request("POST", "/metrics")).body, "own");
}

TEST_F(RouterTest, HeadIsHandledAsGet) {
  const HttpResponse response = router_.Handle(Request("HEAD", "/fhir/x"));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(HeaderOf(response, "X-Method"), "GET");
}

TEST_F(RouterTest, AnswersAreNotCachedUnlessTheHandlerSaysSo) {
  EXPECT_EQ(HeaderOf(router_.Handle(Request("GET", "/fhir/x")), "Cache-Control"), "no-store");
  router_.Add({.prefix = "/tile/", .methods = {"GET"}, .handler = [](const HttpRequest&) { return HttpResponse{200, {{"cache-control", "immutable"}}, ""}; },
               .tenant_follows = false, .refusal = {}});
  EXPECT_EQ(HeaderOf(router_.Handle(Request("GET", "/tile/x")), "Cache-Control"), std::nullopt);
}

TEST_F(RouterTest, LogLineNamesTenantAndRouteAndNothingOfThePatient) {
  CapturedLog log;
  HttpRequest request = Request("GET", "/fhir/0123456789abcdef/Patient/secret-id");
  request.query = "name=Miller";
  request.peer_spiffe_id = "spiffe://custodian.example/tenant/0123456789abcdef/fhir/miller";
  static_cast<void>(router_.Handle(request));
  EXPECT_THAT(log.text(), HasSubstr("tenant=0123456789abcdef"));
  EXPECT_THAT(log.text(), HasSubstr("method=GET route=/fhir/ status=200"));
  EXPECT_THAT(log.text(), Not(HasSubstr("secret-id")));
  EXPECT_THAT(log.text(), Not(HasSubstr("iller")));
}

TEST_F(RouterTest, LogLineTakesNoTextFromTheClient) {
  CapturedLog log;
  static_cast<void>(router_.Handle(Request("MILLER", "/fhir/Miller/x")));
  static_cast<void>(router_.Handle(Request("GET", "/Miller")));
  EXPECT_THAT(log.text(), HasSubstr("tenant=- actor=- method=- route=/fhir/ status=405"));
  EXPECT_THAT(log.text(), HasSubstr("method=GET route=- status=404"));
  EXPECT_THAT(log.text(), Not(::testing::AnyOf(HasSubstr("Miller"), HasSubstr("MILLER"))));
}

}  // namespace
}  // namespace custodian::rpc

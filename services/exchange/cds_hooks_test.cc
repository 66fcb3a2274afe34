// Order checks over HTTP: who may call, what is answered, and when. The flow itself: order_check_test.cc; feedback: card_feedback_test.cc.
#include "services/exchange/cds_hooks.h"

#include <cstdint>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "services/exchange/cds_hooks_world.h"

namespace custodian::exchange {
namespace {

TEST_F(CdsHooksTest, DiscoveryNeedsNoTokenAndListsBothHooks) {
  const auto response = Send(*hooks_, "beta", "GET", "cds-services");
  EXPECT_EQ(response.status, 200);
  EXPECT_NE(response.body.find("\"order-select\""), std::string::npos);
  EXPECT_NE(response.body.find("\"order-sign\""), std::string::npos);
  rpc::HttpRequest bare;
  bare.method = "GET";
  bare.path = Path("beta", "cds-services");
  const auto open = hooks_->Handle(bare);
  EXPECT_EQ(open.status, 200);
  EXPECT_EQ(open.body, response.body);
  EXPECT_EQ(TestWorld::HeaderOf(open, "access-control-allow-origin"), "*");
  bare.headers = {{"authorization", "Bearer x"}};
  EXPECT_EQ(hooks_->Handle(bare).status, 401);
  bare.headers.clear();
  bare.path = "/cds/00000000000000ff/cds-services";
  EXPECT_EQ(hooks_->Handle(bare).status, 404);
}

TEST_F(CdsHooksTest, BrowsersMayAsk) {
  rpc::HttpRequest preflight;
  preflight.method = "OPTIONS";
  preflight.path = Path("beta", "cds-services/prior-results");
  preflight.headers = {{"origin", "https://ehr.example"}, {"access-control-request-method", "POST"}, {"access-control-request-headers", "authorization,content-type"}};
  const auto allowed = hooks_->Handle(preflight);
  EXPECT_EQ(allowed.status, 204);
  EXPECT_EQ(TestWorld::HeaderOf(allowed, "access-control-allow-origin"), "*");
  EXPECT_EQ(TestWorld::HeaderOf(allowed, "access-control-allow-methods"), "GET, POST, OPTIONS");
  EXPECT_EQ(TestWorld::HeaderOf(allowed, "access-control-allow-headers"), "Authorization, Content-Type");
  rpc::HttpRequest bare;
  bare.method = "POST";
  bare.path = preflight.path;
  const auto refused = hooks_->Handle(bare);
  EXPECT_EQ(refused.status, 401);
  EXPECT_EQ(TestWorld::HeaderOf(refused, "access-control-allow-origin"), "*");
}

TEST_F(CdsHooksTest, AResendWithANewTokenGetsTheFirstAnswerAndChangesNothing) {
  AddEverything();
  const std::string body = OrderBody("again-" + patient_);
  const auto first = Order(body);
  EXPECT_FALSE(CardIn(first).is_null());
  std::uint64_t alpha = SizeOf("alpha"), beta = SizeOf("beta");
  EXPECT_EQ(Order(body).body, first.body);
  EXPECT_EQ(SizeOf("alpha"), alpha);
  EXPECT_EQ(SizeOf("beta"), beta);
  // Consent is gone meanwhile: what was shown is shown no more.
  AddConsent("permit", "inactive");
  alpha = SizeOf("alpha"), beta = SizeOf("beta");
  EXPECT_EQ(Order(body).body, "{\"cards\":[]}");
  EXPECT_EQ(SizeOf("alpha"), alpha);
  EXPECT_EQ(SizeOf("beta"), beta);
  // And anew, by a disclosure of its own, when it is given again; not once the result is withdrawn.
  AddConsent();
  alpha = SizeOf("alpha");
  EXPECT_EQ(Order(body).body, first.body);
  EXPECT_EQ(Entries("alpha", alpha).front().kind(), ledger::v1::KIND_DISCLOSURE);
  AddReport("alpha", "29252-4", "entered-in-error");
  EXPECT_EQ(Order(body).body, "{\"cards\":[]}");
  beta = SizeOf("beta");
  const auto other = Order(OrderBody("again-" + patient_, "36643-5"));
  EXPECT_EQ(other.status, 400);
  EXPECT_NE(other.body.find("hookInstance was used before"), std::string::npos);
  EXPECT_EQ(SizeOf("beta"), beta);
}

TEST_F(CdsHooksTest, AReplayedTokenIsRefusedAlsoAfterARestart) {
  AddEverything();
  const std::string url = kPublicUrl + Path("beta", "cds-services/prior-results");
  const std::string token = Token("beta", url);
  EXPECT_EQ(Order(OrderBody("one-" + patient_), token).status, 200);
  EXPECT_EQ(Order(OrderBody("one-" + patient_), token).status, 401);
  EXPECT_EQ(Order(OrderBody("two-" + patient_), token).status, 401);
  hooks_ = MakeHooks(Patient());
  const std::uint64_t alpha = SizeOf("alpha"), beta = SizeOf("beta");
  const auto replayed = Order(OrderBody("two-" + patient_), token);
  EXPECT_EQ(replayed.status, 401);
  EXPECT_NE(replayed.body.find("used before"), std::string::npos);
  EXPECT_EQ(SizeOf("alpha"), alpha);
  EXPECT_EQ(SizeOf("beta"), beta);
  // A resend's token too is remembered.
  const std::string resend = Token("beta", url);
  EXPECT_EQ(Order(OrderBody("one-" + patient_), resend).status, 200);
  hooks_ = MakeHooks(Patient());
  EXPECT_EQ(Order(OrderBody("one-" + patient_), resend).status, 401);
}

// The body without prefetch, naming a FHIR server.
std::string WithServer(const std::string& body, const std::string& server) {
  const std::size_t prefetch = body.find(",\"prefetch\"");
  return absl::StrCat(body.substr(0, prefetch), R"(,"fhirServer":")", server,
                      R"(","fhirAuthorization":{"access_token":"opaque","token_type":"Bearer","expires_in":300,"scope":"user/*.read","subject":"s"}})");
}

TEST_F(CdsHooksTest, WithoutThePatientTheAnswerIs412WhateverIsStored) {
  const auto bare = [this](const std::string& instance, const std::string& code) {
    const std::string body = OrderBody(instance + patient_, code);
    return Order(body.substr(0, body.find(",\"prefetch\"")) + "}");
  };
  const std::uint64_t size = SizeOf("beta");
  const auto unknown = bare("412-unknown-", "29252-4");
  AddEverything();
  const auto with_prior = bare("412-prior-", "29252-4");
  EXPECT_EQ(unknown.status, 412) << unknown.body;
  EXPECT_EQ(with_prior.status, 412);
  EXPECT_EQ(unknown.body, with_prior.body);
  EXPECT_EQ(Order(WithServer(OrderBody("412-server-" + patient_), "https://unregistered.example/fhir")).status, 412);
  // Nothing was recorded: the same call with the patient is checked afresh.
  EXPECT_GT(SizeOf("beta"), size);
  EXPECT_FALSE(CardIn(Order(OrderBody("412-prior-" + patient_))).is_null());
  // Nobody needs data for an order that nothing is offered for.
  EXPECT_EQ(bare("412-off-", "36643-5").status, 200);
  EXPECT_EQ(bare("412-none-", "12345-6").status, 200);
}

TEST_F(CdsHooksTest, WhatWasNotSentIsAskedOfARegisteredServer) {
  AddEverything();
  std::vector<std::string> asked;
  CdsHooks::Options options = Patient();
  options.fetch = [&](absl::Duration timeout, const std::string& url,
                      const std::vector<std::pair<std::string, std::string>>& headers) -> absl::StatusOr<rpc::HttpResponse> {
    EXPECT_GT(timeout, absl::ZeroDuration());
    EXPECT_EQ(headers[0].second, "Bearer opaque");
    asked.push_back(url);
    if (url.find("/Patient/") != std::string::npos)
      return rpc::HttpResponse{200, {}, absl::StrCat(R"({"resourceType":"Patient","id":")", patient_, R"(","birthDate":"1970-04-05"})")};
    if (url.find("/Encounter/") != std::string::npos)
      return rpc::HttpResponse{200, {}, R"({"resourceType":"Encounter","id":"e","class":{"code":"AMB"}})"};
    return rpc::HttpResponse{200, {}, R"({"resourceType":"Bundle","type":"searchset"})"};
  };
  fhir_servers_ = {"https://ehr.example/fhir/"};
  const auto hooks = MakeHooks(options);
  const std::string body = WithServer(OrderBody("fetch-" + patient_), "https://ehr.example/fhir");
  const Json card = CardIn(Send(*hooks, "beta", "POST", "cds-services/prior-results", body));
  EXPECT_FALSE(card["suggestions"][0].TextOf("uuid").empty());
  EXPECT_EQ(asked, (std::vector<std::string>{absl::StrCat("https://ehr.example/fhir/Patient/", patient_), "https://ehr.example/fhir/Encounter/e",
                                             absl::StrCat("https://ehr.example/fhir/Condition?patient=", patient_, "&_count=200")}));
  // A resend gets the first answer and asks nobody.
  EXPECT_EQ(CardIn(Send(*hooks, "beta", "POST", "cds-services/prior-results", body)).TextOf("uuid"), card.TextOf("uuid"));
  EXPECT_EQ(asked.size(), 3u);

  // Another patient's record is not the patient's.
  options.fetch = [](absl::Duration, const std::string&, const std::vector<std::pair<std::string, std::string>>&) {
    return rpc::HttpResponse{200, {}, R"({"resourceType":"Patient","id":"somebody","birthDate":"1970-04-05"})"};
  };
  const auto wrong = MakeHooks(options);
  EXPECT_EQ(Send(*wrong, "beta", "POST", "cds-services/prior-results", WithServer(OrderBody("fetch-wrong-" + patient_), "https://ehr.example/fhir")).status,
            412);
  fhir_servers_.clear();
}

TEST_F(CdsHooksTest, AnswersWithoutCardsLeaveOnTheTickAndCardsAtOnce) {
  AddEverything();
  CdsHooks::Options options = Patient();
  options.tick = absl::Minutes(1);
  const auto hooks = MakeHooks(options);
  const absl::Time before = absl::Now();
  const auto none = Send(*hooks, "beta", "POST", "cds-services/prior-results", OrderBody("tick-none-" + patient_, "36643-5"));
  EXPECT_EQ(none.body, "{\"cards\":[]}");
  EXPECT_GE(none.not_before, before + options.tick);
  EXPECT_LE(none.not_before, absl::Now() + options.tick);
  const auto card = Send(*hooks, "beta", "POST", "cds-services/prior-results", OrderBody("tick-card-" + patient_));
  EXPECT_FALSE(CardIn(card).is_null());
  EXPECT_LE(card.not_before, absl::Now());
}

// Alpha's keys hang: what beta is told, and when, is what it is told of a patient whom nobody else knows.
TEST_F(CdsHooksTest, AChartThatIsSlowToOpenLooksLikeNoneAndIsOpenForTheNextCheck) {
  AddEverything();
  const PatientRecords cold(world_->partitions(), world_->sealer(), machine_clock_);
  std::vector<std::function<void()>> hanging;
  ExchangeParts parts = world_->parts(world_->sealer(), cold);
  parts.open_apart = [&hanging](const TenantId& tenant, std::function<void()> opening) {
    EXPECT_EQ(tenant.text(), "00000000000000aa");
    hanging.push_back(std::move(opening));
    return true;
  };
  CdsHooks::Options options = Patient();
  options.tick = absl::Seconds(20);
  options.charts = absl::Milliseconds(50);
  const auto hooks = MakeHooks(options, parts);
  const auto ask = [&](const std::string& instance) {
    const absl::Time sent = absl::Now();
    auto answer = Send(*hooks, "beta", "POST", "cds-services/prior-results", OrderBody(instance + patient_));
    return std::pair(std::move(answer), absl::Now() - sent);
  };
  const std::uint64_t size = SizeOf("beta");
  const absl::Time before = absl::Now();
  const auto [late, taken] = ask("slow-");
  EXPECT_EQ(late.status, 200);
  EXPECT_EQ(late.body, "{\"cards\":[]}");
  EXPECT_EQ(TestWorld::HeaderOf(late, "retry-after"), "");
  EXPECT_GE(taken, options.charts);
  EXPECT_GE(late.not_before, before + options.tick);
  EXPECT_LE(late.not_before, before + taken + options.tick);
  const std::vector<Entry> entries = Entries("beta", size);
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].kind(), ledger::v1::KIND_ORDER_CHECKED);
  EXPECT_EQ(DetailOf("beta", entries[0]).TextOf("outcome"), "no-prior");
  EXPECT_EQ(hooks->faults(), 0u);
  // The keys answer at last.
  ASSERT_EQ(hanging.size(), 1u);
  hanging.front()();
  EXPECT_FALSE(CardIn(ask("next-").first).is_null());
  EXPECT_EQ(hanging.size(), 1u) << "it was at hand";
}

TEST_F(CdsHooksTest, ChartsAreOpenedApartWhileTheCheckWaits) {
  AddEverything();
  const PatientRecords cold(world_->partitions(), world_->sealer(), machine_clock_);
  ExchangeParts parts = world_->parts(world_->sealer(), cold);
  std::vector<std::thread> openings;
  parts.open_apart = [&openings](const TenantId&, std::function<void()> opening) {
    openings.emplace_back([opening = std::move(opening)] {
      absl::SleepFor(absl::Milliseconds(20));
      opening();
    });
    return true;
  };
  CdsHooks::Options options = Patient();
  options.charts = absl::Seconds(30);
  EXPECT_FALSE(CardIn(Send(*MakeHooks(options, parts), "beta", "POST", "cds-services/prior-results", OrderBody("apart-" + patient_))).is_null());
  EXPECT_EQ(openings.size(), 1u);
  for (std::thread& opening : openings) opening.join();
}

TEST_F(CdsHooksTest, WhereTooManyChartsWaitToBeOpenedTheCheckGoesOn) {
  AddEverything();
  const PatientRecords cold(world_->partitions(), world_->sealer(), machine_clock_);
  ExchangeParts parts = world_->parts(world_->sealer(), cold);
  parts.open_apart = [](const TenantId&, const std::function<void()>&) { return false; };
  EXPECT_TRUE(CardIn(Send(*MakeHooks(Patient(), parts), "beta", "POST", "cds-services/prior-results", OrderBody("full-" + patient_))).is_null());
}

// Which tick it is may not depend on how long charts take: an answer whose wait for charts would end in the second leaves with the second.
TEST_F(CdsHooksTest, AnAnswerWithoutCardsLeavesAfterTheWaitThatItMightHaveHad) {
  AddPatient("beta");
  fhir_servers_ = {"https://ehr.example/fhir"};
  CdsHooks::Options options = Patient();
  options.tick = absl::Milliseconds(400);
  options.charts = absl::Milliseconds(300);
  options.fetch = [this](absl::Duration, const std::string& url, const auto&) -> absl::StatusOr<rpc::HttpResponse> {
    absl::SleepFor(absl::Milliseconds(100));
    if (url.find("/Patient/") == std::string::npos) return absl::NotFoundError("nothing");
    return rpc::HttpResponse{200, {}, absl::StrCat(R"({"resourceType":"Patient","id":")", patient_, R"(","birthDate":"1970-04-05"})")};
  };
  const auto hooks = MakeHooks(options);
  const absl::Time before = absl::Now();
  const auto answer = Send(*hooks, "beta", "POST", "cds-services/prior-results", WithServer(OrderBody("after-" + patient_), "https://ehr.example/fhir"));
  fhir_servers_.clear();
  EXPECT_EQ(answer.body, "{\"cards\":[]}");
  EXPECT_GE(answer.not_before, before + 2 * options.tick);
}

TEST_F(CdsHooksTest, AFaultAnswersWithoutCardsAndTheSameCallLaterIsCheckedAfresh) {
  AddEverything();
  // Nothing leased: everything must be asked of the key process.
  keys::Sealer fresh(world_->key_process().client(), machine_clock_);
  hooks_ = MakeHooks(Patient(), world_->parts(fresh, world_->records()));
  const std::string rows = AllCounts("beta");
  world_->key_process().Stop();
  const auto failed = Order(OrderBody("fault-" + patient_));
  EXPECT_EQ(failed.status, 200);
  EXPECT_EQ(failed.body, "{\"cards\":[]}");
  EXPECT_EQ(TestWorld::HeaderOf(failed, "retry-after"), "1") << "whomever it is about";
  EXPECT_EQ(hooks_->faults(), 1u);
  EXPECT_EQ(AllCounts("beta"), rows);
  ASSERT_TRUE(world_->key_process().Start().ok());
  while (!world_->key_process().client().IndexKey(world_->partition("beta").tenant.id).ok())
    absl::SleepFor(absl::Milliseconds(10));
  EXPECT_FALSE(CardIn(Order(OrderBody("fault-" + patient_))).is_null());
}

TEST_F(CdsHooksTest, ALateCheckAnswersWithoutCardsAndRecordsNothing) {
  AddEverything();
  auto late = MakeHooks({.deadline = absl::ZeroDuration()});
  const std::uint64_t beta = SizeOf("beta");
  const auto ask = [&] {
    const auto answer = Send(*late, "beta", "POST", "cds-services/prior-results", OrderBody("late-" + patient_));
    EXPECT_EQ(answer.body, "{\"cards\":[]}");
    EXPECT_EQ(TestWorld::HeaderOf(answer, "retry-after"), "");
  };
  // On the caller's thread, and on a worker's.
  ask();
  std::thread worker([&late] { late->Work(); });
  absl::SleepFor(absl::Milliseconds(50));
  ask();
  late->Stop();
  worker.join();
  EXPECT_EQ(late->faults(), 2u);
  EXPECT_EQ(SizeOf("beta"), beta);
  EXPECT_FALSE(CardIn(Order(OrderBody("late-" + patient_))).is_null());
}

// At a start `serve` takes calls before all its partitions are open.
TEST_F(CdsHooksTest, ATenantWhosePartitionDoesNotOpenInTimeIsAnsweredWithoutCards) {
  const ExchangeParts parts = world_->parts();
  tenants::Partitions opening;
  opening.Expect({world_->partition("beta").tenant});
  const auto hooks = MakeHooks({.deadline = absl::Milliseconds(50)},
                               {opening, parts.registry, parts.sealer, parts.keys, parts.records, parts.locator, parts.network_clock, parts.public_url});
  const auto answer = Send(*hooks, "beta", "POST", "cds-services/prior-results", OrderBody("opening-" + patient_));
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "{\"cards\":[]}");
  EXPECT_EQ(hooks->faults(), 1u);
}

TEST_F(CdsHooksTest, ATenantHasItsShareOfWhatIsUnderWayAndOfRequestsToEhrs) {
  AddEverything();
  CdsHooks::Options options = Patient();
  absl::Mutex mutex;
  int asked = 0;
  bool go_on = false;
  options.fetch = [&](absl::Duration, const std::string&, const std::vector<std::pair<std::string, std::string>>&) -> absl::StatusOr<rpc::HttpResponse> {
    const absl::MutexLock lock(&mutex);
    ++asked;
    mutex.Await(absl::Condition(&go_on));
    return rpc::HttpResponse{200, {}, absl::StrCat(R"({"resourceType":"Patient","id":")", patient_, R"(","birthDate":"1970-04-05"})")};
  };
  fhir_servers_ = {"https://ehr.example/fhir/"};
  const auto hooks = MakeHooks(options);
  std::vector<std::thread> callers;
  const auto send = [&](const std::string& instance) {
    return Send(*hooks, "beta", "POST", "cds-services/prior-results", WithServer(OrderBody(instance + patient_), "https://ehr.example/fhir"));
  };
  for (int i = 0; i < 2; ++i) callers.emplace_back([&, i] { EXPECT_EQ(send(absl::StrCat("held-", i, "-")).status, 200); });
  {
    const absl::MutexLock lock(&mutex);
    const auto both = [&asked] { return asked == 2; };
    mutex.Await(absl::Condition(&both));
  }
  // A third request to the tenant's server is not made; the check is none, and no fault of the EHR's.
  const auto third = send("third-");
  EXPECT_EQ(third.status, 200);
  EXPECT_EQ(third.body, "{\"cards\":[]}");
  {
    const absl::MutexLock lock(&mutex);
    EXPECT_EQ(asked, 2);
    go_on = true;
  }
  for (std::thread& caller : callers) caller.join();
  fhir_servers_.clear();
  // Past its share a tenant is told to come back.
  rpc::Shares shares({.tenant_at_once = 0}, machine_clock_);
  options.shares = &shares;
  const auto limited = MakeHooks(options);
  const auto busy = Send(*limited, "beta", "POST", "cds-services/prior-results", OrderBody("busy-" + patient_));
  EXPECT_EQ(busy.body, "{\"cards\":[]}");
  EXPECT_EQ(TestWorld::HeaderOf(busy, "retry-after"), "1");
  const auto feedback = Send(*limited, "beta", "POST", "cds-services/prior-results/feedback", "{}");
  EXPECT_EQ(feedback.status, 429);
  EXPECT_EQ(TestWorld::HeaderOf(feedback, "retry-after"), "1");
}

TEST_F(CdsHooksTest, WorkersCheckAndStopWhenAsked) {
  AddEverything();
  std::vector<std::thread> workers;
  for (int i = 0; i < 2; ++i) workers.emplace_back([this] { hooks_->Work(); });
  EXPECT_FALSE(CardIn(Order(OrderBody("worked-" + patient_))).is_null());
  // The same call on both at once: one answer.
  const std::string body = OrderBody("both-" + patient_);
  std::string answers[2];
  std::thread other([&] { answers[1] = Order(body).body; });
  answers[0] = Order(body).body;
  other.join();
  EXPECT_EQ(answers[0], answers[1]);
  EXPECT_EQ(hooks_->faults(), 0u);
  hooks_->Stop();
  for (std::thread& worker : workers) worker.join();
}

TEST_F(CdsHooksTest, ATokenOfAnotherTenantIsRefused) {
  const std::string url = kPublicUrl + Path("beta", "cds-services/prior-results");
  const auto response = Order(OrderBody("t-" + patient_), Token("alpha", url));
  EXPECT_EQ(response.status, 401);
  EXPECT_NE(response.body.find("another tenant"), std::string::npos);
}

// tests/bad_input/cds.json: the same rows are played over HTTPS by tests/end_to_end.
TEST_F(CdsHooksTest, BadInputIsAnsweredClearlyAndChangesNothing) {
  std::ifstream file("tests/bad_input/cds.json");
  std::stringstream text;
  text << file.rdbuf();
  const auto rows = Json::Parse(text.str());
  ASSERT_TRUE(rows.ok()) << rows.status();
  ASSERT_GE(rows->items().size(), 30u);
  for (const Json& row : rows->items()) {
    const std::uint64_t beta = SizeOf("beta");
    const std::string counts = AllCounts("beta");
    rpc::HttpRequest request;
    request.method = row.TextOf("method");
    request.path = Path("beta", row.TextOf("path"));
    const Json& body = row["body"];
    request.body = body.is_string() ? body.text() : body.is_null() ? "" : body.Text();
    if (const Json* repeat = row.Find("body_bytes")) {
      std::int64_t bytes = 0;
      ASSERT_TRUE(absl::SimpleAtoi(repeat->text(), &bytes));
      request.body.resize(static_cast<std::size_t>(bytes), ' ');
    }
    for (const Json::Member& header : row["headers"].members()) request.headers.emplace_back(header.name, header.value.text());
    if (row["headers"].Find("authorization") == nullptr)
      request.headers.emplace_back("authorization", "Bearer " + Token("beta", kPublicUrl + request.path, "", row["token"]));
    const auto response = hooks_->Handle(request);
    EXPECT_EQ(std::to_string(response.status), row.TextOf("status")) << row.TextOf("name") << ": " << response.body;
    const auto answer = Json::Parse(response.body);
    ASSERT_TRUE(answer.ok()) << row.TextOf("name");
    EXPECT_NE(answer->TextOf("error").find(row.TextOf("text")), std::string::npos) << row.TextOf("name") << ": " << response.body;
    EXPECT_EQ(SizeOf("beta"), beta) << row.TextOf("name");
    EXPECT_EQ(AllCounts("beta"), counts) << row.TextOf("name");
  }
}

}  // namespace
}  // namespace custodian::exchange

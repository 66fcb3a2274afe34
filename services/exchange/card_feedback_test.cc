// What becomes of a card: its link, feedback on it, and what the order feed tells where there is no feedback.
#include "services/exchange/card_feedback.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "services/exchange/card.h"
#include "services/exchange/card_link.h"
#include "services/exchange/cds_hooks_world.h"
#include "services/exchange/fhir_time.h"
#include "services/exchange/order_feed.h"

namespace custodian::exchange {
namespace {

TEST_F(CdsHooksTest, AFollowedLinkIsCountedAndReadByConsent) {
  AddEverything();
  const Json card = CardIn(Order(OrderBody("link-" + patient_)));
  const CardLinks links(
      world_->partitions(), world_->sealer(),
      [](const rpc::HttpRequest& request) -> absl::StatusOr<FhirCaller> {
        const auto client = world_->registry().FindClient(request.peer_spiffe_id);
        if (!client) return absl::UnauthenticatedError("no");
        return FhirCaller{*client, std::nullopt};
      },
      [](const rpc::HttpRequest& request) { return world_->service().Handle(request); });
  const auto open = [&](const std::string& path, const std::string& who) {
    rpc::HttpRequest request;
    request.method = "GET";
    request.path = path;
    request.peer_spiffe_id = who.empty() ? "" : TestWorld::ClientOf(who);
    const auto answer = links.Handle(request);
    EXPECT_TRUE(answer.has_value());
    return *answer;
  };
  const std::string path = card["links"][0].TextOf("url").substr(std::string(kPublicUrl).size());
  const std::uint64_t beta = SizeOf("beta");
  const std::uint64_t alpha = SizeOf("alpha");
  EXPECT_EQ(open(path, "").status, 401);
  EXPECT_EQ(open(path, "alpha").status, 404);
  EXPECT_EQ(open(path.substr(0, path.size() - 2) + "AA", "beta").status, 404);
  EXPECT_EQ(open("/cds/00000000000000bb/cards/", "beta").status, 404);
  EXPECT_EQ(SizeOf("beta"), beta);

  const auto opened = open(path, "beta");
  EXPECT_EQ(opened.status, 200) << opened.body;
  EXPECT_NE(opened.body.find("report-" + patient_), std::string::npos);
  EXPECT_NE(opened.body.find("\"Provenance\""), std::string::npos);
  const auto entries = Entries("beta", beta);
  // The link that was followed, and then the result that was read.
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].kind(), ledger::v1::KIND_CARD_OPENED);
  EXPECT_EQ(DetailOf("beta", entries[0]).TextOf("card"), card.TextOf("uuid"));
  EXPECT_EQ(DetailOf("beta", entries[1]).TextOf("resource"), "DiagnosticReport/report-" + patient_);
  EXPECT_GT(SizeOf("alpha"), alpha);
  const auto counts = hooks_->Counts(world_->partition("beta").tenant.id);
  EXPECT_GE(counts->opened, 1u);

  // The consent gone, the link leads to nothing, as one that never was.
  AddConsent("permit", "inactive");
  EXPECT_EQ(open(path, "beta").status, open("/cds/00000000000000bb/cards/x", "beta").status);
}

TEST_F(CdsHooksTest, TheOrderFeedIsInferredFromAndCountedApart) {
  AddEverything();
  const Json card = CardIn(Order(OrderBody("feed-" + patient_)));
  ASSERT_FALSE(card.is_null());
  const tenants::Partition& beta = world_->partition("beta");
  const auto infer = [&] {
    const auto patient = world_->records().FindPatient(beta.tenant.id, patient_);
    ASSERT_TRUE(patient.ok());
    const absl::Status status = InferOrders(beta, world_->records(), world_->sealer(), *patient);
    ASSERT_TRUE(status.ok()) << status;
  };
  const auto put = [&](const std::string& status) {
    Put("beta", "ServiceRequest", "o-" + patient_,
        absl::StrCat(R"({"resourceType":"ServiceRequest","id":"o-)", patient_, R"(","identifier":[{"system":"urn:orders","value":")", patient_,
                     R"("}],"status":")", status, R"(","intent":"order","code":{"coding":[{"system":"http://loinc.org","code":"29252-4"}]},)",
                     R"("subject":{"reference":"Patient/)", patient_, R"("}})"));
    infer();
  };
  const auto before = *hooks_->Counts(beta.tenant.id);
  put("active");
  EXPECT_EQ(hooks_->Counts(beta.tenant.id)->inferred_cancelled, before.inferred_cancelled);
  put("revoked");
  infer();
  auto counts = *hooks_->Counts(beta.tenant.id);
  EXPECT_EQ(counts.inferred_cancelled, before.inferred_cancelled + 1);
  EXPECT_EQ(counts.accepted, before.accepted);
  EXPECT_EQ(counts.overridden, before.overridden);
  // Feedback that comes after all knows better.
  EXPECT_EQ(Feedback(FeedbackBody(card, "accepted", world_->clock().Now())).status, 200);
  counts = *hooks_->Counts(beta.tenant.id);
  EXPECT_EQ(counts.inferred_cancelled, before.inferred_cancelled);
  EXPECT_EQ(counts.accepted, before.accepted + 1);
}

TEST(OverrideReasons, AreMappedToTheBallots) {
  const auto hl7 = [](const std::string& system, const std::string& code) {
    return Hl7ReasonOf(Json::Object({{"reason", Json::Object({{"system", Json::String(system)}, {"code", Json::String(code)}})}}));
  };
  EXPECT_EQ(hl7(std::string(kOverrideReasons), "patient-preference"), "does-not-align-preferences");
  EXPECT_EQ(hl7(std::string(kOverrideReasons), "other"), "");
  EXPECT_EQ(hl7(std::string(kHl7OverrideReasons), "limited-time"), "limited-time");
  EXPECT_EQ(hl7("urn:another", "patient-preference"), "");
  EXPECT_EQ(Hl7ReasonOf(Json()), "");
}

TEST_F(CdsHooksTest, AnAcceptanceBindsOnceAndALaterOverrideWithdrawsIt) {
  AddEverything();
  const TenantId& tenant = world_->partition("beta").tenant.id;
  const Json card = CardIn(Order(OrderBody("fb-" + patient_)));
  const absl::Time shown = world_->clock().Now();
  world_->clock().Advance(absl::Seconds(30));
  const ExchangeCounts before = *hooks_->Counts(tenant);
  const std::uint64_t beta = SizeOf("beta");
  const int runs = world_->savings_runs();
  EXPECT_EQ(Feedback(FeedbackBody(card, "accepted", shown + absl::Seconds(10))).status, 200);
  EXPECT_EQ(world_->savings_runs(), runs + 1);
  EXPECT_EQ(Feedback(FeedbackBody(card, "accepted", shown + absl::Seconds(10))).status, 200);
  EXPECT_EQ(Feedback(FeedbackBody(card, "accepted", shown + absl::Seconds(20))).status, 200);
  auto entries = Entries("beta", beta);
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].kind(), ledger::v1::KIND_CARD_ACCEPTED);
  EXPECT_EQ(DetailOf("beta", entries[0]).TextOf("t"), FormatInstant(shown + absl::Seconds(10)));

  EXPECT_EQ(Feedback(FeedbackBody(card, "overridden", shown + absl::Seconds(25))).status, 200);
  EXPECT_EQ(Feedback(FeedbackBody(card, "overridden", shown + absl::Seconds(26))).status, 200);
  EXPECT_EQ(Feedback(FeedbackBody(card, "accepted", shown + absl::Seconds(28))).status, 200);
  entries = Entries("beta", beta);
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[1].kind(), ledger::v1::KIND_CARD_OVERRIDDEN);
  EXPECT_EQ(entries[1].record_sha256_size(), 2);
  const ExchangeCounts after = *hooks_->Counts(tenant);
  EXPECT_EQ(after.accepted, before.accepted + 1);
  EXPECT_EQ(after.overridden, before.overridden + 1);

  // The facts, as savings reads them.
  const std::string hex =
      world_->database("beta").One(absl::StrCat("SELECT string_agg(encode(fact_id, 'hex') || ':' || encode(sealed, 'hex'), ',' "
                                                "ORDER BY entry_index) FROM savings.fact WHERE entry_index >= ",
                                                beta));
  std::vector<std::string> kinds;
  for (const auto& one : {hex.substr(0, hex.find(',')), hex.substr(hex.find(',') + 1)}) {
    const auto opened =
        world_->sealer().Open({tenant, *PatientId::FromBytes(entries[0].subject()), *HexDecode(one.substr(0, 32)), 1},
                              *HexDecode(one.substr(33)), "test");
    ASSERT_TRUE(opened.ok()) << opened.status();
    const auto fact = Json::Parse(*opened);
    kinds.push_back(fact->TextOf("kind"));
    EXPECT_EQ(fact->TextOf("card_id"), card.TextOf("uuid"));
    EXPECT_EQ(fact->TextOf("source_tenant"), "alpha");
    EXPECT_EQ(fact->TextOf("class_id"), "ct-chest-wo");
    EXPECT_EQ(fact->TextOf("order"), "urn:orders|" + patient_);
  }
  EXPECT_EQ(kinds, (std::vector<std::string>{"acceptance", "withdrawal"}));
}

TEST_F(CdsHooksTest, ForgedFeedbackIsRefusedAndChangesNothing) {
  AddEverything();
  const Json card = CardIn(Order(OrderBody("forged-" + patient_)));
  const absl::Time shown = world_->clock().Now();
  world_->clock().Advance(absl::Seconds(30));
  const std::uint64_t beta = SizeOf("beta");
  const std::string rows = AllCounts("beta"), theirs = AllCounts("alpha");
  Json unknown = card;
  unknown.Set("uuid", Json::String("4e0a3a1e-3283-4575-ab82-028d55fe2719"));
  const auto nobodys = Feedback(FeedbackBody(unknown, "accepted", shown));
  EXPECT_EQ(nobodys.status, 404);
  const auto anothers = Feedback(FeedbackBody(card, "accepted", shown), "alpha");
  EXPECT_EQ(anothers.status, 404);
  EXPECT_EQ(anothers.body, nobodys.body);
  EXPECT_EQ(Feedback(FeedbackBody(card, "accepted", shown, "4e0a3a1e-3283-4575-ab82-028d55fe2719")).status, 400);
  EXPECT_EQ(Feedback(FeedbackBody(card, "accepted", shown - absl::Milliseconds(1))).status, 400);
  EXPECT_EQ(SizeOf("beta"), beta);
  EXPECT_EQ(AllCounts("beta"), rows);
  EXPECT_EQ(AllCounts("alpha"), theirs);
}

}  // namespace
}  // namespace custodian::exchange

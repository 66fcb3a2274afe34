// Who is told of a correction, of what, and what they can do about it, over real PostgreSQL and a real key process: alpha holds a report,
// beta reads it.
#include "services/exchange/corrections.h"

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "ledger/entry.h"
#include "services/exchange/correction.h"
#include "services/exchange/detail.h"
#include "services/exchange/fhir_time.h"
#include "services/exchange/test_world.h"

namespace custodian::exchange {
namespace {

using ::testing::HasSubstr;
using ledger::v1::Kind;

class CorrectionsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { world_ = new TestWorld; }
  static void TearDownTestSuite() { delete world_; }

  CorrectionsTest() {
    id_ = HexEncode(RandomBytes(6));
    for (const char* tenant : {"alpha", "beta"}) PutPatient(tenant, "Family" + id_);
    Put("alpha", "Consent",
        absl::StrCat(R"("status":"active","scope":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/consentscope","code":"patient-privacy"}]},)",
                     R"("category":[{"coding":[{"system":"http://loinc.org","code":"59284-0"}]}],"patient":{"reference":"Patient/)", id_,
                     R"("},"policyRule":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"OPTIN"}]},"provision":{"type":"permit"})"));
    PutReport("final");
    beta_size_ = Size("beta");
  }
  void TearDown() override {
    // What one test left open is no concern of the next.
    const Json open = Open();
    for (const Json& entry : open["entry"].items()) EXPECT_EQ(Acknowledge(entry["resource"].TextOf("id")).status, 200);
  }

  void Put(const std::string& tenant, const std::string& type, const std::string& members) {
    const auto response = world_->Send(tenant, tenant, "PUT", absl::StrCat(type, "/", id_), absl::StrCat(R"({"resourceType":")", type, R"(","id":")", id_, "\",", members, "}"));
    ASSERT_TRUE(response.status == 200 || response.status == 201) << response.body;
  }
  void PutPatient(const std::string& tenant, const std::string& family, const std::string& ssn = "") {
    Put(tenant, "Patient", absl::StrCat(R"("gender":"female","birthDate":"1971-03-04","name":[{"family":")", family,
                                        R"(","given":["Ada"]}],"identifier":[{"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"SS"}]},)",
                                        R"("system":"http://hl7.org/fhir/sid/us-ssn","value":"ssn-)", ssn.empty() ? id_ : ssn,
                                        R"("}],"address":[{"line":["1 Road )", family, R"("],"city":"Boston"}])"));
  }
  void PutReport(const std::string& status) {
    Put("alpha", "DiagnosticReport", absl::StrCat(R"("status":")", status, R"(","code":{"coding":[{"system":"http://loinc.org","code":"24558-9"}]},"subject":{"reference":"Patient/)", id_,
                                                  R"("},"effectiveDateTime":"2026-01-10T10:00:00Z")"));
  }
  void Read() { ASSERT_EQ(world_->Send("beta", "alpha", "GET", Report()).status, 200); }
  [[nodiscard]] std::string Report() const { return "DiagnosticReport/" + id_; }
  static Json Open(const std::string& tenant = "beta") { return TestWorld::Body(world_->Send(tenant, tenant, "GET", "Communication/$corrections"), 200); }
  static rpc::HttpResponse Acknowledge(const std::string& id, const std::string& note = "") {
    const std::string body = note.empty() ? "" : absl::StrCat(R"({"resourceType":"Parameters","parameter":[{"name":"note","valueString":")", note, R"("}]})");
    return world_->Send("beta", "beta", "POST", absl::StrCat("Communication/", id, "/$acknowledge"), body);
  }
  // "amended amended": of all alerts that wait.
  static std::string Waiting() {
    std::string names;
    const Json open = Open();
    for (const Json& entry : open["entry"].items()) absl::StrAppend(&names, names.empty() ? "" : " ", entry["resource"]["reasonCode"][0]["coding"][0].TextOf("code"));
    return names;
  }
  static std::uint64_t Size(const std::string& tenant) { return world_->partition(tenant).writer->size(); }
  // Entries of a kind in beta's log since the test began.
  [[nodiscard]] std::vector<ledger::v1::Entry> Entries(Kind kind) const {
    std::vector<ledger::v1::Entry> entries;
    const std::uint64_t count = Size("beta") - beta_size_;
    if (count == 0) return entries;
    const auto leaves = world_->partition("beta").log->Leaves(beta_size_, count);
    EXPECT_TRUE(leaves.ok()) << leaves.status();
    for (const std::string& bytes : *leaves) {
      const auto leaf = ledger::ParseLeaf(bytes);
      EXPECT_TRUE(leaf.ok()) << leaf.status();
      if (leaf->entry.kind() == kind) entries.push_back(leaf->entry);
    }
    return entries;
  }

  static TestWorld* world_;
  std::string id_;
  std::uint64_t beta_size_ = 0;
};
TestWorld* CorrectionsTest::world_ = nullptr;

TEST_F(CorrectionsTest, WhoWasShownAResultIsToldOfEachAmendmentOnce) {
  Read();
  Read();
  EXPECT_EQ(Waiting(), "");
  PutReport("amended");
  const Json open = Open();
  ASSERT_EQ(open["entry"].items().size(), 1u);
  const Json& alert = open["entry"][0]["resource"];
  EXPECT_EQ(alert.TextOf("status"), "in-progress");
  EXPECT_EQ(alert["subject"].TextOf("reference"), "Patient/" + id_);
  EXPECT_EQ(alert["about"][0].TextOf("reference"), "https://host/fhir/00000000000000aa/" + Report());
  EXPECT_EQ(alert["reasonCode"][0]["coding"][0].TextOf("code"), "amended");
  EXPECT_THAT(alert["payload"][0].TextOf("contentString"), HasSubstr("A result of alpha"));
  // It is a record of the patient's like any other.
  EXPECT_EQ(TestWorld::Body(world_->Send("beta", "beta", "GET", "Communication?patient=" + id_), 200)["total"].text(), "1");
  const auto told = Entries(ledger::v1::KIND_CORRECTION_ALERTED);
  ASSERT_EQ(told.size(), 1u);
  const auto patient = world_->records().FindPatient(world_->partition("beta").tenant.id, id_);
  const auto detail = OpenDetail(world_->sealer(), {world_->partition("beta").tenant.id, *patient, "", 1}, told[0].sealed_detail(), told[0].detail_commitment());
  ASSERT_TRUE(detail.ok()) << detail.status();
  EXPECT_THAT(*detail, HasSubstr("\"resource\":\"" + Report() + "\""));
  EXPECT_THAT(*detail, HasSubstr("\"disclosure\":\"custodian.example/p/00000000000000aa#"));

  // However often it is looked at.
  const std::uint64_t size = Size("beta");
  const auto at_alpha = world_->records().FindPatient(world_->partition("alpha").tenant.id, id_);
  EXPECT_TRUE(world_->corrections().AlertReaders({world_->partition("alpha").tenant.id, *at_alpha}).ok());
  EXPECT_EQ(Size("beta"), size);
  PutReport("corrected");
  EXPECT_EQ(Waiting(), "amended amended");
}

TEST_F(CorrectionsTest, AWithdrawnResultIsToldHoweverItWent) {
  Read();
  PutReport("entered-in-error");
  EXPECT_EQ(Waiting(), "withdrawn");
  PutReport("final");
  EXPECT_EQ(Waiting(), "withdrawn amended");
  ASSERT_EQ(world_->Send("alpha", "alpha", "DELETE", Report()).status, 204);
  EXPECT_EQ(Waiting(), "withdrawn amended withdrawn");
}

TEST(Correction, TheDayThatItWasShownIsTheReadersDay) {
  CorrectionFacts facts;
  facts.shown = absl::FromCivil(absl::CivilSecond(2026, 3, 2, 3, 30, 0), absl::UTCTimeZone());
  facts.zone = ZoneOf("America/Chicago");
  EXPECT_THAT(CorrectionAlert(facts)["payload"][0].TextOf("contentString"), HasSubstr("shown here on 2026-03-01, has been amended since"));
}

TEST_F(CorrectionsTest, NobodyIsToldOfWhatTheyWereNotShown) {
  PutReport("amended");
  ASSERT_EQ(world_->Send("alpha", "alpha", "GET", Report()).status, 200);
  PutReport("corrected");
  Read();
  EXPECT_EQ(Waiting(), "");
  EXPECT_EQ(Open("alpha")["total"].text(), "0");
  EXPECT_TRUE(Entries(ledger::v1::KIND_CORRECTION_ALERTED).empty());
}

TEST_F(CorrectionsTest, AnUnmadeLinkIsToldAndThenNothingMore) {
  Read();
  PutPatient("beta", "Other" + id_, "other-" + id_);
  EXPECT_EQ(Waiting(), "unlinked");
  PutReport("amended");
  EXPECT_EQ(Waiting(), "unlinked");
}

TEST_F(CorrectionsTest, WhatWasShownAgainUnderALinkIsToldAgainWhenThatIsUnmade) {
  for (int round = 0; round < 2; ++round) {
    PutPatient("beta", "Family" + id_);
    Read();
    PutPatient("beta", "Other" + id_, "other-" + id_);
    ASSERT_EQ(Waiting(), "unlinked") << round;
    EXPECT_EQ(Acknowledge(Open()["entry"][0]["resource"].TextOf("id")).status, 200);
  }
  // Linked again and not looked at, it has been told.
  PutPatient("beta", "Family" + id_);
  PutPatient("beta", "Other" + id_, "other-" + id_);
  EXPECT_EQ(Waiting(), "");
}

TEST_F(CorrectionsTest, WhatAMergeShowedIsToldWhenItIsUndone) {
  // A second chart at alpha, which nothing but alpha's word joins with the first.
  const std::string first = id_;
  id_ += "-b";
  PutPatient("alpha", "Maiden" + id_);
  Put("alpha", "Consent",
      absl::StrCat(R"("status":"active","scope":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/consentscope","code":"patient-privacy"}]},)",
                   R"("category":[{"coding":[{"system":"http://loinc.org","code":"59284-0"}]}],"patient":{"reference":"Patient/)", id_,
                   R"("},"policyRule":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"OPTIN"}]},"provision":{"type":"permit"})"));
  PutReport("final");
  EXPECT_EQ(world_->Send("beta", "alpha", "GET", Report()).status, 404);
  const std::string patient = absl::StrCat(R"({"resourceType":"Patient","id":")", id_, R"(","gender":"female","birthDate":"1971-03-04","name":[{"family":"Maiden)", id_,
                                           R"(","given":["Ada"]}])");
  ASSERT_EQ(world_->Send("alpha", "alpha", "PUT", "Patient/" + id_,
                         absl::StrCat(patient, R"(,"link":[{"other":{"reference":"Patient/)", first, R"("},"type":"replaced-by"}]})"))
                .status,
            200);
  Read();
  ASSERT_EQ(world_->Send("alpha", "alpha", "PUT", "Patient/" + id_, patient + "}").status, 200);
  EXPECT_EQ(world_->Send("beta", "alpha", "GET", Report()).status, 404);
  const Json open = Open();
  ASSERT_EQ(open["entry"].items().size(), 1u);
  EXPECT_EQ(open["entry"][0]["resource"]["reasonCode"][0]["coding"][0].TextOf("code"), "unlinked");
  EXPECT_EQ(open["entry"][0]["resource"]["subject"].TextOf("reference"), "Patient/" + first);
}

TEST_F(CorrectionsTest, AnAcknowledgementClosesAnAlertOnceAndIsOnTheLedger) {
  Read();
  PutReport("amended");
  const std::string id = Open()["entry"][0]["resource"].TextOf("id");
  EXPECT_EQ(Acknowledge(id, std::string(Corrections::kNoteBytesMax + 1, 'x')).status, 400);
  EXPECT_EQ(Acknowledge(id, "no\\u0001text").status, 400);
  EXPECT_EQ(Waiting(), "amended");
  const auto first = Acknowledge(id, "Seen by Dr. Ruiz");
  const Json acknowledged = TestWorld::Body(first, 200);
  EXPECT_EQ(acknowledged.TextOf("status"), "completed");
  EXPECT_EQ(acknowledged["note"][0].TextOf("text"), "Seen by Dr. Ruiz");
  EXPECT_EQ(acknowledged["note"][0].TextOf("authorString"), TestWorld::ClientOf("beta"));
  EXPECT_EQ(Waiting(), "");
  // A client that got no answer asks again.
  const auto again = Acknowledge(id, "Another");
  EXPECT_EQ(again.body, first.body);
  EXPECT_EQ(Entries(ledger::v1::KIND_CORRECTION_ACKNOWLEDGED).size(), 1u);
}

TEST_F(CorrectionsTest, OnlyTheTenantItselfSeesAndClosesItsAlerts) {
  Read();
  PutReport("amended");
  const std::string id = Open()["entry"][0]["resource"].TextOf("id");
  EXPECT_EQ(world_->Send("alpha", "beta", "POST", absl::StrCat("Communication/", id, "/$acknowledge")).status, 403);
  EXPECT_EQ(world_->Send("alpha", "beta", "GET", "Communication/$corrections").body, world_->Send("alpha", "beta", "GET", "Communication/no-such").body);
  EXPECT_EQ(world_->Send("alpha", "alpha", "POST", absl::StrCat("Communication/", id, "/$acknowledge")).status, 404);
  EXPECT_EQ(Acknowledge("correction-0").status, 404);
  EXPECT_EQ(world_->Send("beta", "beta", "PUT", "Communication/" + id, absl::StrCat(R"({"resourceType":"Communication","id":")", id, R"(","status":"completed"})")).status, 422);
  EXPECT_EQ(world_->Send("beta", "beta", "DELETE", "Communication/" + id).status, 422);
  EXPECT_EQ(Waiting(), "amended");
}

TEST_F(CorrectionsTest, WhatCouldNotBeToldIsToldLater) {
  Read();
  ASSERT_TRUE(world_->database("beta").Sql("ALTER TABLE exchange.correction RENAME TO away").ok());
  PutReport("amended");
  ASSERT_TRUE(world_->database("beta").Sql("ALTER TABLE exchange.away RENAME TO correction").ok());
  EXPECT_TRUE(Entries(ledger::v1::KIND_CORRECTION_ALERTED).empty());
  EXPECT_EQ(Waiting(), "");
  ASSERT_TRUE(world_->partition("alpha").outbox->Drain().ok());
  EXPECT_EQ(Waiting(), "amended");
}

TEST_F(CorrectionsTest, WhatWasToldAndNotNotedAsDoneIsToldOnce) {
  Read();
  ASSERT_TRUE(world_->database("alpha").Sql("CREATE FUNCTION ledger.keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'kept'; END $$").ok());
  ASSERT_TRUE(world_->database("alpha").Sql("CREATE TRIGGER keep BEFORE DELETE ON ledger.outbox FOR EACH ROW EXECUTE FUNCTION ledger.keep()").ok());
  PutReport("amended");
  EXPECT_EQ(Waiting(), "amended");
  EXPECT_NE(world_->database("alpha").One("SELECT count(*) FROM ledger.outbox WHERE kind = 'correction'"), "0");
  const std::uint64_t size = Size("beta");
  ASSERT_TRUE(world_->database("alpha").Sql("DROP FUNCTION ledger.keep() CASCADE").ok());
  ASSERT_TRUE(world_->partition("alpha").outbox->Drain().ok());
  EXPECT_EQ(world_->database("alpha").One("SELECT count(*) FROM ledger.outbox WHERE kind = 'correction'"), "0");
  EXPECT_EQ(Size("beta"), size);
}

TEST_F(CorrectionsTest, AnAcknowledgementThatFailsLeavesTheAlertOpen) {
  Read();
  PutReport("amended");
  const std::string id = Open()["entry"][0]["resource"].TextOf("id");
  ASSERT_TRUE(world_->database("beta").Sql("ALTER TABLE exchange.correction_acknowledged RENAME TO away").ok());
  EXPECT_GE(Acknowledge(id).status, 500);
  ASSERT_TRUE(world_->database("beta").Sql("ALTER TABLE exchange.away RENAME TO correction_acknowledged").ok());
  EXPECT_EQ(Waiting(), "amended");
  EXPECT_TRUE(Entries(ledger::v1::KIND_CORRECTION_ACKNOWLEDGED).empty());
  EXPECT_EQ(Acknowledge(id).status, 200);
  EXPECT_EQ(Entries(ledger::v1::KIND_CORRECTION_ACKNOWLEDGED).size(), 1u);
}

TEST_F(CorrectionsTest, TwoWhoAcknowledgeAtOnceGetTheSameAnswer) {
  Read();
  PutReport("amended");
  const std::string id = Open()["entry"][0]["resource"].TextOf("id");
  std::vector<std::thread> threads;
  std::vector<std::string> answers(4);
  for (std::string& answer : answers) threads.emplace_back([&answer, &id] { answer = Acknowledge(id).body; });
  for (std::thread& thread : threads) thread.join();
  for (const std::string& answer : answers) EXPECT_EQ(answer, answers.front());
  EXPECT_EQ(Entries(ledger::v1::KIND_CORRECTION_ACKNOWLEDGED).size(), 1u);
}

TEST_F(CorrectionsTest, ACorrectionBetweenDecisionAndDisclosureIsSeenByTheReader) {
  // The rules are asked for when the record has been read and nothing is decided yet.
  std::function<void()> interruption = [this] { PutReport("amended"); };
  ExchangeParts parts = world_->parts();
  parts.rules = [&interruption, rules = BuiltInRules()](const TenantId& tenant) {
    if (interruption) std::exchange(interruption, nullptr)();
    return rules(tenant);
  };
  const FhirService service(TestWorld::FhirOptions(), parts);
  rpc::HttpRequest request;
  request.method = "GET";
  request.path = "/fhir/00000000000000aa/" + Report();
  request.peer_spiffe_id = TestWorld::ClientOf("beta");
  EXPECT_EQ(TestWorld::Body(service.Handle(request), 200).TextOf("status"), "amended");
}

}  // namespace
}  // namespace custodian::exchange

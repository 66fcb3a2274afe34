// What a person's several charts at one tenant mean for each other, over real PostgreSQL and a real key process: alpha keeps charts "<id>"
// (whom beta knows, too) and "<id>-b" (whom nothing but alpha's merge joins with the first); beta reads a report in the second.
#include "services/exchange/person_chart.h"

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "services/exchange/record_store.h"
#include "services/exchange/refusals.h"
#include "services/exchange/test_world.h"

namespace custodian::exchange {
namespace {

class PersonChartTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { world_ = new TestWorld; }
  static void TearDownTestSuite() { delete world_; }

  PersonChartTest() {
    id_ = HexEncode(RandomBytes(6));
    for (const char* tenant : {"alpha", "beta"})
      Put(tenant, "Patient", id_, absl::StrCat(R"("birthDate":"1971-03-04","name":[{"family":"Family)", id_, R"(","given":["Ada"]}],"address":[{"line":["1 Road )", id_,
                                               R"("],"city":"Boston"}])"));
    SetMerged(false);
    Put("alpha", "DiagnosticReport", Second(),
        absl::StrCat(R"("status":"final","code":{"coding":[{"system":"http://loinc.org","code":"24558-9"}]},"subject":{"reference":"Patient/)", Second(),
                     R"("},"effectiveDateTime":"2026-01-10T10:00:00Z")"));
  }

  [[nodiscard]] std::string Second() const { return id_ + "-b"; }
  static void Put(const std::string& tenant, const std::string& type, const std::string& id, const std::string& members) {
    const auto response = world_->Send(tenant, tenant, "PUT", absl::StrCat(type, "/", id), absl::StrCat(R"({"resourceType":")", type, R"(","id":")", id, "\",", members, "}"));
    ASSERT_TRUE(response.status == 200 || response.status == 201) << response.body;
  }
  void SetMerged(bool merged) {
    Put("alpha", "Patient", Second(),
        absl::StrCat(R"("birthDate":"1971-03-04","name":[{"family":"Maiden)", id_, R"(","given":["Ada"]}])",
                     merged ? absl::StrCat(R"(,"link":[{"other":{"reference":"Patient/)", id_, R"("},"type":"replaced-by"}])") : ""));
  }
  // About the patient of that chart; of a chart the newest word counts.
  static void Consent(const std::string& patient, const char* type) {
    Put("alpha", "Consent", absl::StrCat(type, "-", patient),
        absl::StrCat(R"("status":"active","scope":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/consentscope","code":"patient-privacy"}]},)",
                     R"("category":[{"coding":[{"system":"http://loinc.org","code":"59284-0"}]}],"patient":{"reference":"Patient/)", patient,
                     R"("},"policyRule":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"OPTIN"}]},"provision":{"type":")", type, R"("})"));
  }
  [[nodiscard]] int Read() const { return world_->Send("beta", "alpha", "GET", "DiagnosticReport/" + Second()).status; }
  [[nodiscard]] PatientId Find(const std::string& id) const { return world_->records().FindPatient(world_->partition("alpha").tenant.id, id).value(); }
  static std::uint64_t LogSize() { return world_->partition("alpha").writer->size(); }
  // A service that does this once between reading the charts and deciding.
  [[nodiscard]] std::vector<Refused> ReadWith(std::function<void()> interruption, int expected, const PatientRecords& records = world_->records()) const {
    std::vector<Refused> refused;
    ExchangeParts parts = world_->parts(world_->sealer(), records);
    parts.refused = [&refused](Refused one) { refused.push_back(std::move(one)); };
    parts.rules = [&interruption, rules = BuiltInRules()](const TenantId& tenant) {
      if (interruption) std::exchange(interruption, nullptr)();
      return rules(tenant);
    };
    const FhirService service(TestWorld::FhirOptions(), parts);
    rpc::HttpRequest request;
    request.method = "GET";
    request.path = "/fhir/00000000000000aa/DiagnosticReport/" + Second();
    request.peer_spiffe_id = TestWorld::ClientOf("beta");
    EXPECT_EQ(service.Handle(request).status, expected);
    return refused;
  }

  static TestWorld* world_;
  std::string id_;
};
TestWorld* PersonChartTest::world_ = nullptr;

TEST_F(PersonChartTest, APermissionInOneChartCountsForTheOtherWhileTheyAreMerged) {
  Consent(id_, "permit");
  EXPECT_EQ(Read(), 404);
  SetMerged(true);
  EXPECT_EQ(Read(), 200);
  SetMerged(false);
  EXPECT_EQ(Read(), 404);
}

TEST_F(PersonChartTest, AMergeIsMadeInWhateverOrderTheChartsCome) {
  const std::string third = id_ + "-c";
  Put("alpha", "Patient", Second(),
      absl::StrCat(R"("birthDate":"1971-03-04","name":[{"family":"Maiden)", id_, R"(","given":["Ada"]}],"link":[{"other":{"reference":"Patient/)", third, R"("},"type":"seealso"}])"));
  Consent(Second(), "permit");
  EXPECT_EQ(Read(), 404);
  Put("alpha", "Patient", third, absl::StrCat(R"("birthDate":"1971-03-04","name":[{"family":"Family)", id_, R"(","given":["Ada"]}],"address":[{"line":["1 Road )", id_,
                                              R"("],"city":"Boston"}],"link":[{"other":{"reference":"Patient/)", id_, R"("},"type":"replaced-by"}])"));
  EXPECT_EQ(Read(), 200);
}

TEST_F(PersonChartTest, ARefusalInOneChartClosesTheOther) {
  Consent(Second(), "permit");
  Consent(id_, "deny");
  EXPECT_EQ(Read(), 404);
  SetMerged(true);
  EXPECT_EQ(Read(), 404);
}

TEST_F(PersonChartTest, ARefusalThatComesInBetweenIsSeen) {
  Consent(Second(), "permit");
  SetMerged(true);
  EXPECT_EQ(Read(), 200);
  const std::uint64_t size = LogSize();
  EXPECT_EQ(ReadWith([this] { Consent(id_, "deny"); }, 404).size(), 1u);
  // The Consent's own entries; a disclosure that was conditional on the other chart's consents was refused.
  EXPECT_EQ(world_->database("alpha").One(absl::StrCat("SELECT count(*) FROM exchange.record WHERE account AND entry_index >= ", size)), "0");
}

TEST_F(PersonChartTest, AMergeThatComesInBetweenIsSeen) {
  Consent(Second(), "permit");
  Consent(id_, "deny");
  // Joined with beta's by what both know of the second patient, so that it can be read without a merge.
  const std::string ssn = absl::StrCat(R"(,"identifier":[{"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"SS"}]},"system":"http://hl7.org/fhir/sid/us-ssn","value":")",
                                       id_, R"("}])");
  const std::string maiden = absl::StrCat(R"("birthDate":"1971-03-04","name":[{"family":"Maiden)", id_, R"(","given":["Ada"]}])", ssn);
  Put("beta", "Patient", Second(), maiden);
  Put("alpha", "Patient", Second(), maiden);
  EXPECT_EQ(Read(), 200);
  const std::string link = absl::StrCat(R"(,"link":[{"other":{"reference":"Patient/)", id_, R"("},"type":"replaced-by"}])");
  EXPECT_EQ(ReadWith([&] { Put("alpha", "Patient", Second(), maiden + link); }, 404).size(), 1u);
}

TEST_F(PersonChartTest, WhatWasRefusedIsExplainedByAllCharts) {
  Consent(Second(), "permit");
  Consent(id_, "deny");
  SetMerged(true);
  std::vector<Refused> refused = ReadWith(nullptr, 404);
  ASSERT_EQ(refused.size(), 1u);
  ASSERT_EQ(refused[0].judged_with.size(), 1u);
  EXPECT_EQ(refused[0].judged_with[0].patient, Find(id_));
  EXPECT_EQ(refused[0].judged_with[0].version, 1);
  Refusals refusals({.batch = 1}, world_->partitions(), world_->sealer(), world_->records());
  refusals.Note(refused[0]);
  ASSERT_TRUE(refusals.Keep().ok());
  ASSERT_TRUE(refusals.WriteBatches().ok());
  const auto rows = RecordStore(*world_->partition("alpha").database).NewestOfPatient(Find(Second()));
  ASSERT_TRUE(rows.ok()) << rows.status();
  std::vector<std::string> audits;
  for (const SealedRecord& row : *rows) {
    const auto record = OpenRecord(world_->partition("alpha").tenant, row, world_->sealer(), "test");
    ASSERT_TRUE(record.ok()) << record.status();
    if (record->resource_type == "AuditEvent") audits.push_back(record->json);
  }
  ASSERT_EQ(audits.size(), 1u);
  EXPECT_NE(audits[0].find(absl::StrCat("Consent/deny-", id_, "/_history/1")), std::string::npos) << audits[0];
}

TEST_F(PersonChartTest, AChartThatCannotBeReadClosesTheOthersOfItsTenant) {
  Consent(id_, "permit");
  Consent(Second(), "permit");
  SetMerged(true);
  EXPECT_EQ(Read(), 200);
  ASSERT_TRUE(world_->database("alpha")
                  .Sql(absl::StrCat("UPDATE exchange.record SET sealed = set_byte(sealed, 20, get_byte(sealed, 20) # 1) WHERE NOT account AND patient_id = decode('",
                                    Find(id_).hex(), "', 'hex')"))
                  .ok());
  // Whoever has opened it already shows it a while longer.
  const MachineClock machine_clock;
  const PatientRecords anew(world_->partitions(), world_->sealer(), machine_clock);
  (void)ReadWith(nullptr, 404, anew);
}

}  // namespace
}  // namespace custodian::exchange

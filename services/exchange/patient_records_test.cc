// Charts kept between order checks, over real PostgreSQL and a real key process.
#include "services/exchange/patient_records.h"

#include <set>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/exchange/test_world.h"

namespace custodian::exchange {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class PatientRecordsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { world_ = new TestWorld; }
  static void TearDownTestSuite() {
    delete world_;
    world_ = nullptr;
  }
  PatientRecordsTest()
      : sealer_(world_->key_process().client(), clock_),
        patient_(Store("POST", "Patient", "Patient", "")),
        records_(world_->partitions(), sealer_, clock_),
        link_{world_->partition("alpha").tenant.id, records_.FindPatient(world_->partition("alpha").tenant.id, patient_.substr(8)).value()} {}

  static std::string Store(const std::string& method, const std::string& target, const std::string& type, const std::string& members) {
    const auto response = world_->Send("alpha", "alpha", method, target, R"({"resourceType":")" + type + "\"" + members + "}");
    EXPECT_TRUE(response.status == 200 || response.status == 201) << response.body;
    return TestWorld::Stored(response);
  }
  std::string NewObservation() const { return Store("POST", "Observation", "Observation", Members("1")); }
  std::string Members(const std::string& value) const {
    return R"(,"status":"final","code":{"text":"x"},"valueInteger":)" + value + R"(,"subject":{"reference":")" + patient_ + "\"}";
  }
  PatientRecords::Chart Open() const {
    const auto chart = records_.OpenChart(link_, "test");
    EXPECT_TRUE(chart.ok()) << chart.status();
    return chart.value_or(PatientRecords::Chart());
  }
  // "Observation/<id>/<version>", sorted.
  static std::set<std::string> Observations(const PatientRecords::Chart& chart) {
    std::set<std::string> found;
    for (const OpenedRecord& record : *chart.records)
      if (record.resource_type == "Observation") found.insert(record.resource_type + "/" + record.id + "/" + std::to_string(record.version));
    return found;
  }

  static TestWorld* world_;
  testing::FakeClock clock_;
  keys::Sealer sealer_;
  const std::string patient_;
  const PatientRecords records_;
  const PatientLink link_;
};
TestWorld* PatientRecordsTest::world_ = nullptr;

TEST_F(PatientRecordsTest, AKeptChartShowsWhatCameSince) {
  const std::string observation = NewObservation();
  const auto first = Open();
  EXPECT_THAT(Observations(first), ElementsAre(observation + "/1"));
  EXPECT_EQ(Open().records, first.records);
  // Others' records change nothing.
  Store("POST", "Patient", "Patient", "");
  EXPECT_EQ(Open().records, first.records);
  Store("PUT", observation, "Observation", R"(,"id":")" + observation.substr(12) + "\"" + Members("2"));
  EXPECT_THAT(Observations(Open()), ElementsAre(observation + "/2"));
  ASSERT_EQ(world_->Send("alpha", "alpha", "DELETE", observation).status, 204);
  EXPECT_THAT(Observations(Open()), IsEmpty());
  EXPECT_EQ(Open().records, Open().records);
  const std::string again = NewObservation();
  EXPECT_THAT(Observations(Open()), ElementsAre(again + "/1"));
}

TEST_F(PatientRecordsTest, AChartOpenedBehindADeletionStays) {
  ASSERT_EQ(world_->Send("alpha", "alpha", "DELETE", NewObservation()).status, 204);
  const auto chart = Open();
  EXPECT_THAT(Observations(chart), IsEmpty());
  EXPECT_EQ(Open().records, chart.records);
}

TEST_F(PatientRecordsTest, TheConsentVersionIsThePresentOne) {
  EXPECT_EQ(Open().consent_version, 0);
  const std::string consent =
      R"(,"id":"consent-)" + patient_.substr(8) + R"(","status":"active","scope":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/consentscope","code":"patient-privacy"}]},)"
      R"("category":[{"coding":[{"system":"http://loinc.org","code":"59284-0"}]}],"patient":{"reference":")" + patient_ +
      R"("},"policyRule":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"OPTIN"}]},"provision":{"type":"deny"})";
  Store("PUT", "Consent/consent-" + patient_.substr(8), "Consent", consent);
  EXPECT_EQ(Open().consent_version, 1);
  EXPECT_EQ(Open().consent_version, 1);
}

TEST_F(PatientRecordsTest, AChartIsKeptNoLongerThanAKey) {
  const auto chart = Open();
  clock_.Advance(absl::Seconds(59));
  EXPECT_EQ(Open().records, chart.records);
  clock_.Advance(absl::Seconds(1));
  EXPECT_NE(Open().records, chart.records);
}

TEST_F(PatientRecordsTest, NothingIsKeptWhereKeysAreNot) {
  keys::Sealer without_lease(world_->key_process().client(), clock_, absl::ZeroDuration());
  const PatientRecords records(world_->partitions(), without_lease, clock_, {.kept = absl::ZeroDuration()});
  const auto first = records.OpenChart(link_, "test");
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_NE(records.OpenChart(link_, "test")->records, first->records);
  EXPECT_EQ(without_lease.held(), 0u);
}

// A tenant that takes back its keys, or erases a patient, is obeyed within the lease, whatever was opened before.
TEST_F(PatientRecordsTest, NothingIsShownOnceTheKeyIsRefused) {
  keys::Sealer without_lease(world_->key_process().client(), clock_, absl::ZeroDuration());
  const PatientRecords records(world_->partitions(), without_lease, clock_);
  ASSERT_TRUE(records.OpenChart(link_, "test").ok());
  world_->key_process().Stop();
  EXPECT_FALSE(records.OpenChart(link_, "test").ok());
  EXPECT_TRUE(world_->key_process().Start().ok());
}

}  // namespace
}  // namespace custodian::exchange

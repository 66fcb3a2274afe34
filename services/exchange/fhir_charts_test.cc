// Charts kept between searches, over real PostgreSQL and a real key process.
#include "services/exchange/fhir_charts.h"

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/exchange/test_world.h"

namespace custodian::exchange {
namespace {

using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class FhirChartsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { world_ = new TestWorld; }
  static void TearDownTestSuite() {
    delete world_;
    world_ = nullptr;
  }
  FhirChartsTest() : sealer_(world_->key_process().client(), clock_), patient_(Post("Patient", "Patient", "")), charts_(sealer_, clock_, {}) {}

  static std::string Post(const std::string& type, const std::string& target, const std::string& members) {
    const auto response = world_->Send("alpha", "alpha", type == target ? "POST" : "PUT", target, R"({"resourceType":")" + type + "\"" + members + "}");
    EXPECT_TRUE(response.status == 200 || response.status == 201) << response.body;
    return TestWorld::Stored(response);
  }
  std::string NewObservation() const { return Post("Observation", "Observation", Observation("1")); }
  std::string Observation(const std::string& value) const {
    return R"(,"status":"final","code":{"text":"x"},"valueInteger":)" + value + R"(,"subject":{"reference":")" + patient_ + "\"}";
  }
  static tenants::Partition& partition() { return world_->partition("alpha"); }
  std::shared_ptr<const FhirChart> OpenAt(std::uint64_t snapshot) const {
    const auto patient = charts_.PatientOf(partition(), patient_.substr(8));
    EXPECT_TRUE(patient.ok() && patient->has_value()) << patient.status();
    const auto chart = charts_.Open(partition(), **patient, snapshot);
    EXPECT_TRUE(chart.ok()) << chart.status();
    return chart.value_or(nullptr);
  }
  std::shared_ptr<const FhirChart> Open() const { return OpenAt(partition().writer->size()); }
  // "Observation/<id>/<version>".
  static std::vector<std::string> Observations(const FhirChart& chart) {
    std::vector<std::string> found;
    for (const auto& record : (*chart.TableOf("Observation"))->records()) {
      found.push_back(record->type() + "/" + record->Read()->id() + "/" + std::to_string(record->row().version));
    }
    return found;
  }

  static TestWorld* world_;
  testing::FakeClock clock_;
  keys::Sealer sealer_;
  const std::string patient_;
  const FhirCharts charts_;
};
TestWorld* FhirChartsTest::world_ = nullptr;

TEST_F(FhirChartsTest, AKeptChartShowsWhatCameSince) {
  const std::string first = NewObservation(), second = NewObservation();
  const auto chart = Open();
  EXPECT_THAT(Observations(*chart), UnorderedElementsAre(first + "/1", second + "/1"));
  EXPECT_EQ(Open(), chart);
  EXPECT_EQ(charts_.kept(), 1u);
  // Others' records change nothing.
  Post("Patient", "Patient", "");
  EXPECT_EQ(Open(), chart);
  const std::uint64_t before = partition().writer->size();
  const std::string third = NewObservation();
  Post("Observation", first, R"(,"id":")" + first.substr(12) + "\"" + Observation("2"));
  ASSERT_EQ(world_->Send("alpha", "alpha", "DELETE", second).status, 204);
  EXPECT_THAT(Observations(*Open()), UnorderedElementsAre(first + "/2", third + "/1"));
  // What did not change is not opened again.
  EXPECT_EQ((*(*Open()).TableOf("Patient"))->records(), (*chart->TableOf("Patient"))->records());
  // Pages of a search that began before show what there was then.
  EXPECT_THAT(Observations(*OpenAt(before)), UnorderedElementsAre(first + "/1", second + "/1"));
  EXPECT_THAT(Observations(*Open()), UnorderedElementsAre(first + "/2", third + "/1"));
}

TEST_F(FhirChartsTest, ADeletedRecordIsShownAtEarlierPositionsOnly) {
  const std::string observation = NewObservation();
  const std::uint64_t before = partition().writer->size();
  Open();
  ASSERT_EQ(world_->Send("alpha", "alpha", "DELETE", observation).status, 204);
  EXPECT_THAT(Observations(*Open()), IsEmpty());
  EXPECT_THAT(Observations(*OpenAt(before)), UnorderedElementsAre(observation + "/1"));
  // Opened for the first time behind the deletion, and asked for before it.
  const FhirCharts others(sealer_, clock_, {});
  const PatientId patient = **others.PatientOf(partition(), patient_.substr(8));
  EXPECT_THAT(Observations(**others.Open(partition(), patient, partition().writer->size())), IsEmpty());
  EXPECT_THAT(Observations(**others.Open(partition(), patient, before)), UnorderedElementsAre(observation + "/1"));
}

TEST_F(FhirChartsTest, AChartIsKeptNoLongerThanAKey) {
  const auto chart = Open();
  clock_.Advance(absl::Seconds(59));
  EXPECT_EQ(Open(), chart);
  clock_.Advance(absl::Seconds(1));
  const auto later = Open();
  EXPECT_NE(later, chart);
  clock_.Advance(absl::Seconds(60));
  charts_.DropExpired();
  EXPECT_EQ(charts_.kept(), 0u);
  Open();
  // A clock set back ends it too.
  clock_.Advance(-absl::Seconds(1));
  charts_.DropExpired();
  EXPECT_EQ(charts_.kept(), 0u);
}

TEST_F(FhirChartsTest, AChartIsUsedAsOftenAsItsLimitSays) {
  const FhirCharts charts(sealer_, clock_, {.uses_max = 3});
  const PatientId patient = **charts.PatientOf(partition(), patient_.substr(8));
  const auto open = [&] { return *charts.Open(partition(), patient, partition().writer->size()); };
  const auto chart = open();
  EXPECT_EQ(open(), chart);
  EXPECT_EQ(open(), chart);
  EXPECT_NE(open(), chart);
  const FhirCharts none(sealer_, clock_, {.kept = absl::ZeroDuration()});
  EXPECT_TRUE(none.Open(partition(), patient, partition().writer->size()).ok());
  EXPECT_EQ(none.kept(), 0u);
}

TEST_F(FhirChartsTest, WhoComesWhileAChartIsOpenedWaitsForIt) {
  for (int i = 0; i < 50; ++i) NewObservation();
  std::vector<std::shared_ptr<const FhirChart>> opened(8);
  std::vector<std::thread> threads;
  for (auto& chart : opened) threads.emplace_back([&] { chart = Open(); });
  for (std::thread& thread : threads) thread.join();
  for (const auto& chart : opened) EXPECT_EQ(chart, opened.front());
}

TEST_F(FhirChartsTest, ChartsGiveWayToNewerOnes) {
  const std::string other = Post("Patient", "Patient", "");
  const FhirCharts charts(sealer_, clock_, {.bytes_max = 800});
  for (const std::string& id : {patient_, other}) {
    const PatientId patient = **charts.PatientOf(partition(), id.substr(8));
    ASSERT_TRUE(charts.Open(partition(), patient, partition().writer->size()).ok());
    EXPECT_EQ(charts.kept(), 1u);
    clock_.Advance(absl::Seconds(1));
  }
}

// A tenant that takes back its keys, or erases a patient, is obeyed within the lease, whatever was opened before.
TEST_F(FhirChartsTest, NothingIsShownOnceTheKeyIsRefused) {
  const std::uint64_t size = partition().writer->size();
  const PatientId patient = **charts_.PatientOf(partition(), patient_.substr(8));
  keys::Sealer without_lease(world_->key_process().client(), clock_, absl::ZeroDuration());
  const FhirCharts charts(without_lease, clock_, {});
  ASSERT_TRUE(charts.Open(partition(), patient, size).ok());
  EXPECT_EQ(charts.kept(), 1u);
  world_->key_process().Stop();
  EXPECT_FALSE(charts.Open(partition(), patient, size).ok());
  EXPECT_TRUE(world_->key_process().Start().ok());
}

}  // namespace
}  // namespace custodian::exchange

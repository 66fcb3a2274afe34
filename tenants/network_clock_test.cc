#include "tenants/network_clock.h"

#include "gtest/gtest.h"
#include "tests/support/postgres.h"

namespace custodian::tenants {
namespace {

class NetworkClockTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto made = testing::TestDatabase::Create("network", "network");
    ASSERT_TRUE(made.ok()) << made.status();
    test_ = *std::move(made);
  }
  std::unique_ptr<NetworkClock> Start(bool simulated) const {
    auto clock = NetworkClock::Create(test_->database(), simulated);
    EXPECT_TRUE(clock.ok()) << clock.status();
    return *std::move(clock);
  }

  std::unique_ptr<testing::TestDatabase> test_;
  const absl::Time noon_ = absl::FromCivil(absl::CivilSecond(2026, 1, 1, 12, 0, 0), absl::UTCTimeZone());
};

TEST_F(NetworkClockTest, SimulatedTimeStandsStillAndSurvivesARestart) {
  {
    const auto clock = Start(true);
    ASSERT_TRUE(clock->Set(noon_ + absl::Microseconds(1500)).ok());
    EXPECT_EQ(clock->Now(), noon_ + absl::Milliseconds(1));
    absl::SleepFor(absl::Milliseconds(5));
    EXPECT_EQ(clock->Now(), noon_ + absl::Milliseconds(1));
  }
  EXPECT_EQ(Start(true)->Now(), noon_ + absl::Milliseconds(1));
}

TEST_F(NetworkClockTest, SimulatedTimeNeverGoesBackwards) {
  const auto clock = Start(true);
  ASSERT_TRUE(clock->Set(noon_).ok());
  EXPECT_TRUE(clock->Set(noon_).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(clock->Set(noon_ - absl::Milliseconds(1))));
  EXPECT_EQ(clock->Now(), noon_);
}

TEST_F(NetworkClockTest, TimeThatCouldNotBeStoredIsNotVisible) {
  ConnectionSpec spec = test_->login();
  const Database database(spec, 1);
  auto clock = NetworkClock::Create(database, true);
  ASSERT_TRUE(clock.ok());
  const absl::Time before = (*clock)->Now();
  ASSERT_TRUE(test_->Sql("REVOKE INSERT, UPDATE ON network.clock FROM " + spec.user).ok());
  EXPECT_FALSE((*clock)->Set(noon_).ok());
  EXPECT_EQ((*clock)->Now(), before);
}

TEST_F(NetworkClockTest, RealTimeIsTheMachinesInMillisecondsAndCannotBeSet) {
  const auto clock = Start(false);
  const absl::Time before = TruncateToMilliseconds(absl::Now());
  const absl::Time now = clock->Now();
  EXPECT_GE(now, before);
  EXPECT_LE(now, absl::Now());
  EXPECT_EQ(now, TruncateToMilliseconds(now));
  EXPECT_TRUE(absl::IsFailedPrecondition(clock->Set(absl::Now() + absl::Hours(1))));
}

}  // namespace
}  // namespace custodian::tenants

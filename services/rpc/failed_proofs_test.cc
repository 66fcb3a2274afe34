#include "services/rpc/failed_proofs.h"

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace custodian::rpc {
namespace {

class StandingClock final : public Clock {
 public:
  [[nodiscard]] absl::Time Now() const override { return now; }
  absl::Time now = absl::FromUnixSeconds(1'700'000'000);
};

class FailedProofsTest : public ::testing::Test {
 protected:
  void Fail(const std::string& address, int times) {
    for (int i = 0; i < times; ++i) failed_.Note(address);
  }
  StandingClock clock_;
  FailedProofs failed_{clock_};
};

TEST_F(FailedProofsTest, WhoGoesOnGuessingWaits) {
  EXPECT_EQ(failed_.WaitOf("192.0.2.1"), absl::ZeroDuration());
  Fail("192.0.2.1", 19);
  EXPECT_EQ(failed_.WaitOf("192.0.2.1"), absl::ZeroDuration());
  Fail("192.0.2.1", 1);
  const absl::Duration wait = failed_.WaitOf("192.0.2.1");
  EXPECT_EQ(wait, absl::Milliseconds(200));
  // Nobody else does.
  EXPECT_EQ(failed_.WaitOf("192.0.2.2"), absl::ZeroDuration());
  clock_.now += wait / 2;
  EXPECT_GT(failed_.WaitOf("192.0.2.1"), absl::ZeroDuration());
  clock_.now += wait;
  EXPECT_EQ(failed_.WaitOf("192.0.2.1"), absl::ZeroDuration());
  // One by one from then on.
  Fail("192.0.2.1", 1);
  EXPECT_GT(failed_.WaitOf("192.0.2.1"), absl::ZeroDuration());
  clock_.now += absl::Minutes(1);
  Fail("192.0.2.1", 19);
  EXPECT_EQ(failed_.WaitOf("192.0.2.1"), absl::ZeroDuration());
}

TEST_F(FailedProofsTest, AClockSetBackForgivesNothing) {
  Fail("192.0.2.1", 20);
  clock_.now -= absl::Hours(1);
  EXPECT_EQ(failed_.WaitOf("192.0.2.1"), absl::Milliseconds(200));
}

TEST_F(FailedProofsTest, AnIpv6NetworkIsOneAddress) {
  Fail("2001:db8:0:1::1", 10);
  Fail("2001:db8:0:1:ffff::2", 10);
  EXPECT_GT(failed_.WaitOf("2001:db8:0:1::3"), absl::ZeroDuration());
  EXPECT_EQ(failed_.WaitOf("2001:db8:0:2::1"), absl::ZeroDuration());
}

// As a server that listens on :: sees those of IPv4: all of them lie in one network of 64 bits.
TEST_F(FailedProofsTest, AnIpv4AddressOnAnIpv6SocketIsThatAddress) {
  Fail("::ffff:192.0.2.1", 20);
  EXPECT_GT(failed_.WaitOf("::ffff:192.0.2.1"), absl::ZeroDuration());
  EXPECT_GT(failed_.WaitOf("192.0.2.1"), absl::ZeroDuration());
  EXPECT_EQ(failed_.WaitOf("::ffff:192.0.2.2"), absl::ZeroDuration());
}

TEST_F(FailedProofsTest, MoreAddressesThanItKeepsCostNoMemory) {
  Fail("192.0.2.1", 20);
  for (std::size_t i = 0; i < 3 * FailedProofs::kAddressesMax; ++i) failed_.Note(absl::StrCat("host", i));
  EXPECT_EQ(failed_.WaitOf("192.0.2.1"), absl::ZeroDuration());
}

}  // namespace
}  // namespace custodian::rpc

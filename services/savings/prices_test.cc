#include "services/savings/prices.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace custodian::savings {
namespace {

using ::testing::HasSubstr;

absl::Time Utc(int year, int month, int day) { return absl::FromCivil(absl::CivilDay(year, month, day), absl::UTCTimeZone()); }

constexpr char kTable[] =
    "class_id,valid_from,cents\n"
    "mr-knee-wo,2025-01-01,20022\n"
    "mr-knee-wo,2026-01-01,20823\n"
    "lab-lipid,2025-06-01T12:00:00Z,1339\r\n";

TEST(Prices, TheVersionInForceIsTheNewestNotAfterTheMoment) {
  const auto table = PriceTable::Parse(kTable);
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ(table->CentsAt("mr-knee-wo", Utc(2025, 1, 1)), 20'022);
  EXPECT_EQ(table->CentsAt("mr-knee-wo", Utc(2026, 1, 1) - absl::Milliseconds(1)), 20'022);
  EXPECT_EQ(table->CentsAt("mr-knee-wo", Utc(2026, 1, 1)), 20'823);
  EXPECT_EQ(table->CentsAt("lab-lipid", Utc(2025, 6, 1) + absl::Hours(12)), 1'339);
}

TEST(Prices, ThereIsNoPriceBeforeTheFirstVersionNorOfAnUnknownClass) {
  const auto table = PriceTable::Parse(kTable);
  ASSERT_TRUE(table.ok());
  EXPECT_EQ(table->CentsAt("mr-knee-wo", Utc(2025, 1, 1) - absl::Milliseconds(1)), std::nullopt);
  EXPECT_EQ(table->CentsAt("lab-lipid", Utc(2025, 6, 1)), std::nullopt);
  EXPECT_EQ(table->CentsAt("ct-head-wo", Utc(2026, 1, 1)), std::nullopt);
}

struct BadTable {
  const char* csv;
  const char* message;
};

class PricesRefused : public ::testing::TestWithParam<BadTable> {};

TEST_P(PricesRefused, NamesTheLine) {
  const auto table = PriceTable::Parse(GetParam().csv);
  ASSERT_FALSE(table.ok());
  EXPECT_EQ(table.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(table.status().message()), HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    Rows, PricesRefused,
    ::testing::Values(BadTable{"", "line 1: expected the header"},
                      BadTable{"class,from,cents\na,2025-01-01,1\n", "line 1: expected the header"},
                      BadTable{"class_id,valid_from,cents\n", "expected at least one price"},
                      BadTable{"class_id,valid_from,cents\na,2025-01-01\n", "line 2: expected three fields"},
                      BadTable{"class_id,valid_from,cents\na,2025-01-01,1,2\n", "line 2: expected three fields"},
                      BadTable{"class_id,valid_from,cents\n,2025-01-01,1\n", "line 2: class_id"},
                      BadTable{"class_id,valid_from,cents\nA b,2025-01-01,1\n", "line 2: class_id"},
                      BadTable{"class_id,valid_from,cents\na,2025-13-01,1\n", "line 2: valid_from"},
                      BadTable{"class_id,valid_from,cents\na,2025-1-1,1\n", "line 2: valid_from"},
                      BadTable{"class_id,valid_from,cents\na,2025-01-01,1\n\na,2025-02-01,x\n", "line 4: cents"},
                      BadTable{"class_id,valid_from,cents\na,2025-01-01,1.5\n", "line 2: cents"},
                      BadTable{"class_id,valid_from,cents\na,2025-01-01,-1\n", "line 2: cents"},
                      BadTable{"class_id,valid_from,cents\na,2025-01-01,100000001\n", "line 2: cents"},
                      BadTable{"class_id,valid_from,cents\na,2025-01-01,99999999999999999999\n", "line 2: cents"},
                      BadTable{"class_id,valid_from,cents\na,2025-01-01,1\na,2025-01-01,1\n", "line 3: a second price of a"}));

}  // namespace
}  // namespace custodian::savings

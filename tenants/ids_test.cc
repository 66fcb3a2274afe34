#include "tenants/ids.h"

#include "gtest/gtest.h"

namespace custodian {
namespace {

TEST(Ids, TenantIdIsSixteenLowerCaseHexDigits) {
  EXPECT_TRUE(TenantId::Parse(TenantId::Random().text()).ok());
  for (const char* malformed : {"", "0123456789abcde", "0123456789abcdef0", "0123456789ABCDEF", "0123456789abcdeg"}) {
    EXPECT_FALSE(TenantId::Parse(malformed).ok()) << malformed;
  }
}

TEST(Ids, OpaqueIdIsSixteenBytes) {
  const PatientId patient = PatientId::Random();
  EXPECT_EQ(patient.bytes().size(), 16u);
  EXPECT_EQ(*PatientId::FromBytes(patient.bytes()), patient);
  EXPECT_FALSE(PatientId::FromBytes("short").ok());
  EXPECT_NE(PatientId::Random(), patient);
}

TEST(Ids, HexIsReadAsWritten) {
  const std::string bytes("\x00\xff\x10", 3);
  EXPECT_EQ(HexEncode(bytes), "00ff10");
  EXPECT_EQ(*HexDecode("00ff10"), bytes);
  EXPECT_FALSE(HexDecode("0").ok());
  EXPECT_FALSE(HexDecode("0G").ok());
  EXPECT_FALSE(HexDecode("FF").ok());
}

}  // namespace
}  // namespace custodian

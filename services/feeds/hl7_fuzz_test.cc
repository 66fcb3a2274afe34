#include "services/feeds/hl7_fuzz.h"

#include "gtest/gtest.h"
#include "tests/support/mutations.h"

namespace custodian::feeds {
namespace {

TEST(Hl7Fuzz, CorpusAndMutationsHold) {
  EXPECT_GE(custodian::testing::FuzzCorpus("hl7", "M|^~\\&\r\n\"\"ABXZ09.+-\x1c\x0b\xc3\xa9\xff", 400, FuzzMessage), 11u);
}

}  // namespace
}  // namespace custodian::feeds

#include "services/feeds/hl7_fuzz.h"

#include "gtest/gtest.h"
#include "tests/support/mutations.h"

namespace custodian::feeds {
namespace {

constexpr int kMutationsPerSeed = 400;

TEST(Hl7Fuzz, CorpusAndMutationsHold) {
  custodian::testing::Mutations mutations(custodian::testing::ReadCorpus("tests/fuzz/corpus/hl7"), "M|^~\\&\r\n\"\"ABXZ09.+-\x1c\x0b\xc3\xa9\xff", 20'260'115);
  ASSERT_GE(mutations.corpus().size(), 8u) << "run from the top of the checkout";
  for (const std::string& seed : mutations.corpus()) {
    FuzzMessage(seed);
    for (int i = 0; i < kMutationsPerSeed; ++i) {
      SCOPED_TRACE(i);
      FuzzMessage(mutations.Of(seed));
    }
  }
}

}  // namespace
}  // namespace custodian::feeds

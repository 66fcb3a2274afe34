#include "services/node/node_fuzz.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/support/mutations.h"

namespace custodian::node {
namespace {

using custodian::testing::KnownLog;

TEST(NodeFuzz, AddCheckpointsHold) {
  EXPECT_GE(custodian::testing::FuzzCorpus("add-checkpoint", "\n old0123456789+/=AZaz\xe2\x80\x94\xff", 1000, FuzzAddCheckpoint), 5u);
}

// What is signed in the corpus is what the code signs today; CUSTODIAN_WRITE_SEEDS=1 writes it anew.
TEST(NodeFuzz, SeedsAreTheKnownLogs) {
  const KnownLog& log = KnownLog::Get();
  const std::vector<std::string> corpus = custodian::testing::ReadCorpus("tests/fuzz/corpus/add-checkpoint");
  for (std::uint64_t old_size = 0; old_size <= KnownLog::kSize; ++old_size) {
    const std::string bytes = AddCheckpoint{old_size, log.ConsistencyFrom(old_size), log.checkpoint}.Serialize();
    if (std::getenv("CUSTODIAN_WRITE_SEEDS") != nullptr) {  // NOLINT(concurrency-mt-unsafe): one thread
      std::filesystem::create_directories("tests/fuzz/corpus/add-checkpoint");
      std::ofstream("tests/fuzz/corpus/add-checkpoint/known-" + std::to_string(old_size), std::ios::binary) << bytes;
      continue;
    }
    EXPECT_NE(std::find(corpus.begin(), corpus.end(), bytes), corpus.end()) << old_size;
  }
}

}  // namespace
}  // namespace custodian::node

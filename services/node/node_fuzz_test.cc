#include "services/node/node_fuzz.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <tuple>

#include "tests/support/mutations.h"

namespace custodian::node {
namespace {

using custodian::testing::KnownLog;

TEST(NodeFuzz, AddCheckpointsHold) {
  EXPECT_GE(custodian::testing::FuzzCorpus("add-checkpoint", "\n old0123456789+/=AZaz\xe2\x80\x94\xff", 1000, FuzzAddCheckpoint), 5u);
}

TEST(NodeFuzz, AddEntriesHold) {
  EXPECT_GE(custodian::testing::FuzzCorpus("add-entries", std::string_view("\0\1\2\6\x20\xff" "entry 0123456789", 21), 300, FuzzAddEntries), 7u);
}

TEST(NodeFuzz, MirrorInfosHold) {
  EXPECT_GE(custodian::testing::FuzzCorpus("mirror-info", "\n 0123456789+/=AZaz-", 1000, FuzzMirrorInfo), 3u);
}

void ExpectSeed(const std::string& target, const std::string& name, const std::string& bytes) {
  const std::string folder = "tests/fuzz/corpus/" + target;
  if (std::getenv("CUSTODIAN_WRITE_SEEDS") != nullptr) {  // NOLINT(concurrency-mt-unsafe): one thread
    std::filesystem::create_directories(folder);
    std::ofstream(folder + "/" + name, std::ios::binary) << bytes;
    return;
  }
  const std::vector<std::string> corpus = custodian::testing::ReadCorpus(folder);
  EXPECT_NE(std::find(corpus.begin(), corpus.end(), bytes), corpus.end()) << target << "/" << name;
}

TEST(NodeFuzz, SeedsOfUploadsAreTheKnownEntries) {
  const KnownEntries& log = KnownEntries::Get();
  // From, to, packages: the first bundle's, all, from within a bundle, a single entry, the last of a prefix, nothing.
  for (const auto& [start, end, packages_max] : std::vector<std::tuple<std::uint64_t, std::uint64_t, std::size_t>>{
           {0, 1, 1}, {0, 256, 1}, {0, 600, 3}, {250, 600, 1}, {590, 600, 1}, {512, 600, 1}, {600, 600, 0}}) {
    std::vector<EntryPackage> packages;
    for (std::uint64_t next = start; next < end && packages.size() < packages_max; next = packages.back().range.end)
      packages.push_back(log.PackageOf(next, end));
    ExpectSeed("add-entries", std::to_string(start) + "-" + std::to_string(end), SerializeAddEntries({"known.example/log", start, end, "ticket"}, packages).value());
  }
  ExpectSeed("mirror-info", "empty", MirrorInfo{0, 0, ""}.Serialize());
  ExpectSeed("mirror-info", "upload", MirrorInfo{700, 256, ""}.Serialize());
  ExpectSeed("mirror-info", "ticket", MirrorInfo{UINT64_MAX, UINT64_MAX, "ticket"}.Serialize());
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

#include "services/sample/journal.h"

#include <sys/resource.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "gtest/gtest.h"

namespace custodian::sample {
namespace {

class ReplayJournal : public testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/journal.XXXXXX";
    folder_ = mkdtemp(pattern);
    path_ = folder_ + "/replay.journal";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::unique_ptr<Journal> Open(const std::string& events = "aa") {
    auto journal = Journal::Open(path_, events);
    EXPECT_TRUE(journal.ok()) << journal.status();
    return journal.ok() ? *std::move(journal) : nullptr;
  }
  std::string Bytes() {
    std::ifstream in(path_, std::ios::binary);
    std::ostringstream bytes;
    bytes << in.rdbuf();
    return bytes.str();
  }
  void Overwrite(const std::string& bytes) { std::ofstream(path_, std::ios::binary | std::ios::trunc) << bytes; }

  std::string folder_, path_;
};

TEST_F(ReplayJournal, KeepsWhatWasAppended) {
  ASSERT_TRUE(Open()->Append({1, 201, {}}).ok());
  ASSERT_TRUE(Open()->Append({2, 200, {{"card-1", "delete-1", {"{\"code\":\"a\\\"b\"}"}}, {"card-2", "", {}}}}).ok());
  const auto journal = Open();
  ASSERT_EQ(journal->lines().size(), 2u);
  EXPECT_EQ(journal->lines()[0].status, 201);
  const JournalLine& line = journal->lines()[1];
  ASSERT_EQ(line.cards.size(), 2u);
  EXPECT_EQ(line.cards[0].id, "card-1");
  EXPECT_EQ(line.cards[0].delete_suggestion, "delete-1");
  ASSERT_EQ(line.cards[0].override_reasons.size(), 1u);
  EXPECT_EQ(line.cards[0].override_reasons[0], "{\"code\":\"a\\\"b\"}");
  EXPECT_EQ(line.cards[1].delete_suggestion, "");
}

TEST_F(ReplayJournal, DropsALineThatACrashToreAtAnyByte) {
  std::size_t complete = 0;
  {
    const auto journal = Open();
    ASSERT_TRUE(journal->Append({1, 200, {}}).ok());
    complete = Bytes().size();
    ASSERT_TRUE(journal->Append({2, 200, {{"card", "delete", {}}}}).ok());
  }
  const std::string whole = Bytes();
  for (std::size_t size = complete; size < whole.size(); ++size) {
    Overwrite(whole.substr(0, size));
    const auto journal = Open();
    ASSERT_EQ(journal->lines().size(), 1u) << size;
    ASSERT_TRUE(journal->Append({2, 200, {{"card", "delete", {}}}}).ok());
    EXPECT_EQ(Bytes(), whole) << size;
  }
}

TEST_F(ReplayJournal, BeginsAnewWhenItsFirstLineWasTorn) {
  Overwrite("{\"events\":\"a");
  EXPECT_TRUE(Open()->Append({1, 200, {}}).ok());
  EXPECT_EQ(Open()->lines().size(), 1u);
}

TEST_F(ReplayJournal, RefusesAHoleOrAnUnreadableLine) {
  EXPECT_FALSE(Open()->Append({2, 200, {}}).ok());
  Overwrite("{\"events\":\"aa\",\"format\":1}\nnonsense\n{\"seq\":2,\"status\":200,\"cards\":[]}\n");
  EXPECT_EQ(Journal::Open(path_, "aa").status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(ReplayJournal, BelongsToOnePopulationAndOneProcess) {
  const auto journal = Open();
  EXPECT_EQ(Journal::Open(path_, "aa").status().code(), absl::StatusCode::kFailedPrecondition);
  Overwrite("{\"events\":\"bb\",\"format\":1}\n");
  EXPECT_EQ(Journal::Open(folder_ + "/other", "aa").status().code(), absl::StatusCode::kOk);
  std::filesystem::copy_file(path_, folder_ + "/copied");
  EXPECT_EQ(Journal::Open(folder_ + "/copied", "aa").status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(ReplayJournal, SaysSoWhenTheDiskIsFull) {
  const auto journal = Open();
  ASSERT_TRUE(journal->Append({1, 200, {}}).ok());
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit full = before;
  full.rlim_cur = Bytes().size() + 10;
  auto* const handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &full), 0);
  const absl::Status status = journal->Append({2, 200, {}});
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(journal->lines().size(), 1u);
}

}  // namespace
}  // namespace custodian::sample

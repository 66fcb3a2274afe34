#include "services/node/sent_requests.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/support/temporary_directory.h"

namespace custodian::node {
namespace {

using ::testing::HasSubstr;
using ledger::AsBytes;
using ledger::Sha256;

class SentRequestsTest : public ::testing::Test {
 protected:
  SentRequestsTest() { std::filesystem::create_directory(folder_); }
  void Append(const std::string& name, const std::string& text) { std::ofstream(folder_ + "/" + name, std::ios::app) << text; }
  bool Has(const std::string& token, const std::string& body) const { return sent_.Find(AsBytes(Sha256(token)), AsBytes(Sha256(body))) != nullptr; }

  testing::TemporaryDirectory directory_;
  const std::string folder_ = directory_.Join("sent");
  SentRequests sent_{folder_};
};

TEST_F(SentRequestsTest, LinesAreReadAsTheyCome) {
  Append("a.jsonl", SentRequestLine(Sha256("t1"), Sha256("b1"), "2026-11-30T00:00:00Z"));
  Append("note.txt", "not one of them\n");
  const std::string second = SentRequestLine(Sha256("t2"), Sha256("b2"), "2026-11-30T00:00:01Z");
  Append("a.jsonl", second.substr(0, 20));
  ASSERT_TRUE(sent_.ReadMore().ok());
  EXPECT_TRUE(Has("t1", "b1"));
  EXPECT_FALSE(Has("t1", "b2"));
  EXPECT_FALSE(Has("t2", "b2"));
  Append("a.jsonl", second.substr(20));
  Append("b.jsonl", R"({"token_sha256":")" + std::string(64, '0') + R"(","body":"{\"hook\": 1}"})" + "\n");
  ASSERT_TRUE(sent_.ReadMore().ok()) << sent_.ReadMore();
  EXPECT_TRUE(Has("t2", "b2"));
  EXPECT_TRUE(sent_.HasToken(AsBytes(Sha256("t2"))));
  EXPECT_FALSE(sent_.HasToken(AsBytes(Sha256("t3"))));
  const SentRequests::Request* call = sent_.Find(std::string(32, '\0'), AsBytes(Sha256("{\"hook\": 1}")));
  ASSERT_NE(call, nullptr);
  EXPECT_FALSE(call->is_feedback);
}

TEST_F(SentRequestsTest, FeedbackIsKnownByItsOutcomes) {
  const std::string body = R"({"feedback":[{"card":"AB-1","outcome":"accepted"},{"card":"ab-2","outcome":"overridden"},7]})";
  Append("a.jsonl", R"({"token_sha256":")" + std::string(64, '0') + R"(","body":"{\"feedback\":[{\"card\":\"AB-1\",\"outcome\":\"accepted\"},)" +
                        R"({\"card\":\"ab-2\",\"outcome\":\"overridden\"},7]}"})" + "\n");
  ASSERT_TRUE(sent_.ReadMore().ok()) << sent_.ReadMore();
  const SentRequests::Request* feedback = sent_.Find(std::string(32, '\0'), AsBytes(Sha256(body)));
  ASSERT_NE(feedback, nullptr);
  EXPECT_TRUE(feedback->is_feedback);
  ASSERT_EQ(feedback->outcomes.size(), 2u);
  EXPECT_EQ(feedback->outcomes[0].card, "ab-1");
  EXPECT_TRUE(feedback->outcomes[0].accepted);
  EXPECT_FALSE(feedback->outcomes[1].accepted);
}

TEST_F(SentRequestsTest, LineThatCannotBeUnderstoodIsNamed) {
  for (const char* line : {"nonsense\n", "{}\n", "[1]\n", "{\"token_sha256\":\"00\",\"body\":\"x\"}\n"}) {
    std::filesystem::remove(folder_ + "/a.jsonl");
    Append("a.jsonl", SentRequestLine(Sha256("t"), Sha256("b"), "") + line);
    SentRequests sent(folder_);
    const absl::Status status = sent.ReadMore();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << line;
    EXPECT_THAT(std::string(status.message()), HasSubstr("a.jsonl at byte ")) << status;
  }
  EXPECT_TRUE(absl::IsUnavailable(SentRequests(folder_ + "/none").ReadMore()));
}

}  // namespace
}  // namespace custodian::node

#include "services/node/state_file.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/support/temporary_directory.h"

namespace custodian::node {
namespace {

TEST(StateDirectory, HoldsWhatWasWrittenLast) {
  const testing::TemporaryDirectory directory;
  {
    const auto state = StateDirectory::Open(directory.Join("state")).value();
    EXPECT_TRUE(state->ReadAll()->empty());
    ASSERT_TRUE(state->Write("0a", "first").ok());
    ASSERT_TRUE(state->Write("0a", "second").ok());
    ASSERT_TRUE(state->Write("0b", "").ok());
  }
  // What a crash before the rename leaves.
  std::ofstream(directory.Join("state/0a.new")) << "half";
  const auto again = StateDirectory::Open(directory.Join("state")).value();
  EXPECT_EQ(again->ReadAll().value(), (std::map<std::string, std::string>{{"0a", "second"}, {"0b", ""}}));
}

TEST(StateDirectory, SecondProcessIsRefused) {
  const testing::TemporaryDirectory directory;
  const auto state = StateDirectory::Open(directory.path()).value();
  EXPECT_EQ(StateDirectory::Open(directory.path()).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(StateDirectory, NameOutsideTheFolderIsRefused) {
  const testing::TemporaryDirectory directory;
  const auto state = StateDirectory::Open(directory.path()).value();
  for (const char* name : {"", "../0a", "0A", "lock", "0a.new"})
    EXPECT_EQ(state->Write(name, "x").code(), absl::StatusCode::kInvalidArgument) << name;
}

TEST(StateDirectory, FailedWriteKeepsTheOldBytes) {
  const testing::TemporaryDirectory directory;
  const auto state = StateDirectory::Open(directory.path()).value();
  ASSERT_TRUE(state->Write("0a", "old").ok());
  // A folder where the new file should go: opening it for writing fails.
  std::filesystem::create_directory(directory.Join("0a.new"));
  EXPECT_EQ(state->Write("0a", "new").code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(state->ReadAll()->at("0a"), "old");
}

}  // namespace
}  // namespace custodian::node

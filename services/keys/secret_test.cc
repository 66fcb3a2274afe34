#include "services/keys/secret.h"

#include <fstream>
#include <string>

#include "gtest/gtest.h"

namespace custodian::keys {
namespace {

constexpr SecretAccess kTest("test");

TEST(Secret, HoldsWhatItWasGiven) {
  const Secret secret("0123456789abcdef0123456789abcdef");
  EXPECT_EQ(secret.Read(kTest), "0123456789abcdef0123456789abcdef");
  EXPECT_EQ(secret.Clone().Read(kTest), secret.Read(kTest));
  EXPECT_EQ(Secret().size(), 0u);
}

TEST(Secret, IsWipedWhenItEnds) {
  const char* where = nullptr;
  {
    const Secret secret("0123456789abcdef");
    where = secret.Read(kTest).data();
  }
  // The page stays with the arena, which hands it to the next secret.
  EXPECT_EQ(std::string(where, 16), std::string(16, '\0'));
}

TEST(Secret, IsWipedWhenAnotherIsMovedOntoIt) {
  Secret first("first secret");
  const char* where = first.Read(kTest).data();
  Secret second("second");
  first = std::move(second);
  EXPECT_EQ(std::string(where, 12), std::string(12, '\0'));
  EXPECT_EQ(first.Read(kTest), "second");
  EXPECT_EQ(second.size(), 0u);  // NOLINT: a moved-from secret is empty
}

TEST(Secret, LongOnesHavePagesOfTheirOwn) {
  const std::string bytes(10'000, 'x');
  EXPECT_EQ(Secret(bytes).Clone().Read(kTest), bytes);
}

TEST(Secret, LiesInLockedMemory) {
  const Secret secret("locked");
  std::ifstream status("/proc/self/status");
  std::string line;
  long locked_kb = 0;
  while (std::getline(status, line)) {
    if (line.starts_with("VmLck:")) locked_kb = std::stol(line.substr(6));
  }
  EXPECT_GE(locked_kb, 16);
}

TEST(Secret, WipeClearsTheWholeBuffer) {
  std::string bytes = "a key that is long enough to be on the heap";
  const char* where = bytes.data();
  const std::size_t size = bytes.size();
  Wipe(bytes);
  EXPECT_TRUE(bytes.empty());
  EXPECT_EQ(std::string(where + 1, size - 1), std::string(size - 1, '\0'));
}

}  // namespace
}  // namespace custodian::keys

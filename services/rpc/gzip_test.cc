#include "services/rpc/gzip.h"

#include <gtest/gtest.h>


namespace custodian::rpc {
namespace {

constexpr std::size_t kMax = 1u << 20;

TEST(Gzip, ComesBackAsItWas) {
  std::string noise(300'000, '\0');
  std::uint32_t state = 1;
  for (char& byte : noise) byte = static_cast<char>((state = state * 1'664'525 + 1'013'904'223) >> 24);
  for (const std::string& bytes : {std::string(), std::string("entries"), std::string(500'000, 'a'), noise}) {
    EXPECT_EQ(GunzipPrefix(Gzip(bytes), kMax), bytes);
    // Members one after the other are one body.
    EXPECT_EQ(GunzipPrefix(Gzip(bytes) + Gzip("end"), kMax), bytes + "end");
  }
}

TEST(Gzip, WhatIsCutOffGivesItsBeginning) {
  std::string text;
  for (int i = 0; text.size() < 200'000; ++i) text += std::to_string(i * 7919) + " ";
  const std::string packed = Gzip(text);
  for (std::size_t size = 0; size < packed.size(); size += 997) {
    const std::string begin = GunzipPrefix(packed.substr(0, size), kMax);
    EXPECT_EQ(text.compare(0, begin.size(), begin), 0) << size;
  }
}

TEST(Gzip, NeverGivesMoreThanIsWanted) {
  const std::string bomb = Gzip(std::string(50u << 20, '\0'));
  EXPECT_LT(bomb.size(), 300'000u);
  EXPECT_EQ(GunzipPrefix(bomb, 1'000).size(), 1'000u);
  EXPECT_EQ(GunzipPrefix(bomb, 0), "");
}

TEST(Gzip, WhatIsNoGzipGivesNothing) {
  for (const char* bytes : {"", "x", "\x1f\x8b", "not compressed at all"}) EXPECT_EQ(GunzipPrefix(bytes, kMax), "") << bytes;
}

}  // namespace
}  // namespace custodian::rpc

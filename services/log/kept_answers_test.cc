#include "services/log/kept_answers.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"

namespace custodian::log {
namespace {

TEST(KeptAnswers, WhatWasNotAskedForTheLongestGoesFirst) {
  // Room for 16 of 64 bytes, names and all.
  KeptAnswers kept(16 * 64);
  const auto name = [](int i) { return absl::StrCat("tile ", i); };
  for (int i = 0; i < 16; ++i) kept.Keep(name(i), std::string(64 - name(i).size(), static_cast<char>('a' + i)));
  ASSERT_NE(kept.Find(name(0)), nullptr);
  kept.Keep(name(16), std::string(64 - name(16).size(), 'q'));
  EXPECT_EQ(kept.Find(name(1)), nullptr);
  for (int i = 0; i <= 16; ++i)
    if (i != 1) {
      const auto found = kept.Find(name(i));
      ASSERT_NE(found, nullptr) << i;
      EXPECT_EQ(found->front(), 'a' + i);
    }
}

TEST(KeptAnswers, OneThatWouldPushOutTooMuchIsNotKept) {
  KeptAnswers kept(800);
  kept.Keep("small", std::string(95, 's'));
  kept.Keep("large", std::string(96, 'l'));
  EXPECT_NE(kept.Find("small"), nullptr);
  EXPECT_EQ(kept.Find("large"), nullptr);
}

TEST(KeptAnswers, TheFirstOfANameStays) {
  KeptAnswers kept(800);
  kept.Keep("a", "1");
  kept.Keep("a", "2");
  EXPECT_EQ(*kept.Find("a"), "1");
}

TEST(KeptAnswers, ManyThreadsFindWhatTheyKept) {
  KeptAnswers kept(1'000);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&kept] {
      for (int i = 0; i < 2'000; ++i) {
        const std::string name = absl::StrCat(i % 300);
        kept.Keep(name, name);
        const auto found = kept.Find(name);
        EXPECT_TRUE(found == nullptr || *found == name);
      }
    });
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace custodian::log

#include "services/exchange/joined_lookup.h"

#include <atomic>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"

namespace custodian::exchange {
namespace {

using Lookup = JoinedLookup<int, std::string>;

TEST(JoinedLookup, WhatIsFoundAndWhatIsNot) {
  Lookup lookup([](const std::vector<int>& keys) -> absl::StatusOr<std::map<int, std::string>> {
    EXPECT_EQ(keys.size(), 1u);
    return std::map<int, std::string>{{1, "one"}};
  });
  EXPECT_EQ(lookup.Find(1).value(), "one");
  EXPECT_EQ(lookup.Find(2).value(), std::nullopt);
}

TEST(JoinedLookup, ThoseWhoComeMeanwhileAreAskedForTogether) {
  absl::Notification first_asked, let_go;
  std::vector<std::vector<int>> questions;
  Lookup lookup([&](const std::vector<int>& keys) -> absl::StatusOr<std::map<int, std::string>> {
    questions.push_back(keys);
    if (questions.size() == 1) {
      first_asked.Notify();
      let_go.WaitForNotification();
    }
    std::map<int, std::string> found;
    for (const int key : keys) found[key] = std::to_string(key);
    return found;
  });
  std::vector<std::thread> threads;
  threads.emplace_back([&] { EXPECT_EQ(lookup.Find(0).value(), "0"); });
  first_asked.WaitForNotification();
  std::atomic<int> coming = 0;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      ++coming;
      // Two of each.
      EXPECT_EQ(lookup.Find(1 + i / 2).value(), std::to_string(1 + i / 2));
    });
  }
  while (coming < 8) std::this_thread::yield();
  let_go.Notify();
  for (std::thread& thread : threads) thread.join();
  std::size_t asked = 0;
  for (const std::vector<int>& question : questions) asked += question.size();
  EXPECT_EQ(questions.front(), std::vector<int>{0});
  EXPECT_LE(asked, 9u);
}

TEST(JoinedLookup, AnAnswerIsNeverOlderThanItsQuestion) {
  std::atomic<int> present = 0;
  JoinedLookup<int, int> lookup([&](const std::vector<int>& keys) -> absl::StatusOr<std::map<int, int>> {
    const int value = present;
    std::this_thread::yield();
    std::map<int, int> found;
    for (const int key : keys) found[key] = value;
    return found;
  });
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < 500; ++round) {
        const int before = ++present;
        EXPECT_GE(lookup.Find(i).value().value(), before);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(JoinedLookup, AFailureIsToldAndTheNextQuestionIsAskedAnew) {
  bool fails = true;
  Lookup lookup([&](const std::vector<int>&) -> absl::StatusOr<std::map<int, std::string>> {
    if (fails) return absl::UnavailableError("away");
    return std::map<int, std::string>{{1, "one"}};
  });
  EXPECT_EQ(lookup.Find(1).status().code(), absl::StatusCode::kUnavailable);
  fails = false;
  EXPECT_EQ(lookup.Find(1).value(), "one");
}

TEST(JoinedLookup, AQuestionThatThrowsHoldsUpNobody) {
  bool throws = true;
  Lookup lookup([&](const std::vector<int>&) -> absl::StatusOr<std::map<int, std::string>> {
    if (throws) throw std::runtime_error("broken");
    return std::map<int, std::string>{{1, "one"}};
  });
  EXPECT_THROW((void)lookup.Find(1).ok(), std::runtime_error);
  throws = false;
  EXPECT_EQ(lookup.Find(1).value(), "one");
}

}  // namespace
}  // namespace custodian::exchange

#include "services/rpc/errands.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace custodian::rpc {
namespace {

TEST(Errands, AreDoneInOrderAndThoseBeforeTheStopToo) {
  Errands errands(3);
  std::vector<int> done;
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(errands.Add([&done, i] { done.push_back(i); }));
  EXPECT_FALSE(errands.Add([&done] { done.push_back(3); }));
  errands.Stop();
  EXPECT_FALSE(errands.Add([&done] { done.push_back(4); }));
  errands.Work();
  EXPECT_EQ(done, (std::vector{0, 1, 2}));
}

TEST(Errands, OneThatTakesItsTimeHoldsUpOneThread) {
  Errands errands(10);
  std::atomic<bool> second = false;
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) threads.emplace_back([&errands] { errands.Work(); });
  ASSERT_TRUE(errands.Add([&second] {
    while (!second) std::this_thread::yield();
  }));
  ASSERT_TRUE(errands.Add([&second] { second = true; }));
  errands.Stop();
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(second);
}

}  // namespace
}  // namespace custodian::rpc

#include "services/rpc/errands.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <utility>
#include <vector>

namespace custodian::rpc {
namespace {

const TenantId kAlpha = TenantId::Parse("00000000000000aa").value();
const TenantId kBeta = TenantId::Parse("00000000000000bb").value();

TEST(Errands, AreDoneInOrderAndThoseBeforeTheStopToo) {
  Errands errands(3);
  std::vector<int> done;
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(errands.Add(kAlpha, [&done, i] { done.push_back(i); }));
  EXPECT_FALSE(errands.Add(kAlpha, [&done] { done.push_back(3); }));
  errands.Stop();
  EXPECT_FALSE(errands.Add(kAlpha, [&done] { done.push_back(4); }));
  errands.Work();
  EXPECT_EQ(done, (std::vector{0, 1, 2}));
}

TEST(Errands, OneThatTakesItsTimeHoldsUpOneThread) {
  Errands errands(10);
  std::atomic<bool> second = false;
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) threads.emplace_back([&errands] { errands.Work(); });
  ASSERT_TRUE(errands.Add(kAlpha, [&second] {
    while (!second) std::this_thread::yield();
  }));
  ASSERT_TRUE(errands.Add(kAlpha, [&second] { second = true; }));
  errands.Stop();
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(second);
}

TEST(Errands, WhatHangsForATenantLeavesOthersTheirThreads) {
  Errands errands(10, /*tenant_at_once_max=*/1);
  std::atomic<bool> other = false;
  std::atomic<int> hanging = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) threads.emplace_back([&errands] { errands.Work(); });
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(errands.Add(kAlpha, [&other, &hanging] {
      EXPECT_EQ(++hanging, 1);
      while (!other) std::this_thread::yield();
      --hanging;
    }));
  }
  ASSERT_TRUE(errands.Add(kBeta, [&other] { other = true; }));
  errands.Stop();
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(other);
}

TEST(Errands, TheTenantWithTheFewestGoesFirst) {
  Errands errands(10);
  std::atomic<int> done = 0;
  std::vector<int> order;
  ASSERT_TRUE(errands.Add(kAlpha, [&] {
    // While this one of alpha's is done, the only other thread takes what is left.
    while (done < 3) std::this_thread::yield();
  }));
  std::vector<std::thread> threads;
  threads.emplace_back([&errands] { errands.Work(); });
  while (!errands.has_workers()) std::this_thread::yield();
  for (const auto& [tenant, number] : {std::pair(kAlpha, 1), std::pair(kAlpha, 2), std::pair(kBeta, 3)})
    ASSERT_TRUE(errands.Add(tenant, [&order, &done, number = number] {
      order.push_back(number);
      ++done;
    }));
  errands.Stop();
  threads.emplace_back([&errands] { errands.Work(); });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(order, (std::vector{3, 1, 2}));
}

}  // namespace
}  // namespace custodian::rpc

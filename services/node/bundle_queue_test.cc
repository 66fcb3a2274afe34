#include "services/node/bundle_queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "absl/time/clock.h"

namespace custodian::node {
namespace {

TEST(BundleQueue, HandsOutInOrderAndNeverTooFarAhead) {
  for (const int threads : {0, 1, 5}) {
    std::atomic<std::uint64_t> taken = 3;
    std::atomic<std::uint64_t> furthest = 0;
    const auto prepare = [&](std::uint64_t index) {
      std::uint64_t before = furthest;
      while (before < index - taken && !furthest.compare_exchange_weak(before, index - taken)) {
      }
      if (index % 7 == 0) absl::SleepFor(absl::Microseconds(200));
      ledger::PreparedBundle bundle;
      bundle.path.index = index;
      return bundle;
    };
    BundleQueue queue(prepare, 3, 500, 4);
    std::vector<std::thread> workers;
    for (int i = 0; i < threads; ++i) workers.emplace_back([&queue] { queue.Work(); });
    for (std::uint64_t index = 3; index < 500; ++index) {
      EXPECT_EQ(queue.Next().path.index, index);
      ++taken;
    }
    for (std::thread& worker : workers) worker.join();
    // The queue counts a bundle as taken a moment before this test does.
    EXPECT_LE(furthest, 5u);
  }
}

TEST(BundleQueue, StopsInTheMiddle) {
  const auto prepare = [](std::uint64_t) { return ledger::PreparedBundle(); };
  BundleQueue queue(prepare, 0, 1'000'000, 4);
  std::thread worker([&queue] { queue.Work(); });
  static_cast<void>(queue.Next());
  queue.Stop();
  worker.join();
}

}  // namespace
}  // namespace custodian::node

// How soon an admitted entry is witnessed in one busy log: 4 witnesses, 3 needed, one dead.
#include <deque>
#include <string>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "tests/benchmark/ledger/measures.h"
#include "tests/benchmark/ledger/published_logs.h"

namespace custodian::benchmark {
namespace {

constexpr char kPeer[] = "the same writes from when they were due until they were admitted";

// Takes the time of each entry from its admission to the first published checkpoint that covers it.
class Watch {
 public:
  explicit Watch(PublishedLogs& published) : published_(published), thread_([this] { Loop(); }) {}
  ~Watch() { Stop(); }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  void Admitted(std::uint64_t index) {
    const absl::MutexLock lock(&mutex_);
    waiting_.emplace_back(index, absl::Now());
  }
  // Once all that were admitted are witnessed.
  absl::StatusOr<Figures> Take() {
    Stop();
    if (!status_.ok()) return status_;
    return figures_;
  }

 private:
  bool Ready() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stopping_ || !waiting_.empty(); }
  void Stop() {
    {
      const absl::MutexLock lock(&mutex_);
      stopping_ = true;
    }
    if (thread_.joinable()) thread_.join();
  }
  // One thread is enough: entries are admitted in order, but for neighbours in a commit, and those that a checkpoint covers already do not wait.
  void Loop() {
    while (status_.ok()) {
      std::pair<std::uint64_t, absl::Time> next;
      {
        const absl::MutexLock lock(&mutex_);
        mutex_.Await(absl::Condition(this, &Watch::Ready));
        if (waiting_.empty()) return;
        next = waiting_.front();
        waiting_.pop_front();
      }
      status_ = published_.WaitWitnessed(0, next.first + 1);
      figures_.latencies.push_back(absl::Now() - next.second);
    }
  }

  PublishedLogs& published_;
  absl::Mutex mutex_;
  std::deque<std::pair<std::uint64_t, absl::Time>> waiting_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  // The thread's own until it has ended.
  absl::Status status_;
  Figures figures_;
  std::thread thread_;
};

class Writes final : public Side {
 public:
  explicit Writes(PublishedLogs& published) : published_(published) {}
  Watch* watch = nullptr;
  absl::StatusOr<Outcome> Call(int /*client*/) override {
    const auto index = published_.Write(0);
    if (!index.ok()) return index.status();
    if (watch != nullptr) watch->Admitted(*index);
    return Outcome::kAnswered;
  }

 private:
  PublishedLogs& published_;
};

}  // namespace

absl::StatusOr<Report> MeasureWitnessed(const Settings& settings) {
  PublishedLogs published;
  if (absl::Status status = published.Start({.logs = 1, .witnesses = 4, .needed = 3, .dead = 1}); !status.ok()) return status;
  Writes writes(published);
  // The peak, with publishing going on beside it; after one that does not count.
  if (const auto warm = RunSlice(writes, settings.clients, absl::Seconds(2)); !warm.ok()) return warm.status();
  const auto peak = RunSlice(writes, settings.clients, settings.slice);
  if (!peak.ok()) return peak.status();
  const double half = peak->PerSecond() / 2;
  Figures admitted, witnessed;
  for (int round = 0; round < settings.rounds; ++round) {
    Watch watch(published);
    writes.watch = &watch;
    const auto written = RunOpenLoop(writes, settings.clients, settings.slice, half);
    writes.watch = nullptr;
    if (!written.ok()) return written.status();
    const auto watched = watch.Take();
    if (!watched.ok()) return watched.status();
    admitted.Add(*written);
    witnessed.Add(*watched);
  }
  return Report{{{"witnessed_p99", witnessed.PercentileMs(99), "ms", kPeer, admitted.PercentileMs(99)}},
                {{"witnessed_p50_ms", witnessed.PercentileMs(50)}, {"witnessed_per_second", half}, {"witnessed_entries", static_cast<double>(witnessed.latencies.size())}}};
}

}  // namespace custodian::benchmark

#include "tests/benchmark/load.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <functional>
#include <latch>
#include <optional>
#include <thread>

#include "absl/time/clock.h"

namespace custodian::benchmark {
namespace {

using Steady = std::chrono::steady_clock;

// What one client did.
struct Client {
  Figures figures;
  Steady::time_point last;
  absl::Status status;
};

// When a client's next call begins to count; nothing when the slice is over.
using Due = std::function<std::optional<Steady::time_point>()>;

void Drive(Side& side, int number, const Due& due, std::atomic<bool>& stop, Client& client) {
  while (!stop) {
    const auto begun = due();
    if (!begun) return;
    const auto outcome = side.Call(number);
    const Steady::time_point ended = Steady::now();
    if (!outcome.ok()) {
      client.status = outcome.status();
      stop = true;
      return;
    }
    if (*outcome == Outcome::kNothingLeft) return;
    client.last = ended;
    client.figures.latencies.push_back(absl::FromChrono(ended - *begun));
    ++(*outcome == Outcome::kAnswered ? client.figures.answered : client.figures.failed);
  }
}

// `due` is made once the slice has begun.
absl::StatusOr<Figures> Run(Side& side, int clients, const std::function<Due(Steady::time_point begun)>& make_due) {
  if (absl::Status status = side.Prepare(); !status.ok()) return status;
  std::vector<Client> each(static_cast<std::size_t>(clients));
  std::atomic<bool> stop = false;
  std::latch ready(clients + 1);
  // Written before the latch opens, read after.
  Steady::time_point begun;
  Due due;
  std::vector<std::thread> threads;
  for (int i = 0; i < clients; ++i) {
    threads.emplace_back([&, i] {
      ready.arrive_and_wait();
      Drive(side, i, due, stop, each[static_cast<std::size_t>(i)]);
    });
  }
  begun = Steady::now();
  due = make_due(begun);
  ready.arrive_and_wait();
  for (std::thread& thread : threads) thread.join();

  Figures figures;
  Steady::time_point last = begun;
  for (const Client& client : each) {
    if (!client.status.ok()) return client.status;
    figures.Add(client.figures);
    last = std::max(last, client.last);
  }
  if (figures.latencies.empty()) return absl::FailedPreconditionError("no call was answered within a slice");
  figures.elapsed = absl::FromChrono(last - begun);
  return figures;
}

}  // namespace

void Figures::Add(const Figures& other) {
  answered += other.answered;
  failed += other.failed;
  elapsed += other.elapsed;
  latencies.insert(latencies.end(), other.latencies.begin(), other.latencies.end());
}

double Figures::PerSecond() const {
  return elapsed <= absl::ZeroDuration() ? 0 : static_cast<double>(answered) / absl::ToDoubleSeconds(elapsed);
}

double Figures::PercentileMs(double percent) const {
  if (latencies.empty()) return 0;
  std::vector<absl::Duration> sorted = latencies;
  const double rank = std::ceil(percent / 100 * static_cast<double>(sorted.size()));
  const auto at = sorted.begin() + std::max<std::ptrdiff_t>(static_cast<std::ptrdiff_t>(rank) - 1, 0);
  std::nth_element(sorted.begin(), at, sorted.end());
  return absl::ToDoubleMilliseconds(*at);
}

absl::StatusOr<Figures> RunSlice(Side& side, int clients, absl::Duration slice) {
  return Run(side, clients, [slice](Steady::time_point begun) -> Due {
    return [until = begun + absl::ToChronoNanoseconds(slice)]() -> std::optional<Steady::time_point> {
      const Steady::time_point now = Steady::now();
      return now < until ? std::optional(now) : std::nullopt;
    };
  });
}

absl::StatusOr<Figures> RunOpenLoop(Side& side, int clients, absl::Duration slice, double per_second) {
  std::atomic<std::int64_t> next = 0;
  const auto calls = static_cast<std::int64_t>(per_second * absl::ToDoubleSeconds(slice));
  return Run(side, clients, [&next, calls, per_second](Steady::time_point begun) -> Due {
    return [&next, calls, per_second, begun]() -> std::optional<Steady::time_point> {
      const std::int64_t number = next++;
      if (number >= calls) return std::nullopt;
      const Steady::time_point due = begun + absl::ToChronoNanoseconds(absl::Seconds(static_cast<double>(number) / per_second));
      std::this_thread::sleep_until(due);
      return due;
    };
  });
}

absl::StatusOr<Comparison> Compare(Side& ours, Side& peer, int clients, int rounds, absl::Duration slice,
                                   const std::function<absl::Status()>& before_slice) {
  Comparison comparison;
  for (int round = 0; round < rounds; ++round) {
    for (const auto& [side, figures] : {std::pair(&ours, &comparison.ours), std::pair(&peer, &comparison.peer)}) {
      if (absl::Status status = before_slice(); !status.ok()) return status;
      const auto measured = RunSlice(*side, clients, slice);
      if (!measured.ok()) return measured.status();
      figures->Add(*measured);
    }
  }
  return comparison;
}

}  // namespace custodian::benchmark

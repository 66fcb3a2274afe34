// Closed-loop load: clients that send, wait for the answer, and send again; and open-loop load, whose calls come at their times whether or not
// earlier ones are answered. Two sides are measured in turns, a slice of time each, so
// that what the machine does besides weighs on both alike. Starts threads of its own for each slice and joins them.
#ifndef CUSTODIAN_TESTS_BENCHMARK_LOAD_H_
#define CUSTODIAN_TESTS_BENCHMARK_LOAD_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace custodian::benchmark {

enum class Outcome {
  kAnswered,
  // Answered, but not with what was asked for: its time counts, its answer does not.
  kFailed,
  // Nothing is prepared any more: this client is done with the slice.
  kNothingLeft,
};

class Side {
 public:
  virtual ~Side() = default;
  // Before each slice, outside of the time that is measured.
  [[nodiscard]] virtual absl::Status Prepare() { return absl::OkStatus(); }
  // One call from `client` (0, 1, ...), each of which is a thread. A status that is not OK ends the benchmark.
  [[nodiscard]] virtual absl::StatusOr<Outcome> Call(int client) = 0;
};

struct Figures {
  std::int64_t answered = 0;
  std::int64_t failed = 0;
  // From the start of a slice to its last answer, summed.
  absl::Duration elapsed;
  // Of every call, in no order.
  std::vector<absl::Duration> latencies;

  void Add(const Figures& other);
  [[nodiscard]] double PerSecond() const;
  // Nearest rank.
  [[nodiscard]] double PercentileMs(double percent) const;
};

[[nodiscard]] absl::StatusOr<Figures> RunSlice(Side& side, int clients, absl::Duration slice);
// Open loop: a call is due every 1 / `per_second` for the length of `slice`, and its time counts from when it was due, so that waiting for the
// ones before is part of it. `clients` bounds how many are on their way.
[[nodiscard]] absl::StatusOr<Figures> RunOpenLoop(Side& side, int clients, absl::Duration slice, double per_second);

struct Comparison {
  Figures ours;
  Figures peer;
};
// Ours, peer, ours, peer, ...: `rounds` slices each. `before_slice` puts both into the same state.
[[nodiscard]] absl::StatusOr<Comparison> Compare(Side& ours, Side& peer, int clients, int rounds, absl::Duration slice,
                                                 const std::function<absl::Status()>& before_slice);

}  // namespace custodian::benchmark

#endif  // CUSTODIAN_TESTS_BENCHMARK_LOAD_H_

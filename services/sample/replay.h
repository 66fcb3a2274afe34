// Plays a made population's events as the EHRs, the result feeds and an operator would: through the platform's public interfaces
// only, in order of time, each with its own idempotency key, from a journal of its own. Killed at any moment, or the platform
// with it, it goes on where it stopped. Blocking; one thread.
#ifndef CUSTODIAN_SERVICES_SAMPLE_REPLAY_H_
#define CUSTODIAN_SERVICES_SAMPLE_REPLAY_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/sample/replay_platform.h"

namespace custodian::sample {

struct ReplayOptions {
  // Of `custodian sample`.
  std::string folder;
  // The journal lies here.
  std::string home;
  // How long one event is sent again while the platform cannot answer.
  absl::Duration patience = absl::Seconds(120);
  // Sequence of the last event to play; 0: all.
  std::int64_t until = 0;
  // Between attempts; tests take none.
  std::function<void(absl::Duration)> sleep;
};

struct ReplayedOrder {
  std::string tenant;
  std::string order;
  std::string scenario;
  // "none", "info" or "suggest".
  std::string expected;
  std::string got;
};

struct ReplayReport {
  std::int64_t events = 0;
  std::int64_t played_before = 0;
  std::int64_t sent_again = 0;
  std::int64_t feedback_skipped = 0;
  // Every event was played.
  bool complete = false;
  std::vector<ReplayedOrder> orders;

  [[nodiscard]] std::int64_t Mismatches() const;
  // Keys sorted.
  [[nodiscard]] std::string Json() const;
};

// Non-OK names the event at which it stopped; run again, it goes on from there. `progress` is told events played and their
// number.
[[nodiscard]] absl::StatusOr<ReplayReport> Replay(const ReplayOptions& options, Platform& platform,
                                                  const std::function<void(std::int64_t, std::int64_t)>& progress = nullptr);

}  // namespace custodian::sample

#endif  // CUSTODIAN_SERVICES_SAMPLE_REPLAY_H_

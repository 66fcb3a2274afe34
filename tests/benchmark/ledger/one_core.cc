#include "tests/benchmark/ledger/one_core.h"

#include "tests/benchmark/processor_time.h"

namespace custodian::benchmark {
namespace {

struct Turns {
  double calls = 0;
  absl::Duration used;
};

absl::Status Turn(absl::Duration slice, const std::function<absl::Status()>& call, Turns& turns) {
  const absl::Duration begun = ProcessorTimeOfThisThread();
  absl::Duration used;
  while (used < slice) {
    if (absl::Status status = call(); !status.ok()) return status;
    ++turns.calls;
    used = ProcessorTimeOfThisThread() - begun;
  }
  turns.used += used;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<OneCore> CompareOnOneCore(const Settings& settings, const std::function<absl::Status()>& ours, const std::function<absl::Status()>& peer) {
  Turns of_ours, of_peer;
  for (const auto* call : {&ours, &peer})
    if (absl::Status status = (*call)(); !status.ok()) return status;
  for (int round = 0; round < settings.rounds; ++round) {
    if (absl::Status status = Turn(settings.slice, ours, of_ours); !status.ok()) return status;
    if (absl::Status status = Turn(settings.slice, peer, of_peer); !status.ok()) return status;
  }
  return OneCore{of_ours.calls / absl::ToDoubleSeconds(of_ours.used), of_peer.calls / absl::ToDoubleSeconds(of_peer.used)};
}

}  // namespace custodian::benchmark

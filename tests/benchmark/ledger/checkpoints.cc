// How soon an entry is witnessed, and how often a log gets a checkpoint, with many busy logs and five witnesses: the real publisher, key
// process and witnesses (HTTPS, state on disk), each log a database of its own with its writer.
#include <string>

#include "tests/benchmark/ledger/measures.h"
#include "tests/benchmark/ledger/published_logs.h"

namespace custodian::benchmark {
namespace {

constexpr int kWitnesses = 5;
constexpr char kPeer[] = "the same writes, admitted and not yet witnessed";

// A client a log.
class Writes final : public Side {
 public:
  Writes(PublishedLogs& published, bool witnessed) : published_(published), witnessed_(witnessed) {}
  absl::StatusOr<Outcome> Call(int client) override {
    const auto index = published_.Write(client);
    if (!index.ok()) return index.status();
    if (witnessed_)
      if (absl::Status status = published_.WaitWitnessed(client, *index + 1); !status.ok()) return status;
    return Outcome::kAnswered;
  }

 private:
  PublishedLogs& published_;
  const bool witnessed_;
};

}  // namespace

absl::StatusOr<Report> MeasureCheckpoints(const Settings& settings, int logs, int dead, int slow) {
  PublishedLogs published;
  if (absl::Status status = published.Start({.logs = logs, .witnesses = kWitnesses, .dead = dead, .slow = slow}); !status.ok()) return status;
  Writes ours(published, true);
  Writes peer(published, false);
  // The witnesses' sizes are learned, connections made.
  const auto warm = RunSlice(ours, logs, absl::Seconds(2));
  if (!warm.ok()) return warm.status();
  const auto compared = Compare(ours, peer, logs, settings.rounds, settings.slice, [] { return absl::OkStatus(); });
  if (!compared.ok()) return compared.status();
  Report report;
  report.measures.push_back({"checkpoint_p99", compared->ours.PercentileMs(99), "ms", kPeer, compared->peer.PercentileMs(99)});
  // Each call waits for a checkpoint of its log.
  report.circumstances = {{"checkpoint_logs", logs},
                          {"checkpoint_witnesses", kWitnesses},
                          {"checkpoint_witnesses_dead", dead},
                          {"checkpoint_witnesses_slow", slow},
                          {"checkpoint_p50_ms", compared->ours.PercentileMs(50)},
                          {"checkpoint_interval_ms", 1'000.0 * logs / compared->ours.PerSecond()}};
  return report;
}

}  // namespace custodian::benchmark

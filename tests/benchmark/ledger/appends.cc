// Entries a second of one log as its authors see it: signed, sent by gRPC, verified, durable, answered.
#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/benchmark/ledger/append_server.h"
#include "tests/benchmark/ledger/measures.h"
#include "tests/benchmark/ledger/meter.h"
#include "tests/benchmark/plain_postgres.h"

namespace custodian::benchmark {
namespace {

constexpr int kInsertClients = 32;
constexpr int kCopyRows = 1'000;
constexpr absl::Duration kWarm = absl::Seconds(2);
// Requests for a slice: as many as the rate before asks for, and half of that more.
constexpr double kSpare = 1.5;
constexpr char kInsertPeer[] = "plain single-row INSERT of 300 bytes, 32 clients";
constexpr char kCopyPeer[] = "binary COPY of 300-byte rows, 1,000 a transaction";

// A call, or a transaction, of several entries counts as so many.
struct Rate {
  Figures figures;
  int entries = 1;
  [[nodiscard]] double PerSecond() const { return figures.PerSecond() * entries; }
};

// One slice after a CHECKPOINT.
absl::StatusOr<Figures> Metered(Meter& meter, Spent& spent, const std::function<absl::StatusOr<Figures>()>& run) {
  if (absl::Status status = meter.Checkpoint(); !status.ok()) return status;
  absl::StatusOr<Figures> figures;
  const absl::Status metered = meter.Run(spent, [&] {
    figures = run();
    return figures.status();
  });
  if (!metered.ok()) return metered;
  return figures;
}

}  // namespace

absl::StatusOr<Report> MeasureAppends(const Settings& settings, const std::string& measure, int copy_clients) {
  const bool copies = measure == "append_batch100_vs_copy";
  const bool batches = copies || measure == "append_batch100";
  auto server = AppendServer::Create({.algorithm = measure == "append_p256" ? ledger::v1::SIGNATURE_ALGORITHM_ECDSA_P256_SHA256 : ledger::v1::SIGNATURE_ALGORITHM_ED25519,
                                      .batch = batches ? 100 : 1});
  if (!server.ok()) return server.status();
  const std::string superuser = (*server)->superuser();
  auto meter = Meter::Create(superuser);
  if (!meter.ok()) return meter.status();
  std::unique_ptr<Side> side;
  if (copies) {
    auto peer = PlainCopy::Create(superuser, kAppendedEntryBytes, kCopyRows, copy_clients);
    if (!peer.ok()) return peer.status();
    side = *std::move(peer);
  } else {
    auto peer = PlainPostgres::Create(superuser, {kAppendedEntryBytes}, kInsertClients);
    if (!peer.ok()) return peer.status();
    side = *std::move(peer);
  }
  const int peer_clients = copies ? copy_clients : kInsertClients;

  // Fills caches and pools, and says how fast it is, so that enough is signed before each slice.
  if (absl::Status status = (*server)->Prepare(batches ? 300 : 10'000); !status.ok()) return status;
  const auto warm = (*server)->RunAll();
  if (!warm.ok()) return warm.status();
  if (const auto warm_peer = RunSlice(*side, peer_clients, kWarm); !warm_peer.ok()) return warm_peer.status();

  Rate ours{{}, batches ? 100 : 1}, peer{{}, copies ? kCopyRows : 1};
  Spent ours_spent, peer_spent;
  const absl::Duration client_before = (*server)->client_time();
  double per_second = warm->PerSecond();
  for (int round = 0; round < settings.rounds; ++round) {
    if (absl::Status status = (*server)->Prepare(static_cast<std::int64_t>(per_second * absl::ToDoubleSeconds(settings.slice) * kSpare) + 100); !status.ok())
      return status;
    const auto own = Metered(*meter, ours_spent, [&] { return (*server)->Run(settings.slice); });
    if (!own.ok()) return own.status();
    per_second = std::max(per_second, own->PerSecond());
    ours.figures.Add(*own);
    const auto other = Metered(*meter, peer_spent, [&] { return RunSlice(*side, peer_clients, settings.slice); });
    if (!other.ok()) return other.status();
    peer.figures.Add(*other);
  }
  const double entries = static_cast<double>(ours.figures.answered) * ours.entries;
  const double peer_entries = static_cast<double>(peer.figures.answered) * peer.entries;
  const absl::Duration client = (*server)->client_time() - client_before;
  Report report;
  report.measures.push_back({measure, ours.PerSecond(), "1/s", copies ? kCopyPeer : kInsertPeer, peer.PerSecond()});
  // Processor time an entry. "sender" is the thread that sends, not what gRPC's own threads do for it.
  report.circumstances = {{measure + "_calls", static_cast<double>(ours.figures.answered)},
                          {measure + "_p50_ms", ours.figures.PercentileMs(50)},
                          {measure + "_p99_ms", ours.figures.PercentileMs(99)},
                          {measure + "_serve_us", Microseconds(ours_spent.own - client, entries)},
                          {measure + "_sender_us", Microseconds(client, entries)},
                          {measure + "_postgres_us", Microseconds(ours_spent.postgres, entries)},
                          {measure + "_peer_us", Microseconds(peer_spent.own + peer_spent.postgres, peer_entries)}};
  if (copies) report.circumstances.emplace_back(measure + "_copy_clients", copy_clients);
  return report;
}

}  // namespace custodian::benchmark

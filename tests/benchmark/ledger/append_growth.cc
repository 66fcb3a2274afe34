// What an entry costs in a long log. The same number of entries, batches of 100 through gRPC, is appended to a log of 10,000 and to one of as many
// as asked for; what counts is processor time of server and PostgreSQL, which other work on the machine does not change much.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>

#include "tests/benchmark/ledger/append_server.h"
#include "tests/benchmark/ledger/measures.h"
#include "tests/benchmark/ledger/meter.h"

namespace custodian::benchmark {
namespace {

constexpr std::int64_t kFew = 10'000;
constexpr int kBatch = 100;
// Signed and sent at a time while a log grows.
constexpr std::int64_t kGrowCalls = 2'000;
// Measured: so many calls a round, /proc counting in hundredths of a second.
constexpr std::int64_t kMeasuredCalls = 500;
constexpr char kPeer[] = "the same in a log of 10,000 entries";

absl::Status GrowTo(AppendServer& server, std::int64_t entries, std::int64_t& size) {
  while (size < entries) {
    const std::int64_t calls = std::min(kGrowCalls, (entries - size + kBatch - 1) / kBatch);
    if (absl::Status status = server.Prepare(calls); !status.ok()) return status;
    if (auto sent = server.RunAll(); !sent.ok()) return sent.status();
    size += calls * kBatch;
  }
  return absl::OkStatus();
}

// One round; adds what it cost without the sending thread.
absl::Status MeasureRound(AppendServer& server, std::int64_t& size, Spent& spent) {
  auto meter = Meter::Create(server.superuser());
  if (!meter.ok()) return meter.status();
  if (absl::Status status = server.Prepare(kMeasuredCalls); !status.ok()) return status;
  const absl::Duration client = server.client_time();
  const absl::Status status = meter->Run(spent, [&] { return server.RunAll().status(); });
  spent.own -= server.client_time() - client;
  size += kMeasuredCalls * kBatch;
  return status;
}

}  // namespace

absl::StatusOr<Report> MeasureAppendGrowth(const Settings& settings, std::int64_t entries) {
  const double measured = static_cast<double>(settings.rounds) * kMeasuredCalls * kBatch;
  Spent few;
  for (int round = 0; round < settings.rounds; ++round) {
    // Another log each time, or it would not stay short.
    auto server = AppendServer::Create({.batch = kBatch});
    if (!server.ok()) return server.status();
    std::int64_t size = 0;
    if (absl::Status status = GrowTo(**server, kFew, size); !status.ok()) return status;
    if (absl::Status status = MeasureRound(**server, size, few); !status.ok()) return status;
  }
  auto server = AppendServer::Create({.batch = kBatch});
  if (!server.ok()) return server.status();
  std::int64_t size = 0;
  if (absl::Status status = GrowTo(**server, entries, size); !status.ok()) return status;
  Spent many;
  for (int round = 0; round < settings.rounds; ++round)
    if (absl::Status status = MeasureRound(**server, size, many); !status.ok()) return status;
  return Report{{{"append_growth", Microseconds(many.own + many.postgres, measured), "us", kPeer, Microseconds(few.own + few.postgres, measured)}},
                {{"append_growth_entries", static_cast<double>(entries)},
                 {"append_growth_postgres_us", Microseconds(many.postgres, measured)},
                 {"append_growth_postgres_us_before", Microseconds(few.postgres, measured)}}};
}

}  // namespace custodian::benchmark

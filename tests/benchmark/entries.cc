// Entries a second of one partition: what every write of the platform goes through.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "services/exchange/card_store.h"
#include "tests/benchmark/measure.h"
#include "tests/benchmark/plain_postgres.h"
#include "tests/support/postgres.h"
#include "tests/support/written_log.h"

namespace custodian::benchmark {
namespace {

// The sizes that services/exchange/order_check writes for a check without a card: name, padded detail and GCM's IV and tag; and the
// sealed answer.
constexpr std::size_t kSealedDetailBytes = 16 + 2048 + 12 + 16;
constexpr std::size_t kSealedAnswerBytes = 64;
constexpr std::size_t kHashBytes = 32;
constexpr std::size_t kRandomBytes = 1 << 20;
constexpr char kPeer[] = "plain INSERT and COMMIT of the same bytes";

class Entries final : public Side {
 public:
  Entries(tenants::PartitionWriter& writer, int clients) : writer_(writer) {
    for (int i = 0; i < clients; ++i) texts_.emplace_back(kRandomBytes);
  }

  absl::StatusOr<Outcome> Call(int client) override {
    RandomText& text = texts_[static_cast<std::size_t>(client)];
    const auto take = [&text](std::size_t bytes) { return std::string(text.Take(bytes)); };
    const std::string key = RandomBytes(kHashBytes), token = RandomBytes(kHashBytes), order = RandomBytes(kHashBytes);
    const PatientId patient = PatientId::Random();
    const std::string digest = take(kHashBytes);
    tenants::Write write;
    write.idempotency_key = key;
    write.request_digest = digest;
    ledger::v1::Entry& entry = write.entries.emplace_back();
    entry.set_kind(ledger::v1::KIND_ORDER_CHECKED);
    entry.set_reported(true);
    entry.set_subject(patient.bytes());
    entry.add_record_sha256(take(kHashBytes));
    entry.set_detail_commitment(take(kHashBytes));
    entry.set_sealed_detail(take(kSealedDetailBytes));
    write.rows.push_back(exchange::OrderStateRow(order, exchange::OrderState::kChecked, 0));
    write.rows.push_back(exchange::AnswerRow(key, digest, patient, take(kSealedAnswerBytes), 0));
    write.rows.push_back(exchange::JtiRow(token, absl::UnixEpoch()));
    const auto admitted = writer_.Apply(std::move(write));
    if (!admitted.ok()) return admitted.status();
    return Outcome::kAnswered;
  }

 private:
  tenants::PartitionWriter& writer_;
  std::vector<RandomText> texts_;
};

absl::StatusOr<std::string> Superuser() {
  const auto spec = testing::TestSuperuser();
  if (!spec.ok()) return spec.status();
  return absl::StrCat("host=", spec->host, " port=", spec->port, " user=", spec->user, " dbname=", spec->database);
}

}  // namespace

absl::StatusOr<Report> MeasureEntries(const Settings& settings) {
  const auto superuser = Superuser();
  if (!superuser.ok()) return superuser.status();
  auto log = testing::WrittenLog::Create();
  if (!log.ok()) return log.status();
  Entries ours((*log)->writer(), settings.clients);
  // Fills caches and pools, and shows how many bytes one write leaves.
  const auto warm = RunSlice(ours, settings.clients, settings.slice);
  if (!warm.ok()) return warm.status();
  auto connection = Connection::Open(absl::StrCat(*superuser, " dbname=", (*log)->postgres().superuser().database));
  if (!connection.ok()) return connection.status();
  const auto stored = BytesOfOrderChecks(*connection);
  if (!stored.ok()) return stored.status();
  const double bytes = (stored->entries + stored->rows) / static_cast<double>(warm->answered);

  auto peer = PlainPostgres::Create(*superuser, {static_cast<std::size_t>(bytes)}, settings.clients);
  if (!peer.ok()) return peer.status();
  if (const auto warm_peer = RunSlice(**peer, settings.clients, settings.slice); !warm_peer.ok()) return warm_peer.status();
  const auto comparison = Compare(ours, **peer, settings.clients, settings.rounds, settings.slice,
                                  [&connection] { return connection->Run("CHECKPOINT").status(); });
  if (!comparison.ok()) return comparison.status();
  (*log)->Stop();
  return Report{MeasuresOf("entry", "entries", kPeer, *comparison),
                {{"entry_clients", settings.clients}, {"entry_bytes", bytes}, {"entry_calls", comparison->ours.answered}}};
}

}  // namespace custodian::benchmark

#include "services/exchange/refusal_store.h"

#include "tenants/execute.h"

namespace custodian::exchange {
namespace {

using tenants::Execute;
using tenants::ReadTransaction;
using tenants::WriteTransaction;

constexpr std::size_t kKeyBytes = 32;

}  // namespace

absl::Status RefusalStore::Keep(const std::vector<WaitingRefusal>& refusals) const {
  if (refusals.empty()) return absl::OkStatus();
  return database_.Write([&refusals](WriteTransaction& transaction) {
    for (const WaitingRefusal& refusal : refusals)
      Execute(transaction,
              "INSERT INTO exchange.refusal (record_id, patient_id, sealed, noted_ms) SELECT $1, $2, $3, $4 "
              "WHERE NOT EXISTS (SELECT FROM exchange.record WHERE record_id = $1) ON CONFLICT (record_id) DO NOTHING",
              pqxx::binarystring(refusal.record.bytes()), pqxx::binarystring(refusal.patient.bytes()), pqxx::binarystring(refusal.sealed),
              absl::ToUnixMillis(refusal.noted));
    return absl::OkStatus();
  });
}

absl::StatusOr<std::size_t> RefusalStore::Waiting() const {
  std::size_t waiting = 0;
  const absl::Status status = database_.ReadOne([&waiting](ReadTransaction& transaction) {
    waiting = Execute(transaction, "SELECT count(*) FROM exchange.refusal").at(0)[0].as<std::size_t>();
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return waiting;
}

absl::StatusOr<RefusalStore::Batch> RefusalStore::Take(std::size_t refusals_max) const {
  Batch batch;
  const absl::Status status = database_.Write([&](WriteTransaction& transaction) {
    batch = {RandomBytes(kKeyBytes), {}};
    const pqxx::result taken = Execute(transaction, "SELECT batch FROM exchange.refusal WHERE batch IS NOT NULL LIMIT 1");
    if (!taken.empty()) {
      batch.key = pqxx::binarystring(taken[0][0]).str();
    } else {
      Execute(transaction,
              "UPDATE exchange.refusal SET batch = $1 WHERE record_id IN "
              "(SELECT record_id FROM exchange.refusal WHERE batch IS NULL ORDER BY noted_ms, record_id LIMIT $2)",
              pqxx::binarystring(batch.key), refusals_max);
    }
    // The columns' CHECKs keep the ids at 16 bytes.
    for (const pqxx::row& row : Execute(transaction, "SELECT record_id, patient_id, sealed, noted_ms FROM exchange.refusal WHERE batch = $1 "
                                                     "ORDER BY noted_ms, record_id", pqxx::binarystring(batch.key)))
      batch.refusals.push_back({RecordId::FromBytes(pqxx::binarystring(row[0]).str()).value(), PatientId::FromBytes(pqxx::binarystring(row[1]).str()).value(),
                                pqxx::binarystring(row[2]).str(), absl::FromUnixMillis(row[3].as<std::int64_t>())});
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return batch;
}

absl::Status RefusalStore::Finish(const Batch& batch) const {
  if (batch.refusals.empty()) return absl::OkStatus();
  return database_.Write([&batch](WriteTransaction& transaction) {
    Execute(transaction, "DELETE FROM exchange.refusal WHERE batch = $1", pqxx::binarystring(batch.key));
    return absl::OkStatus();
  });
}

}  // namespace custodian::exchange

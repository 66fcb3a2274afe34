#include "services/log/refill_store.h"

#include <pqxx/pqxx>
#include <set>

#include "tenants/binary_array.h"
#include "tenants/execute.h"

namespace custodian::log {
namespace {

using tenants::BinaryArray;
using tenants::Execute;

pqxx::binarystring Parameter(const BinaryArray& array) { return pqxx::binarystring(array.Encode()); }

}  // namespace

std::uint64_t RefillStore::PutRecords(std::span<const ReturnedItem> items) {
  BinaryArray records(BinaryArray::Element::kBytea), versions(BinaryArray::Element::kBigint), patients(BinaryArray::Element::kBytea),
      sealed(BinaryArray::Element::kBytea), deleted(BinaryArray::Element::kBoolean), accounts(BinaryArray::Element::kBoolean),
      arrived(BinaryArray::Element::kBigint), indexes(BinaryArray::Element::kBigint);
  for (const ReturnedItem& item : items) {
    if (!item.name.is_record()) continue;
    records.Add(item.name.id);
    versions.AddBigint(static_cast<std::int64_t>(item.name.version));
    patients.Add(item.patient_id);
    sealed.Add(item.sealed);
    deleted.AddBoolean(item.name.deleted);
    accounts.AddBoolean(item.name.account);
    arrived.AddBigint(item.arrived_ms);
    indexes.AddBigint(static_cast<std::int64_t>(item.name.index));
  }
  if (records.size() == 0) return 0;
  const pqxx::result put = Execute(
      transaction_,
      "INSERT INTO exchange.record AS r (record_id, version, patient_id, sealed, deleted, account, arrived_ms, entry_index) "
      "SELECT * FROM unnest($1::bytea[], $2::bigint[], $3::bytea[], $4::bytea[], $5::boolean[], $6::boolean[], $7::bigint[], $8::bigint[]) "
      "ON CONFLICT (record_id, version) DO UPDATE SET patient_id = excluded.patient_id, sealed = excluded.sealed, deleted = excluded.deleted, "
      "account = excluded.account, arrived_ms = excluded.arrived_ms, entry_index = excluded.entry_index "
      "WHERE (r.patient_id, r.sealed, r.deleted, r.account, r.arrived_ms, r.entry_index) IS DISTINCT FROM "
      "(excluded.patient_id, excluded.sealed, excluded.deleted, excluded.account, excluded.arrived_ms, excluded.entry_index) "
      "RETURNING r.patient_id",
      Parameter(records), Parameter(versions), Parameter(patients), Parameter(sealed), Parameter(deleted), Parameter(accounts), Parameter(arrived),
      Parameter(indexes));
  PutPatients(items);
  std::set<std::string> concerned;
  for (const pqxx::row& row : put) concerned.insert(pqxx::binarystring(row["patient_id"]).str());
  BinaryArray changed(BinaryArray::Element::kBytea);
  for (const std::string& patient : concerned) changed.Add(patient);
  // In the order in which a write leaves them.
  if (changed.size() > 0)
    Execute(transaction_,
            "INSERT INTO ledger.outbox (kind, patient_id) SELECT work.kind, patient.id FROM unnest($1::bytea[]) AS patient (id) CROSS JOIN "
            "(VALUES (1, 'locator'), (2, 'match'), (3, 'correction'), (4, 'savings')) AS work (place, kind) ORDER BY patient.id, work.place",
            Parameter(changed));
  return put.size();
}

void RefillStore::PutPatients(std::span<const ReturnedItem> items) {
  BinaryArray patients(BinaryArray::Element::kBytea), records(BinaryArray::Element::kBytea);
  for (const ReturnedItem& item : items) {
    if (!item.is_patient) continue;
    patients.Add(item.patient_id);
    records.Add(item.name.id);
  }
  if (patients.size() > 0)
    Execute(transaction_,
            "INSERT INTO exchange.patient (patient_id, record_id) SELECT * FROM unnest($1::bytea[], $2::bytea[]) ON CONFLICT (patient_id) DO UPDATE "
            "SET record_id = excluded.record_id WHERE patient.record_id <> excluded.record_id",
            Parameter(patients), Parameter(records));
}

std::uint64_t RefillStore::PutKeys(std::span<const ReturnedItem> items) {
  std::uint64_t put = 0;
  // A patient's key lies in a shard, which the log names before it.
  for (const ReturnedItem& item : items) {
    if (item.name.is_record()) continue;
    const pqxx::binarystring id(item.name.id), shard(item.name.shard_id), wrapped(item.sealed);
    const auto epoch = static_cast<std::int64_t>(item.name.epoch);
    const pqxx::result rows =
        item.name.what == "shard"
            ? Execute(transaction_,
                      "INSERT INTO keystore.shard AS s (key_id, epoch, wrapped) VALUES ($1, $2, $3) ON CONFLICT (key_id) DO UPDATE "
                      "SET epoch = excluded.epoch, wrapped = excluded.wrapped WHERE s.epoch <= excluded.epoch AND "
                      "(s.epoch, s.wrapped) IS DISTINCT FROM (excluded.epoch, excluded.wrapped) RETURNING 1",
                      id, epoch, wrapped)
            : Execute(transaction_,
                      "INSERT INTO keystore.patient_key AS p (patient_id, shard_id, wrapped) SELECT $1::bytea, s.key_id, $3::bytea FROM keystore.shard s "
                      "WHERE s.key_id = $2 AND s.epoch = $4 ON CONFLICT (patient_id) DO UPDATE SET shard_id = excluded.shard_id, wrapped = excluded.wrapped "
                      "WHERE (p.shard_id, p.wrapped) IS DISTINCT FROM (excluded.shard_id, excluded.wrapped) AND "
                      "(SELECT older.epoch FROM keystore.shard older WHERE older.key_id = p.shard_id) <= $4 RETURNING 1",
                      id, shard, wrapped, epoch);
    put += rows.size();
  }
  return put;
}

}  // namespace custodian::log

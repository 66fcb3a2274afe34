#include "services/log/sealed_store.h"

#include <pqxx/pqxx>

#include "tenants/binary_array.h"
#include "tenants/execute.h"

namespace custodian::log {
namespace {

using tenants::BinaryArray;

std::string Bytes(const pqxx::field& field) { return pqxx::binarystring(field).str(); }

// `columns` of the records named, by primary key.
pqxx::result Find(tenants::ReadTransaction& transaction, const std::string& columns, std::span<const ledger::SealedName> names) {
  BinaryArray ids(BinaryArray::Element::kBytea);
  BinaryArray versions(BinaryArray::Element::kBigint);
  for (const ledger::SealedName& name : names) {
    if (!name.is_record()) continue;
    ids.Add(name.id);
    versions.AddBigint(static_cast<std::int64_t>(name.version));
  }
  return tenants::Execute(transaction,
                          "SELECT r.record_id, r.version, " + columns +
                              " FROM unnest($1::bytea[], $2::bigint[]) AS named (record_id, version) CROSS JOIN LATERAL (SELECT * FROM exchange.record "
                              "WHERE record_id = named.record_id AND version = named.version LIMIT 1) AS r",
                          pqxx::binarystring(ids.Encode()), pqxx::binarystring(versions.Encode()));
}

SealedStore::Version VersionOf(const pqxx::row& row) { return {Bytes(row["record_id"]), row["version"].as<std::uint64_t>()}; }

}  // namespace

std::map<SealedStore::Version, std::uint64_t> SealedStore::Sizes(std::span<const ledger::SealedName> names) {
  std::map<Version, std::uint64_t> sizes;
  for (const pqxx::row& row : Find(transaction_, "octet_length(r.sealed) AS bytes", names)) sizes[VersionOf(row)] = row["bytes"].as<std::uint64_t>();
  return sizes;
}

std::map<SealedStore::Version, SealedStore::Record> SealedStore::Read(std::span<const ledger::SealedName> names) {
  std::map<Version, Record> records;
  for (const pqxx::row& row : Find(transaction_, "r.patient_id, r.sealed", names))
    records[VersionOf(row)] = {Bytes(row["patient_id"]), Bytes(row["sealed"])};
  return records;
}

}  // namespace custodian::log

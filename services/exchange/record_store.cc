#include "services/exchange/record_store.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tenants/binary_array.h"
#include "tenants/execute.h"

namespace custodian::exchange {

using tenants::Bytes;
using tenants::CommitTime;
using tenants::Execute;
using tenants::IndexOf;
using tenants::ReadTransaction;
using tenants::Row;

const tenants::Table kRecordTable{"exchange.record",
                                  {{"record_id", "bytea"},
                                   {"version", "bigint"},
                                   {"patient_id", "bytea"},
                                   {"sealed", "bytea"},
                                   {"deleted", "boolean"},
                                   {"account", "boolean"},
                                   {"arrived_ms", "bigint"},
                                   {"entry_index", "bigint"}}};
const tenants::Table kPatientTable{"exchange.patient", {{"patient_id", "bytea"}, {"record_id", "bytea"}},
                                   /*ignore_conflicts=*/false, /*proved=*/true};
const tenants::Table kIdentifierTable{
    "exchange.identifier", {{"token", "bytea"}, {"record_id", "bytea"}, {"patient_id", "bytea"}}, /*ignore_conflicts=*/true,
    /*proved=*/true};

namespace {

// A list longer than this is refused, never cut: nobody's record is that long, and half of one would mislead.
constexpr std::size_t kRowsMax = 200'000;

// Columns of a SealedRecord, in the order ReadRecord() takes them.
constexpr char kColumns[] = "r.record_id, r.version, r.patient_id, r.sealed, r.deleted, r.arrived_ms, r.entry_index";

std::string BytesOf(const pqxx::field& field) { return pqxx::binarystring(field).str(); }

template <typename Id>
Id IdOf(const pqxx::field& field) {
  // The column's CHECK keeps it at 16 bytes.
  return Id::FromBytes(BytesOf(field)).value();
}

SealedRecord ReadRecord(const pqxx::row& row) {
  SealedRecord record;
  record.record = IdOf<RecordId>(row[0]);
  record.version = row[1].as<std::uint64_t>();
  record.patient = IdOf<PatientId>(row[2]);
  record.sealed = BytesOf(row[3]);
  record.deleted = row[4].as<bool>();
  record.arrived = absl::FromUnixMillis(row[5].as<std::int64_t>());
  record.entry_index = row[6].as<std::uint64_t>();
  return record;
}

// As PostgreSQL reads text[]: "{aa,bb}".
template <typename Container, typename ToBytes>
std::string HexArray(const Container& items, ToBytes bytes) {
  std::string text = "{";
  for (const auto& item : items) absl::StrAppend(&text, text.size() == 1 ? "" : ",", HexEncode(bytes(item)));
  return text + "}";
}

template <typename... Rest>
absl::StatusOr<std::vector<SealedRecord>> Query(const tenants::Database& database, const std::string& sql, const std::string& id, Rest... rest) {
  std::vector<SealedRecord> records;
  const absl::Status status = database.ReadOne([&](ReadTransaction& transaction) -> absl::Status {
    const pqxx::result rows = Execute(transaction, absl::StrCat(sql, " LIMIT ", kRowsMax + 1), pqxx::binarystring(id), rest...);
    if (rows.size() > kRowsMax) return absl::ResourceExhaustedError(absl::StrCat("more than ", kRowsMax, " record versions in one list"));
    records.reserve(rows.size());
    for (const pqxx::row& row : rows) records.push_back(ReadRecord(row));
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return records;
}

}  // namespace

Row RecordRow(const RecordId& record, std::uint64_t version, const PatientId& patient, std::string sealed, std::size_t entry,
              RecordMark mark) {
  return Row{&kRecordTable,
             {Bytes{record.bytes()}, static_cast<std::int64_t>(version), Bytes{patient.bytes()}, Bytes{std::move(sealed)},
              mark == RecordMark::kDeleted, mark == RecordMark::kAccount, CommitTime{}, IndexOf{entry}},
             entry,
             mark == RecordMark::kAccount ? std::nullopt : std::optional(patient)};
}

Row PatientRow(const PatientId& patient, const RecordId& record) {
  return Row{&kPatientTable, {Bytes{patient.bytes()}, Bytes{record.bytes()}}};
}

Row IdentifierRow(std::string token, const RecordId& record, const PatientId& patient) {
  return Row{&kIdentifierTable, {Bytes{std::move(token)}, Bytes{record.bytes()}, Bytes{patient.bytes()}}};
}

absl::StatusOr<std::map<RecordId, RecordStore::Head>> RecordStore::Heads(const std::vector<RecordId>& records) const {
  std::map<RecordId, Head> heads;
  if (records.empty()) return heads;
  const std::string wanted = HexArray(records, [](const RecordId& id) { return id.bytes(); });
  const absl::Status status = database_.ReadOne([&](ReadTransaction& transaction) {
    const pqxx::result rows = Execute(transaction,
        "SELECT DISTINCT ON (r.record_id) r.record_id, r.version, r.patient_id, r.deleted FROM unnest($1::text[]) AS wanted(hex) CROSS JOIN LATERAL "
        "(SELECT * FROM exchange.record WHERE record_id = decode(wanted.hex, 'hex') ORDER BY version DESC LIMIT 1) AS r ORDER BY r.record_id",
        wanted);
    for (const pqxx::row& row : rows) {
      heads[IdOf<RecordId>(row[0])] = Head{row[1].as<std::uint64_t>(), IdOf<PatientId>(row[2]), row[3].as<bool>()};
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return heads;
}

absl::StatusOr<std::optional<SealedRecord>> RecordStore::Newest(const RecordId& record) const {
  absl::StatusOr<std::vector<SealedRecord>> found = NewestOf({record});
  if (!found.ok()) return found.status();
  if (found->empty()) return std::optional<SealedRecord>();
  return std::optional<SealedRecord>(std::move(found->front()));
}

absl::StatusOr<std::vector<SealedRecord>> RecordStore::NewestOf(const std::vector<RecordId>& records, std::uint64_t before) const {
  std::vector<SealedRecord> found;
  if (records.empty()) return found;
  const std::string wanted = HexArray(records, [](const RecordId& id) { return id.bytes(); });
  const absl::Status status = database_.ReadOne([&](ReadTransaction& transaction) {
    const pqxx::result rows = Execute(transaction,
        absl::StrCat("SELECT DISTINCT ON (r.record_id) ", kColumns,
                     " FROM unnest($1::text[]) AS wanted(hex) CROSS JOIN LATERAL (SELECT * FROM exchange.record WHERE record_id = decode(wanted.hex, 'hex') "
                     "AND entry_index < $2 ORDER BY version DESC LIMIT 1) AS r ORDER BY r.record_id"),
        wanted, static_cast<std::int64_t>(before));
    for (const pqxx::row& row : rows) found.push_back(ReadRecord(row));
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return found;
}

absl::StatusOr<std::vector<SealedRecord>> RecordStore::NewestOfOrWith(const std::vector<RecordId>& records,
                                                                      const std::vector<std::string>& tokens) const {
  std::vector<SealedRecord> found;
  if (records.empty() && tokens.empty()) return found;
  tenants::BinaryArray ids(tenants::BinaryArray::Element::kBytea);
  for (const RecordId& record : records) ids.Add(record.bytes());
  tenants::BinaryArray carried(tenants::BinaryArray::Element::kBytea);
  for (const std::string& token : tokens) carried.Add(token);
  const absl::Status status = database_.ReadOne([&](ReadTransaction& transaction) -> absl::Status {
    const pqxx::result rows = Execute(transaction,
        absl::StrCat("SELECT ", kColumns, " FROM (SELECT unnest($1::bytea[]) AS record_id UNION SELECT record_id FROM exchange.identifier WHERE token = "
                     "ANY ($2::bytea[])) AS wanted CROSS JOIN LATERAL (SELECT * FROM exchange.record WHERE record_id = wanted.record_id "
                     "ORDER BY version DESC LIMIT 1) AS r ORDER BY r.record_id LIMIT ", kRowsMax + 1),
        pqxx::binarystring(ids.Encode()), pqxx::binarystring(carried.Encode()));
    if (rows.size() > kRowsMax) return absl::ResourceExhaustedError("too many records carry these identifiers");
    found.reserve(rows.size());
    for (const pqxx::row& row : rows) found.push_back(ReadRecord(row));
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return found;
}

absl::StatusOr<std::optional<SealedRecord>> RecordStore::Version(const RecordId& record, std::uint64_t version) const {
  std::optional<SealedRecord> found;
  const absl::Status status = database_.ReadOne([&](ReadTransaction& transaction) {
    const pqxx::result rows =
        Execute(transaction, absl::StrCat("SELECT ", kColumns, " FROM exchange.record AS r WHERE r.record_id = $1 AND r.version = $2"),
                                      pqxx::binarystring(record.bytes()), version);
    if (!rows.empty()) found = ReadRecord(rows.front());
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return found;
}

absl::StatusOr<std::vector<SealedRecord>> RecordStore::History(const RecordId& record) const {
  return Query(database_, absl::StrCat("SELECT ", kColumns, " FROM exchange.record AS r WHERE r.record_id = $1 ORDER BY r.version DESC"),
               record.bytes());
}

absl::StatusOr<std::vector<SealedRecord>> RecordStore::NewestOfPatient(const PatientId& patient, std::uint64_t before) const {
  // A record never changes its patient, so the newest of the patient's versions is the newest.
  return Query(database_,
               absl::StrCat("SELECT ", kColumns, " FROM (SELECT DISTINCT ON (record_id) * FROM exchange.record WHERE patient_id = $1 AND "
                            "entry_index < $2 ORDER BY record_id, version DESC) AS r WHERE NOT r.deleted ORDER BY r.record_id"),
               patient.bytes(), static_cast<std::int64_t>(before));
}

absl::StatusOr<std::vector<SealedRecord>> RecordStore::ChangesOfPatient(const PatientId& patient, std::uint64_t from, std::uint64_t before) const {
  return Query(database_,
               absl::StrCat("SELECT ", kColumns, " FROM (SELECT DISTINCT ON (record_id) * FROM exchange.record WHERE patient_id = $1 AND "
                            "entry_index >= $2 AND entry_index < $3 ORDER BY record_id, version DESC) AS r ORDER BY r.record_id"),
               patient.bytes(), static_cast<std::int64_t>(from), static_cast<std::int64_t>(before));
}

absl::StatusOr<RecordStore::Chart> RecordStore::ChartOfPatient(const PatientId& patient, std::uint64_t from) const {
  Chart chart;
  const absl::Status status = database_.ReadOne([&](ReadTransaction& transaction) -> absl::Status {
    const pqxx::result rows = Execute(transaction,
        absl::StrCat("SELECT ", kColumns, ", consent.version FROM (SELECT coalesce((SELECT version FROM ledger.consent_version WHERE patient_id = $1), 0) "
                     "AS version) AS consent LEFT JOIN (SELECT DISTINCT ON (record_id) * FROM exchange.record WHERE patient_id = $1 AND entry_index >= $2 AND "
                     "NOT account ORDER BY record_id, version DESC) AS r ON true ORDER BY r.record_id LIMIT ", kRowsMax + 1),
        pqxx::binarystring(patient.bytes()), static_cast<std::int64_t>(from));
    if (rows.size() > kRowsMax) return absl::ResourceExhaustedError(absl::StrCat("more than ", kRowsMax, " records in one chart"));
    chart.consent_version = rows.at(0)[7].as<std::int64_t>();
    // Without a record the version comes alone.
    if (rows.at(0)[0].is_null()) return absl::OkStatus();
    chart.records.reserve(rows.size());
    for (const pqxx::row& row : rows) chart.records.push_back(ReadRecord(row));
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return chart;
}

absl::StatusOr<std::vector<std::uint64_t>> RecordStore::AccountsOfPatient(const PatientId& patient) const {
  std::vector<std::uint64_t> entries;
  const absl::Status status = database_.ReadOne([&](ReadTransaction& transaction) -> absl::Status {
    const pqxx::result rows = Execute(transaction,
        absl::StrCat("SELECT DISTINCT entry_index FROM exchange.record WHERE patient_id = $1 AND account ORDER BY entry_index LIMIT ", kRowsMax + 1),
        pqxx::binarystring(patient.bytes()));
    if (rows.size() > kRowsMax) return absl::ResourceExhaustedError(absl::StrCat("more than ", kRowsMax, " accounts in one list"));
    for (const pqxx::row& row : rows) entries.push_back(row[0].as<std::uint64_t>());
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return entries;
}

absl::StatusOr<std::set<RecordId>> RecordStore::LiveOfPatient(const PatientId& patient) const {
  std::set<RecordId> live;
  const absl::Status status = database_.ReadOne([&](ReadTransaction& transaction) -> absl::Status {
    const pqxx::result rows = Execute(transaction,
        absl::StrCat("SELECT r.record_id FROM (SELECT DISTINCT ON (record_id) record_id, deleted FROM exchange.record WHERE patient_id = $1 "
                     "ORDER BY record_id, version DESC) AS r WHERE NOT r.deleted ORDER BY r.record_id LIMIT ",
                     kRowsMax + 1),
        pqxx::binarystring(patient.bytes()));
    for (const pqxx::row& row : rows) live.insert(IdOf<RecordId>(row[0]));
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return live;
}

absl::StatusOr<std::vector<SealedRecord>> RecordStore::HistoryOfPatient(const PatientId& patient) const {
  return Query(database_,
               absl::StrCat("SELECT ", kColumns,
                            " FROM exchange.record AS r WHERE r.patient_id = $1 AND NOT r.account "
                            "ORDER BY r.arrived_ms, r.entry_index, r.record_id, r.version"),
               patient.bytes());
}

absl::StatusOr<std::vector<RecordId>> RecordStore::PatientRecordsOf(const std::vector<PatientId>& patients) const {
  std::vector<RecordId> found;
  tenants::BinaryArray ids(tenants::BinaryArray::Element::kBytea);
  for (const PatientId& patient : patients) ids.Add(patient.bytes());
  const absl::Status status = database_.ReadOne([&](ReadTransaction& transaction) {
    for (const pqxx::row& row : Execute(transaction, "SELECT record_id FROM exchange.patient WHERE patient_id = ANY ($1::bytea[]) ORDER BY record_id",
                                        pqxx::binarystring(ids.Encode())))
      found.push_back(IdOf<RecordId>(row[0]));
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return found;
}

absl::StatusOr<bool> RecordStore::HasRecords(const PatientId& patient) const {
  bool found = false;
  const absl::Status status = database_.ReadOne([&](ReadTransaction& transaction) {
    found = !Execute(transaction, "SELECT 1 FROM exchange.record WHERE patient_id = $1 LIMIT 1", pqxx::binarystring(patient.bytes()))
                 .empty();
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return found;
}

absl::StatusOr<std::map<std::string, std::set<RecordId>>> RecordStore::WithIdentifiers(const std::vector<std::string>& tokens) const {
  std::map<std::string, std::set<RecordId>> found;
  if (tokens.empty()) return found;
  const std::string wanted = HexArray(tokens, [](const std::string& token) { return token; });
  const absl::Status status = database_.ReadOne([&](ReadTransaction& transaction) -> absl::Status {
    const pqxx::result rows = Execute(transaction,
        absl::StrCat("SELECT i.token, i.record_id FROM unnest($1::text[]) AS wanted(hex) CROSS JOIN LATERAL (SELECT token, record_id "
                     "FROM exchange.identifier WHERE token = decode(wanted.hex, 'hex') LIMIT ", kRowsMax + 1, ") AS i ORDER BY i.token, i.record_id LIMIT ",
                     kRowsMax + 1),
        wanted);
    if (rows.size() > kRowsMax) return absl::ResourceExhaustedError("too many records carry these identifiers");
    for (const pqxx::row& row : rows) found[BytesOf(row[0])].insert(IdOf<RecordId>(row[1]));
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return found;
}

}  // namespace custodian::exchange

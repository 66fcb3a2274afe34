#include "services/exchange/correction_store.h"

#include "tenants/execute.h"

namespace custodian::exchange {
namespace {

using tenants::Bytes;
using tenants::Execute;
using tenants::IndexOf;
using tenants::ReadTransaction;
using tenants::Row;

const tenants::Table kCorrectionTable{"exchange.correction",
                                      {{"record_id", "bytea"}, {"patient_id", "bytea"}, {"entry_index", "bigint"}},
                                      /*ignore_conflicts=*/false, /*proved=*/true};
const tenants::Table kAcknowledgedTable{"exchange.correction_acknowledged",
                                        {{"record_id", "bytea"}, {"patient_id", "bytea"}},
                                        /*ignore_conflicts=*/false, /*proved=*/true};

}  // namespace

Row CorrectionRow(const RecordId& record, const PatientId& patient, std::size_t entry) {
  return Row{&kCorrectionTable, {Bytes{record.bytes()}, Bytes{patient.bytes()}, IndexOf{entry}}, entry};
}

Row CorrectionAcknowledgedRow(const RecordId& record, const PatientId& patient, std::size_t entry) {
  return Row{&kAcknowledgedTable, {Bytes{record.bytes()}, Bytes{patient.bytes()}}, entry};
}

absl::StatusOr<std::vector<RecordId>> CorrectionStore::Open(int limit) const {
  std::vector<RecordId> open;
  const absl::Status status = database_.ReadOne([&](ReadTransaction& transaction) -> absl::Status {
    const pqxx::result rows = Execute(transaction,
        "SELECT one.record_id FROM exchange.correction AS one WHERE NOT EXISTS (SELECT FROM exchange.correction_acknowledged AS done "
        "WHERE done.record_id = one.record_id) ORDER BY one.entry_index LIMIT $1",
        limit);
    // The column's CHECK keeps it at 16 bytes.
    for (const pqxx::row& row : rows) open.push_back(RecordId::FromBytes(pqxx::binarystring(row[0]).str()).value());
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return open;
}

}  // namespace custodian::exchange

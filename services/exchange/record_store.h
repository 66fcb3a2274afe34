// The rows of `exchange.record` and its companions: what the partition writer inserts and what is read back. SQL only; nothing is
// opened here. Rows name tables, columns and types for tenants/partition_writer.h. Thread-safe.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_RECORD_STORE_H_
#define CUSTODIAN_SERVICES_EXCHANGE_RECORD_STORE_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tenants/database.h"
#include "tenants/ids.h"
#include "tenants/partition_writer.h"

namespace custodian::exchange {

extern const tenants::Table kRecordTable;
extern const tenants::Table kPatientTable;
extern const tenants::Table kIdentifierTable;

// One version of a record as stored.
struct SealedRecord {
  RecordId record;
  std::uint64_t version = 0;
  PatientId patient;
  std::string sealed;
  bool deleted = false;
  absl::Time arrived;
  std::uint64_t entry_index = 0;
};

// What a version is besides a resource of the patient's chart, as its entry says too.
enum class RecordMark {
  kNone,
  kDeleted,
  // The custodian's account of a disclosure or refusal.
  kAccount,
};
// `entry`: position in the Write of the RECORD_STORED entry that carries the record's hash, and its mark.
[[nodiscard]] tenants::Row RecordRow(const RecordId& record, std::uint64_t version, const PatientId& patient, std::string sealed,
                                     std::size_t entry, RecordMark mark = RecordMark::kNone);
[[nodiscard]] tenants::Row PatientRow(const PatientId& patient, const RecordId& record);
[[nodiscard]] tenants::Row IdentifierRow(std::string token, const RecordId& record, const PatientId& patient);

class RecordStore {
 public:
  explicit RecordStore(const tenants::Database& database) : database_(database) {}

  // What a record is now, without its bytes.
  struct Head {
    std::uint64_t version = 0;
    PatientId patient;
    bool deleted = false;
  };
  // A snapshot: only versions that entries below this position of the partition's log prove.
  static constexpr std::uint64_t kNow = INT64_MAX;
  // Newest version of each of `records` that exists; set-wise.
  [[nodiscard]] absl::StatusOr<std::map<RecordId, Head>> Heads(const std::vector<RecordId>& records) const;
  // The newest version; nothing when there is none.
  [[nodiscard]] absl::StatusOr<std::optional<SealedRecord>> Newest(const RecordId& record) const;
  // Newest versions of those of `records` that exist, ordered by record.
  [[nodiscard]] absl::StatusOr<std::vector<SealedRecord>> NewestOf(const std::vector<RecordId>& records,
                                                                       std::uint64_t before = kNow) const;
  // The same, and of the records that ever carried one of these identifier tokens.
  [[nodiscard]] absl::StatusOr<std::vector<SealedRecord>> NewestOfOrWith(const std::vector<RecordId>& records,
                                                                         const std::vector<std::string>& tokens) const;
  [[nodiscard]] absl::StatusOr<std::optional<SealedRecord>> Version(const RecordId& record, std::uint64_t version) const;
  // Every version, newest first.
  [[nodiscard]] absl::StatusOr<std::vector<SealedRecord>> History(const RecordId& record) const;
  // Newest versions of a patient's records, deleted ones left out, ordered by record.
  [[nodiscard]] absl::StatusOr<std::vector<SealedRecord>> NewestOfPatient(const PatientId& patient, std::uint64_t before = kNow) const;
  // The newest versions that the entries from `from` to below `before` prove, deleted ones too, ordered by record.
  [[nodiscard]] absl::StatusOr<std::vector<SealedRecord>> ChangesOfPatient(const PatientId& patient, std::uint64_t from, std::uint64_t before) const;
  // Newest versions that the entries from `from` on prove, deleted ones too, ordered by record, without the accounts of disclosures, which grow with every
  // look at the chart; and as one snapshot with them the patient's consent version, which is 0 before the first Consent.
  struct Chart {
    std::vector<SealedRecord> records;
    std::int64_t consent_version = 0;
  };
  [[nodiscard]] absl::StatusOr<Chart> ChartOfPatient(const PatientId& patient, std::uint64_t from = 0) const;
  // Positions of the entries that stored accounts of disclosures and refusals of the patient, each once, oldest first.
  [[nodiscard]] absl::StatusOr<std::vector<std::uint64_t>> AccountsOfPatient(const PatientId& patient) const;
  // The patient's records that are not deleted, without their bytes.
  [[nodiscard]] absl::StatusOr<std::set<RecordId>> LiveOfPatient(const PatientId& patient) const;
  // Every version of a patient's records but the accounts of disclosures, oldest first.
  [[nodiscard]] absl::StatusOr<std::vector<SealedRecord>> HistoryOfPatient(const PatientId& patient) const;
  // Records of the Patient resources of these patients.
  [[nodiscard]] absl::StatusOr<std::vector<RecordId>> PatientRecordsOf(const std::vector<PatientId>& patients) const;
  [[nodiscard]] absl::StatusOr<bool> HasRecords(const PatientId& patient) const;
  // Records that ever carried each token.
  [[nodiscard]] absl::StatusOr<std::map<std::string, std::set<RecordId>>> WithIdentifiers(const std::vector<std::string>& tokens) const;

 private:
  const tenants::Database& database_;
};

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_RECORD_STORE_H_

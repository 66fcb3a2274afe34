// One attempt at one FHIR write: from the entries as they came to the Write that stores them (sealed versions, their entries, index
// and outbox rows). A plan is made from what is stored at that moment; when others were quicker, another is made. One thread.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_FHIR_WRITE_PLAN_H_
#define CUSTODIAN_SERVICES_EXCHANGE_FHIR_WRITE_PLAN_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "services/exchange/fhir_subject.h"
#include "services/exchange/fhir_writer.h"
#include "services/exchange/record_store.h"

namespace custodian::exchange {

class WritePlan {
 public:
  // `new_patients`: patients given to Patient records that are not stored yet; kept over attempts, so that a patient who was given a
  // key is not given another. `is_recorded`: whether a key shard's KEY_STORED entry is known to be on the log. Borrows everything.
  WritePlan(const FhirWriter::Request& request, keys::Sealer& sealer, keys::KeyClient& keys, std::size_t patients_max,
            std::map<RecordId, PatientId>& new_patients, const std::function<bool(const std::string&)>& is_recorded);

  // Makes the Write, or says why it cannot be.
  [[nodiscard]] std::optional<Refusal> Make();

  // Without entries when there is nothing to write.
  [[nodiscard]] tenants::Write& write() { return write_; }
  [[nodiscard]] const std::vector<std::string>& new_shards() const { return new_shards_; }
  [[nodiscard]] std::vector<StoredEntry> Result() const;

 private:
  struct Planned {
    RecordId record;
    PatientId patient;
    std::uint64_t version = 1;
    std::optional<Subject> subject;
    // Where no Patient is named whom it is about: the records that it is about.
    std::vector<RecordId> about;
    ledger::Hash sha256{};
    bool created = false;
  };
  struct StoredRecord {
    RecordId record;
    std::uint64_t version = 1;
    ledger::Hash sha256{};
    // Its row in the Write, and the end of those that lead to it.
    std::size_t row = 0;
    std::size_t rows_end = 0;
    // Of a Patient.
    std::optional<ledger::Hash> locator;
    bool deleted = false;
  };

  [[nodiscard]] static bool IsDeletion(const TransactionEntry& entry) { return entry.method == TransactionEntry::Method::kDelete; }
  absl::StatusOr<std::string> Token(std::string_view what, std::string_view value);
  absl::StatusOr<std::string> NewId(const TransactionEntry& entry);
  std::optional<Refusal> Prepare();
  std::optional<Refusal> FindRecords();
  std::optional<Refusal> FindPatients();
  std::optional<Refusal> CheckPatientDeletions();
  absl::Status FindTenantResources();
  absl::StatusOr<std::optional<PatientId>> PatientOf(const Planned& planned);
  // The one patient with whom what it is about lies, as far as that is known; nothing where there is none, or several.
  std::optional<PatientId> PatientOfRecords(const Planned& planned) const;
  // Positions of all entries, what is about others of them behind these.
  std::vector<std::size_t> PlacingOrder() const;
  std::optional<Refusal> ChooseVersions();
  absl::Status MakeKeys();
  absl::Status SealAll();
  absl::Status AddIndexRows(const TransactionEntry& entry, std::string_view stored_text, const Planned& planned);
  void AddKeyEntry(const keys::StoredKey& key);
  void AddRecord(const RecordId& record, std::uint64_t version, const PatientId& patient, keys::Sealed sealed, bool deleted,
                 ledger::Hash* sha256);
  absl::Status AddAnswer();
  absl::Status SetReport(const PatientId& patient, ledger::v1::Entry& entry);
  absl::Status AddRecordEntries();
  absl::Status AddConsentEntries();
  void AddOutboxRows();

  const FhirWriter::Request& request_;
  const TenantId tenant_;
  keys::Sealer& sealer_;
  keys::KeyClient& keys_;
  const RecordStore store_;
  const std::size_t patients_max_;
  std::map<RecordId, PatientId>& new_patients_;
  const std::function<bool(const std::string&)>& is_recorded_;

  std::vector<TransactionEntry> entries_;
  std::vector<Planned> planned_;
  // By FHIR id of a Patient.
  std::map<std::string, RecordId> patient_records_;
  std::map<RecordId, RecordStore::Head> heads_;
  // Patients this Write creates, and Patient records that it stores or deletes.
  std::map<RecordId, PatientId> created_;
  std::set<RecordId> stored_patients_;
  std::set<RecordId> deleted_;
  std::set<PatientId> patients_;
  std::optional<PatientId> tenant_resources_;
  // With whom each record of this Write lies.
  std::map<RecordId, PatientId> places_;
  std::optional<PatientId> answers_;
  std::map<PatientId, std::vector<StoredRecord>> stored_;
  std::vector<std::string> new_shards_;
  // Who asked for what; in each entry, under a salt of its own.
  std::string report_;
  tenants::Write write_;
};

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_FHIR_WRITE_PLAN_H_

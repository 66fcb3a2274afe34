// What an auditor reads of a partition's and a key store's database: every row of the tables that prove or keep something, as it
// is stored, in one snapshot. SQL only; nothing is judged here. Each visit runs through its table in key order, some rows at a
// time. Borrows a transaction; used by one thread.
#ifndef CUSTODIAN_SERVICES_LOG_AUDIT_STORE_H_
#define CUSTODIAN_SERVICES_LOG_AUDIT_STORE_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tenants/transaction.h"

namespace custodian::log {

struct StoredHead {
  std::int64_t size = 0;
  std::string root;
  std::string nodes;
  std::int64_t author_counter = 0;
  std::int64_t time_ms = 0;
  std::int64_t anchor_size = 0;
  std::string anchor_root;
};

struct StoredCheckpoint {
  std::int64_t size = 0;
  std::string root;
  std::optional<std::string> signed_note;
  std::optional<std::string> published_note;
};

struct StoredBatch {
  std::int64_t first_index = 0;
  std::int64_t count = 0;
  std::string leaves;
  std::string leaf_hashes;
  std::int64_t time_ms = 0;
};

struct StoredTile {
  std::int64_t level = 0;
  std::int64_t index = 0;
  std::string bytes;
};

struct StoredAnswerKey {
  std::string author;
  std::string key;
  std::string request_digest;
  std::int64_t first_index = 0;
  std::int64_t count = 0;
  std::int64_t time_ms = 0;
  // Machine's clock.
  std::int64_t witnessed_by_ms = 0;
};

struct StoredRecord {
  std::string record_id;
  std::int64_t version = 0;
  std::string patient_id;
  std::string sealed;
  bool deleted = false;
  bool account = false;
  std::int64_t arrived_ms = 0;
  std::int64_t entry_index = 0;
};

// A row of any other table that keeps sealed bytes beside the entry that names them (columns sealed, entry_index, arrived_ms, and
// perhaps patient_id).
struct StoredSealed {
  // Qualified table, and the primary key for people: "exchange.card 0a1b...".
  std::string row;
  std::string sealed;
  std::string patient_id;
  std::int64_t arrived_ms = 0;
  std::int64_t entry_index = 0;
};

struct StoredFeedRow {
  std::int64_t entry_index = 0;
  std::string kind;
  std::optional<std::int64_t> from_ms;
  std::int64_t through_ms = 0;
  std::int64_t arrived_ms = 0;
};

struct StoredWordRow {
  std::int64_t entry_index = 0;
  std::string kind;
  std::int64_t first_index = 0;
  std::int64_t past_index = 0;
};

// A row whose digest an entry carries (ledger::RowSha256).
struct StoredProvedRow {
  // Qualified table, and the first value for people: "exchange.patient 0a1b...".
  std::string row;
  std::string sha256;
};

struct StoredConsentVersion {
  std::string patient_id;
  std::int64_t version = 0;
};

// What the savings projection says of one Money entry: its postings, summed.
struct StoredPosting {
  std::string log_tenant;
  std::int64_t entry_index = 0;
  std::int64_t kind = 0;
  std::int64_t side = 0;
  std::string class_id;
  std::string modality;
  std::string month;
  bool aggregate = false;
  std::int64_t cents = 0;
  std::int64_t exams = 0;
};

// An avoidance of the projection and the entry that accepted its card.
struct StoredAvoidance {
  std::string avoidance_id;
  std::string ordering_tenant;
  std::int64_t acceptance_index = 0;
};

struct StoredWrappedKey {
  std::string key_id;
  std::string wrapped;
  // Of a patient key.
  std::string shard_id;
  // Of its shard.
  std::int64_t epoch = 0;
};

class AuditStore {
 public:
  explicit AuditStore(tenants::ReadTransaction& transaction) : transaction_(transaction) {}

  // Of the `ledger` schema.
  [[nodiscard]] std::vector<StoredHead> Heads();
  void VisitBatches(const std::function<void(const StoredBatch&)>& visit);
  void VisitTiles(const std::function<void(const StoredTile&)>& visit);
  void VisitCheckpoints(const std::function<void(const StoredCheckpoint&)>& visit);
  void VisitAnswerKeys(const std::function<void(const StoredAnswerKey&)>& visit);

  // Of the `exchange` and `savings` schemas; nothing where a database does not have them.
  void VisitRecords(const std::function<void(const StoredRecord&)>& visit);
  void VisitOtherSealed(const std::function<void(const StoredSealed&)>& visit);
  void VisitFeedRows(const std::function<void(const StoredFeedRow&)>& visit);
  void VisitWordRows(const std::function<void(const StoredWordRow&)>& visit);
  // Of any schema: the proved tables that the database has.
  void VisitProvedRows(const std::function<void(const StoredProvedRow&)>& visit);
  // Patients whose tokens the record locator is yet to be given.
  [[nodiscard]] std::set<std::string> PatientsToLocate();
  void VisitConsentVersions(const std::function<void(const StoredConsentVersion&)>& visit);

  // Of the network database's savings projection.
  void VisitPostings(const std::function<void(const StoredPosting&)>& visit);
  // Tenants with a posting whose entry's index is not known yet.
  [[nodiscard]] std::vector<std::string> TenantsWithWaitingPostings();
  void VisitAvoidances(const std::function<void(const StoredAvoidance&)>& visit);
  // Copies of tenants' feed rows, with the tenant's name.
  void VisitFeedCopies(const std::function<void(const std::string& tenant, const StoredFeedRow&)>& visit);
  // The same of their nodes' words.
  void VisitWordCopies(const std::function<void(const std::string& tenant, const StoredWordRow&)>& visit);

  // Of a key store.
  void VisitShards(const std::function<void(const StoredWrappedKey&)>& visit);
  void VisitPatientKeys(const std::function<void(const StoredWrappedKey&)>& visit);

 private:
  [[nodiscard]] bool HasTable(const char* name);

  tenants::ReadTransaction& transaction_;
};

}  // namespace custodian::log

#endif  // CUSTODIAN_SERVICES_LOG_AUDIT_STORE_H_

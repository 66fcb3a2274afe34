// Puts back what a database lost of what is sealed beside its log: records, which patients there are, wrapped keys, and the work that must follow. SQL only;
// what is put back was checked against the log by the caller. A row that is there as it should be is left alone, an altered one is replaced, so that
// everything here may be done again. Borrows a transaction; used by one thread.
#ifndef CUSTODIAN_SERVICES_LOG_REFILL_STORE_H_
#define CUSTODIAN_SERVICES_LOG_REFILL_STORE_H_

#include <cstdint>
#include <span>
#include <string>

#include "ledger/sealed_items.h"
#include "tenants/transaction.h"

namespace custodian::log {

// A sealed record or wrapped key as an entry names it.
struct ReturnedItem {
  ledger::SealedName name;
  std::string sealed;
  // Of a record: whose it is, when its entry was written (network time, Unix milliseconds), and whether the entry proves that it is the record
  // of the patient's Patient resource (a row of exchange.patient).
  std::string patient_id;
  std::int64_t arrived_ms = 0;
  bool is_patient = false;
};

class RefillStore {
 public:
  explicit RefillStore(tenants::WriteTransaction& transaction) : transaction_(transaction) {}

  // Into a tenant's record database; how many records were missing or altered. What follows from a write of the patients concerned is put into the outbox again:
  // its handlers may run any number of times.
  [[nodiscard]] std::uint64_t PutRecords(std::span<const ReturnedItem> items);
  // Into its key store; how many keys were missing or altered. A key that is there in a later epoch is left alone, and one whose shard is not there is
  // not put back.
  [[nodiscard]] std::uint64_t PutKeys(std::span<const ReturnedItem> items);

 private:
  void PutPatients(std::span<const ReturnedItem> items);

  tenants::WriteTransaction& transaction_;
};

}  // namespace custodian::log

#endif  // CUSTODIAN_SERVICES_LOG_REFILL_STORE_H_

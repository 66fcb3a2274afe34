// Sealed records as a mirror is given them: by the ids and versions that entries name. SQL only. Borrows a transaction; used by one thread.
#ifndef CUSTODIAN_SERVICES_LOG_SEALED_STORE_H_
#define CUSTODIAN_SERVICES_LOG_SEALED_STORE_H_

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>

#include "ledger/sealed_items.h"
#include "tenants/transaction.h"

namespace custodian::log {

class SealedStore {
 public:
  explicit SealedStore(tenants::ReadTransaction& transaction) : transaction_(transaction) {}

  // Record id and version.
  using Version = std::pair<std::string, std::uint64_t>;
  struct Record {
    std::string patient_id;
    std::string sealed;
  };
  // Bytes of each that is stored; names of keys are passed over.
  [[nodiscard]] std::map<Version, std::uint64_t> Sizes(std::span<const ledger::SealedName> names);
  [[nodiscard]] std::map<Version, Record> Read(std::span<const ledger::SealedName> names);

 private:
  tenants::ReadTransaction& transaction_;
};

}  // namespace custodian::log

#endif  // CUSTODIAN_SERVICES_LOG_SEALED_STORE_H_

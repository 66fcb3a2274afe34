// What lies beside a partition's entries, page by page, for the tenant's own mirror: sealed records as stored, and wrapped keys as the key process hands
// them over. In the order of the log, from any position on, so that whoever was interrupted goes on where it was. Thread-safe; reads the database.
#ifndef CUSTODIAN_SERVICES_LOG_SEALED_PAGES_H_
#define CUSTODIAN_SERVICES_LOG_SEALED_PAGES_H_

#include <atomic>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "ledger/sealed_items.h"
#include "services/keys/wrapped_keys.h"
#include "tenants/partitions.h"

namespace custodian::log {

class SealedPages {
 public:
  // `custodian` is the author of what names sealed things. Borrowed things outlive it.
  SealedPages(const tenants::Partitions& partitions, keys::WrappedKeys& keys, std::string custodian)
      : partitions_(partitions), keys_(keys), custodian_(std::move(custodian)) {}

  // A serialized ledger.v1.SealedPage of the log of `origin`, below ledger::kSealedPageBytesMax or of one record; what the database does not hold is left
  // out. NotFound for a log that is no partition's here, OutOfRange past the log's end, ResourceExhausted when others are being made.
  [[nodiscard]] absl::StatusOr<std::string> Make(std::string_view origin, const ledger::SealedPath& from);

 private:
  [[nodiscard]] absl::StatusOr<std::string> MakePage(const tenants::Partition& partition, const ledger::SealedPath& from);
  // Adds items until the page is full; false then.
  [[nodiscard]] absl::StatusOr<bool> Add(const tenants::Partition& partition, const std::vector<ledger::SealedName>& names, ledger::v1::SealedPage& page,
                                         std::size_t& bytes);

  const tenants::Partitions& partitions_;
  keys::WrappedKeys& keys_;
  const std::string custodian_;
  std::atomic<int> at_once_ = 0;
};

}  // namespace custodian::log

#endif  // CUSTODIAN_SERVICES_LOG_SEALED_PAGES_H_

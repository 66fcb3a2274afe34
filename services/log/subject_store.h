// A partition's map of subjects in its database (migration 400): its state, its pages, and where each subject's entries lie. SQL only; what
// the pages prove, ledger/subject_map checks. Borrows a transaction; used by one thread.
#ifndef CUSTODIAN_SERVICES_LOG_SUBJECT_STORE_H_
#define CUSTODIAN_SERVICES_LOG_SUBJECT_STORE_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ledger/subject_map.h"
#include "tenants/transaction.h"

namespace custodian::log {

struct SubjectMapState {
  // Entries that were taken in, and the root they make.
  std::uint64_t size = 0;
  ledger::Hash root{};
  // The newest SUBJECT_MAP entry of the log.
  struct Entered {
    std::uint64_t size = 0;
    ledger::Hash root{};
    std::uint64_t index = 0;
  };
  std::optional<Entered> entered;
};

// DataLoss when it cannot be understood.
[[nodiscard]] absl::StatusOr<SubjectMapState> ReadSubjectMap(tenants::ReadTransaction& transaction);
// The same; nobody else changes it before this transaction ends.
[[nodiscard]] absl::StatusOr<SubjectMapState> LockSubjectMap(tenants::WriteTransaction& transaction);
void StoreSubjectMap(tenants::WriteTransaction& transaction, const SubjectMapState& state);
// Forgets all of it, to begin anew; which maps were entered, the log says.
void ClearSubjectMap(tenants::WriteTransaction& transaction);

// Subject and index of entries. One that is there already stays.
void AddSubjectEntries(tenants::WriteTransaction& transaction, const std::vector<std::pair<std::string, std::uint64_t>>& entries);
// Indexes of the subject's entries below `size`, ascending, at most `limit`.
[[nodiscard]] std::vector<std::uint64_t> SubjectEntries(tenants::ReadTransaction& transaction, const std::string& subject, std::uint64_t size,
                                                        std::size_t limit);

class StoredSubjectPages final : public ledger::SubjectPages {
 public:
  // To read only: Write() is refused.
  explicit StoredSubjectPages(tenants::ReadTransaction& transaction) : reading_(transaction) {}
  explicit StoredSubjectPages(tenants::WriteTransaction& transaction) : reading_(transaction), writing_(&transaction) {}

  [[nodiscard]] absl::StatusOr<std::map<std::string, std::string>> Read(const std::vector<std::string>& prefixes) override;
  [[nodiscard]] absl::Status Write(const std::map<std::string, std::string>& pages) override;

 private:
  tenants::ReadTransaction& reading_;
  tenants::WriteTransaction* writing_ = nullptr;
};

}  // namespace custodian::log

#endif  // CUSTODIAN_SERVICES_LOG_SUBJECT_STORE_H_

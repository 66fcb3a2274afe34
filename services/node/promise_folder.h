// The promises that a tenant's authors were given (ledger/promise.h), saved in a folder as "*.promise": whoever follows the log holds it to them.
// Files are only read. For one thread.
#ifndef CUSTODIAN_SERVICES_NODE_PROMISE_FOLDER_H_
#define CUSTODIAN_SERVICES_NODE_PROMISE_FOLDER_H_

#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "ledger/audit_tiles.h"
#include "ledger/roster.h"

namespace custodian::node {

class PromiseFolder {
 public:
  explicit PromiseFolder(std::string folder) : folder_(std::move(folder)) {}

  // What is wrong with those of the log of `believed`, by file; a promise that proves nothing is named too. One that was kept is not looked at
  // again. Unavailable when the folder or the log cannot be read.
  [[nodiscard]] absl::StatusOr<std::vector<std::string>> Judge(const ledger::RosterHistory& governance, const ledger::BelievedCheckpoint& believed,
                                                               absl::Time now, const ledger::ByteSource& read);

 private:
  const std::string folder_;
  // Files of this or another log that need no second look.
  std::set<std::string> kept_;
};

}  // namespace custodian::node

#endif  // CUSTODIAN_SERVICES_NODE_PROMISE_FOLDER_H_

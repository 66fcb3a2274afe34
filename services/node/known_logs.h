// The logs a witness knows: a text file of verifier keys, read again when it changes, so that the operator adds a newly admitted
// partition by adding a line. Thread-safe.
#ifndef CUSTODIAN_SERVICES_NODE_KNOWN_LOGS_H_
#define CUSTODIAN_SERVICES_NODE_KNOWN_LOGS_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "ledger/checkpoint.h"

namespace custodian::node {

// A verifier key a line; empty lines and lines that begin with '#' are skipped. A tlog-policy serves too: of its lines only those
// that name logs count. InvalidArgument naming the line.
[[nodiscard]] absl::StatusOr<std::multimap<std::string, ledger::NoteVerifier>> ParseLogs(std::string_view text);

class KnownLogs {
 public:
  explicit KnownLogs(std::string file) : file_(std::move(file)) {}

  // Reads the file; what is wrong with it.
  [[nodiscard]] absl::Status Load();
  // Keys trusted for the origin, none when it is unknown. Looks at the file first; one that became unreadable or wrong changes
  // nothing (and is logged once).
  [[nodiscard]] std::vector<ledger::NoteVerifier> Find(const std::string& origin);

 private:
  // Inode, size, modification time: changes whenever the file does.
  using Stamp = std::tuple<std::uint64_t, std::uint64_t, std::int64_t>;
  [[nodiscard]] absl::Status LoadLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string file_;
  absl::Mutex mutex_;
  Stamp stamp_ ABSL_GUARDED_BY(mutex_);
  std::multimap<std::string, ledger::NoteVerifier> logs_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace custodian::node

#endif  // CUSTODIAN_SERVICES_NODE_KNOWN_LOGS_H_

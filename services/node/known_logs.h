// The logs a witness knows: a text file, read again when it changes, and the logs that a governance log admitted
// (admitted_logs.h). Thread-safe.
#ifndef CUSTODIAN_SERVICES_NODE_KNOWN_LOGS_H_
#define CUSTODIAN_SERVICES_NODE_KNOWN_LOGS_H_

#include <cstdint>
#include <functional>
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

// Keys by origin.
using LogKeys = std::multimap<std::string, ledger::NoteVerifier, std::less<>>;

// A log a line, by its verifier key; the key's name is the log's origin. Empty lines and lines that begin with '#' are skipped. Two
// other formats serve too: a tlog-policy, of which only the lines that name logs count, and the log list "logs/v0" of the
// transparency-dev/witness-network, whose logs may have another origin than their key's name. A key of a signature type that is not
// understood here is left out, with a warning. InvalidArgument naming the line.
[[nodiscard]] absl::StatusOr<LogKeys> ParseLogs(std::string_view text);

class KnownLogs {
 public:
  explicit KnownLogs(std::string file) : file_(std::move(file)) {}

  // Reads the file; what is wrong with it.
  [[nodiscard]] absl::Status Load();
  // Keys trusted for the origin, none when it is unknown. Looks at the file first; one that became unreadable or wrong changes
  // nothing (and is logged once).
  [[nodiscard]] std::vector<ledger::NoteVerifier> Find(std::string_view origin);
  // Those that the file itself names.
  [[nodiscard]] std::vector<ledger::NoteVerifier> FindInFile(std::string_view origin);
  // Replaces what was admitted. Of an origin that the file names only the file's keys count.
  void SetAdmitted(LogKeys admitted);
  // Called when Find() knows nothing; must return at once. Before others use this object.
  void OnUnknown(std::function<void()> callback) { on_unknown_ = std::move(callback); }

 private:
  // Inode, size, modification time: changes whenever the file does.
  using Stamp = std::tuple<std::uint64_t, std::uint64_t, std::int64_t>;
  [[nodiscard]] absl::Status LoadLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string file_;
  std::function<void()> on_unknown_;
  absl::Mutex mutex_;
  Stamp stamp_ ABSL_GUARDED_BY(mutex_);
  LogKeys logs_ ABSL_GUARDED_BY(mutex_);
  LogKeys admitted_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace custodian::node

#endif  // CUSTODIAN_SERVICES_NODE_KNOWN_LOGS_H_

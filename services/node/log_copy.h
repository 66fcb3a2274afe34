// One log's tiles and entry bundles as files, under the paths of C2SP tlog-tiles, so that any web server could serve the folder. Bytes
// only: what they prove is the caller's to check. A write replaces a file whole and is on disk once Sync() has returned; a crash
// before that may leave it old, new, empty or absent. Thread-safe for different paths; callers serialize writes of one path.
#ifndef CUSTODIAN_SERVICES_NODE_LOG_COPY_H_
#define CUSTODIAN_SERVICES_NODE_LOG_COPY_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ledger/tiles.h"

namespace custodian::node {

class LogCopy {
 public:
  // Makes the folder (mode 0700) when it is missing; the folder above it must be there.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<LogCopy>> Open(std::string folder);
  ~LogCopy();
  LogCopy(const LogCopy&) = delete;
  LogCopy& operator=(const LogCopy&) = delete;

  // NotFound when there is none; Unavailable when the disk refuses.
  [[nodiscard]] absl::StatusOr<std::string> Read(const ledger::TilePath& path) const;
  [[nodiscard]] absl::Status Write(const ledger::TilePath& path, const std::string& bytes) const;
  // Widths of the partial bundles of entries that begin at `index` * 256, the widest last.
  [[nodiscard]] std::vector<unsigned> PartialBundles(std::uint64_t index) const;
  // Everything written so far is on disk. Unavailable when it is not: then none of it may be relied on.
  [[nodiscard]] absl::Status Sync() const;
  // Nothing happens when there is none. What cannot be removed stays, and is only litter.
  void Remove(const ledger::TilePath& path) const;

  [[nodiscard]] const std::string& folder() const { return folder_; }

 private:
  LogCopy(std::string folder, int descriptor) : folder_(std::move(folder)), descriptor_(descriptor) {}

  std::string folder_;
  int descriptor_;
};

}  // namespace custodian::node

#endif  // CUSTODIAN_SERVICES_NODE_LOG_COPY_H_

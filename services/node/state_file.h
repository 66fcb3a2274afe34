// What a node must never forget: one small file per log, replaced whole. A write is durable before it returns: the new file is
// written and fsynced beside the old one, renamed over it, and the folder fsynced. A crash leaves the old file or the new one,
// and perhaps a ".new" file that nobody reads. Holds the folder's lock, so that two processes never share it. Thread-safe for
// different names; callers serialize writes of one name.
#ifndef CUSTODIAN_SERVICES_NODE_STATE_FILE_H_
#define CUSTODIAN_SERVICES_NODE_STATE_FILE_H_

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace custodian::node {

// Replaces the file `name` of a folder, open as `folder`, as said above. Unavailable when the disk refuses.
[[nodiscard]] absl::Status ReplaceFile(int folder, const std::string& folder_path, const std::string& name, std::string_view bytes);

class StateDirectory {
 public:
  // Makes the folder (mode 0700) when it is missing. FailedPrecondition when another process holds it.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<StateDirectory>> Open(const std::string& path);
  ~StateDirectory();
  StateDirectory(const StateDirectory&) = delete;
  StateDirectory& operator=(const StateDirectory&) = delete;

  // Every file's name and bytes.
  [[nodiscard]] absl::StatusOr<std::map<std::string, std::string>> ReadAll() const;
  // InvalidArgument unless the name is lower-case hex. Unavailable when the disk refuses; then the old bytes or the new ones
  // count after a crash, and callers must not act on the new ones.
  [[nodiscard]] absl::Status Write(std::string_view name, std::string_view bytes) const;

 private:
  StateDirectory(std::string path, int folder, int lock) : path_(std::move(path)), folder_(folder), lock_(lock) {}

  std::string path_;
  int folder_;
  int lock_;
};

}  // namespace custodian::node

#endif  // CUSTODIAN_SERVICES_NODE_STATE_FILE_H_

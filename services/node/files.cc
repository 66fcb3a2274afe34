#include "services/node/files.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace custodian::node {

absl::Status Errno(const std::string& what) {
  const std::string why = std::strerror(errno);  // NOLINT(concurrency-mt-unsafe): glibc's is safe for known errors
  return absl::UnavailableError(what + ": " + why);
}

absl::Status WriteAll(int file, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return Errno("cannot write " + path);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return absl::OkStatus();
}

}  // namespace custodian::node

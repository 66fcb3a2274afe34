#include "services/keys/state_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "fmt/format.h"

namespace custodian::keys {
namespace {

absl::Status Failed(const char* what, const std::string& path) {
  const std::string message = fmt::format("cannot {} {}: {}", what, path, std::strerror(errno));
  return errno == ENOENT ? absl::NotFoundError(message) : absl::UnavailableError(message);
}

class File {
 public:
  explicit File(int descriptor) : descriptor_(descriptor) {}
  ~File() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  [[nodiscard]] int descriptor() const { return descriptor_; }

 private:
  const int descriptor_;
};

absl::Status WriteAll(int descriptor, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return Failed("write", path);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> ReadStateFile(const std::string& path) {
  const File file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.descriptor() < 0) return Failed("read", path);
  std::string bytes;
  char part[4096];
  while (true) {
    const ssize_t got = read(file.descriptor(), part, sizeof part);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Failed("read", path);
    if (got == 0) return bytes;
    bytes.append(part, static_cast<std::size_t>(got));
  }
}

absl::Status WriteStateFile(const std::string& path, std::string_view bytes) {
  const std::string fresh = path + ".new";
  {
    const File file(open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (file.descriptor() < 0) return Failed("write", fresh);
    if (auto status = WriteAll(file.descriptor(), bytes, fresh); !status.ok()) return status;
    if (fsync(file.descriptor()) != 0) return Failed("sync", fresh);
  }
  if (std::rename(fresh.c_str(), path.c_str()) != 0) return Failed("replace", path);
  const std::string directory = std::filesystem::path(path).parent_path().string();
  const File folder(open(directory.empty() ? "." : directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.descriptor() < 0 || fsync(folder.descriptor()) != 0) return Failed("sync", directory);
  return absl::OkStatus();
}

}  // namespace custodian::keys

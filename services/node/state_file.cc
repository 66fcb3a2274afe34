#include "services/node/state_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

#include "services/node/files.h"

namespace custodian::node {
namespace {

constexpr char kLockName[] = "lock";
constexpr std::string_view kNewSuffix = ".new";

bool IsHex(std::string_view name) {
  return !name.empty() && name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

absl::Status WriteAndSync(int file, std::string_view bytes, const std::string& path) {
  if (absl::Status status = WriteAll(file, bytes, path); !status.ok()) return status;
  return ::fsync(file) == 0 ? absl::OkStatus() : Errno("cannot sync " + path);
}

}  // namespace

absl::Status ReplaceFile(int folder, const std::string& folder_path, const std::string& name, std::string_view bytes) {
  const std::string fresh = name + std::string(kNewSuffix);
  const int file = ::openat(folder, fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) return Errno("cannot make " + folder_path + "/" + fresh);
  absl::Status status = WriteAndSync(file, bytes, folder_path + "/" + fresh);
  if (::close(file) != 0 && status.ok()) status = Errno("cannot close " + folder_path + "/" + fresh);
  if (!status.ok()) return status;
  if (::renameat(folder, fresh.c_str(), folder, name.c_str()) != 0) return Errno("cannot rename " + folder_path + "/" + fresh);
  // Until the folder is on disk a power cut may bring the old file back.
  if (::fsync(folder) != 0) return Errno("cannot sync " + folder_path);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<StateDirectory>> StateDirectory::Open(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return Errno("cannot make folder " + path);
  const int folder = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return Errno("cannot open folder " + path);
  const int lock = ::openat(folder, kLockName, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock < 0 || ::flock(lock, LOCK_EX | LOCK_NB) != 0) {
    const absl::Status status = errno == EWOULDBLOCK
                                    ? absl::FailedPreconditionError("another process uses " + path + "; stop it first")
                                    : Errno("cannot lock " + path);
    if (lock >= 0) ::close(lock);
    ::close(folder);
    return status;
  }
  return std::unique_ptr<StateDirectory>(new StateDirectory(path, folder, lock));
}

StateDirectory::~StateDirectory() {
  ::close(lock_);
  ::close(folder_);
}

absl::StatusOr<std::map<std::string, std::string>> StateDirectory::ReadAll() const {
  std::map<std::string, std::string> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(path_, error)) {
    const std::string name = entry.path().filename();
    if (!IsHex(name)) continue;
    std::ifstream file(entry.path(), std::ios::binary);
    std::string bytes((std::istreambuf_iterator<char>(file)), {});
    if (!file) return absl::UnavailableError("cannot read " + entry.path().string());
    files.emplace(name, std::move(bytes));
  }
  if (error) return absl::UnavailableError("cannot list " + path_ + ": " + error.message());
  return files;
}

absl::Status StateDirectory::Write(std::string_view name, std::string_view bytes) const {
  if (!IsHex(name)) return absl::InvalidArgumentError("a state file's name is lower-case hex");
  return ReplaceFile(folder_, path_, std::string(name), bytes);
}

}  // namespace custodian::node

#include "services/node/log_copy.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "services/node/files.h"

namespace custodian::node {

absl::StatusOr<std::unique_ptr<LogCopy>> LogCopy::Open(std::string folder) {
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return Errno("cannot make folder " + folder);
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return Errno("cannot open folder " + folder);
  return std::unique_ptr<LogCopy>(new LogCopy(std::move(folder), descriptor));
}

LogCopy::~LogCopy() { ::close(descriptor_); }

absl::StatusOr<std::string> LogCopy::Read(const ledger::TilePath& path) const {
  const std::string name = folder_ + "/" + path.ToString();
  const int file = ::open(name.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return errno == ENOENT || errno == ENOTDIR ? absl::NotFoundError(name + " is not there") : Errno("cannot open " + name);
  std::string bytes;
  char part[65'536];
  ssize_t count = 0;
  while ((count = ::read(file, part, sizeof part)) != 0) {
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) break;
    bytes.append(part, static_cast<std::size_t>(count));
  }
  const absl::Status status = count < 0 ? Errno("cannot read " + name) : absl::OkStatus();
  ::close(file);
  if (!status.ok()) return status;
  return bytes;
}

absl::Status LogCopy::Write(const ledger::TilePath& path, const std::string& bytes) const {
  const std::string name = folder_ + "/" + path.ToString();
  const std::string fresh = name + ".new";
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(name).parent_path(), error);
  if (error) return absl::UnavailableError("cannot make the folder of " + name + ": " + error.message());
  const int file = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) return Errno("cannot make " + fresh);
  absl::Status status = WriteAll(file, bytes, fresh);
  if (::close(file) != 0 && status.ok()) status = Errno("cannot close " + fresh);
  if (!status.ok()) return status;
  return ::rename(fresh.c_str(), name.c_str()) == 0 ? absl::OkStatus() : Errno("cannot rename " + fresh);
}

std::vector<unsigned> LogCopy::PartialBundles(std::uint64_t index) const {
  // "tile/entries/x001/067.p/1" without the width, whatever the index.
  const std::string any = ledger::TilePath{true, 0, index, 1}.ToString();
  const std::string prefix = any.substr(0, any.rfind('/') + 1);
  std::vector<unsigned> widths;
  std::error_code none;
  for (const auto& file : std::filesystem::directory_iterator(folder_ + "/" + prefix, none)) {
    const absl::StatusOr<ledger::TilePath> path = ledger::TilePath::Parse(prefix + file.path().filename().string());
    if (path.ok()) widths.push_back(path->width);
  }
  std::sort(widths.begin(), widths.end());
  return widths;
}

// One call for all files and folders, where a call for each would wait for the disk thousands of times.
absl::Status LogCopy::Sync() const { return ::syncfs(descriptor_) == 0 ? absl::OkStatus() : Errno("cannot sync " + folder_); }

void LogCopy::Remove(const ledger::TilePath& path) const {
  const std::filesystem::path name = folder_ + "/" + path.ToString();
  std::error_code ignored;
  std::filesystem::remove(name, ignored);
  // Of a partial tile: the folder "<N>.p", once it is empty.
  if (path.width < ledger::kTileWidth) std::filesystem::remove(name.parent_path(), ignored);
}

}  // namespace custodian::node

#include "services/node/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace custodian::node {

absl::StatusOr<void*> MapNamelessFile(const std::string& folder, std::size_t bytes) {
  std::string name = folder + "/table.XXXXXX";
  const int file = ::mkostemp(name.data(), O_CLOEXEC);
  if (file < 0) return absl::UnavailableError("cannot make a file in " + folder + ": " + std::strerror(errno));  // NOLINT(concurrency-mt-unsafe)
  ::unlink(name.c_str());
  const int error = ::posix_fallocate(file, 0, static_cast<off_t>(bytes));
  void* mapped = error == 0 ? ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0) : MAP_FAILED;
  const absl::Status status = mapped != MAP_FAILED
                                  ? absl::OkStatus()
                                  : absl::UnavailableError("no room for a table of " + std::to_string(bytes) + " bytes in " + folder);
  ::close(file);
  if (!status.ok()) return status;
  return mapped;
}

}  // namespace custodian::node

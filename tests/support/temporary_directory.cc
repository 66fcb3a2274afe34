#include "tests/support/temporary_directory.h"

#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace custodian::testing {

TemporaryDirectory::TemporaryDirectory() : path_("/tmp/custodian-XXXXXX") {
  if (mkdtemp(path_.data()) == nullptr) throw std::system_error(errno, std::generic_category(), "mkdtemp");
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TemporaryDirectory::Join(std::string_view name) const { return path_ + "/" + std::string(name); }

}  // namespace custodian::testing

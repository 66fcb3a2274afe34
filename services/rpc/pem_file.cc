#include "services/rpc/pem_file.h"

#include <fstream>
#include <iterator>

#include "absl/strings/str_cat.h"

namespace custodian::rpc {

absl::StatusOr<std::string> ReadPem(const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream) return absl::NotFoundError(absl::StrCat("cannot open '", file, "'"));
  std::string bytes{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  if (bytes.find("-----BEGIN ") == std::string::npos) return absl::InvalidArgumentError(absl::StrCat("no PEM in '", file, "'"));
  return bytes;
}

}  // namespace custodian::rpc

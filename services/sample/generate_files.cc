#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "services/sample/generate.h"

namespace custodian::sample {
namespace {

namespace fs = std::filesystem;

absl::Status WriteFile(const fs::path& path, const std::string& bytes) {
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  if (error) return absl::UnavailableError(absl::StrCat("cannot create ", path.parent_path().string(), ": ", error.message()));
  // Renamed into place, so that a reader never sees half a file.
  const fs::path unfinished = path.string() + ".new";
  std::ofstream out(unfinished, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  out.close();
  if (!out) return absl::UnavailableError(absl::StrCat("cannot write ", unfinished.string()));
  fs::rename(unfinished, path, error);
  if (error) return absl::UnavailableError(absl::StrCat("cannot write ", path.string(), ": ", error.message()));
  return absl::OkStatus();
}

std::string Read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << in.rdbuf();
  return bytes.str();
}

}  // namespace

absl::Status WritePopulation(const Population& population, const std::string& folder) {
  constexpr char kName[] = "population.json";
  const fs::path root(folder);
  std::error_code error;
  if (fs::exists(root, error) && !fs::is_directory(root, error)) {
    return absl::FailedPreconditionError(absl::StrCat(folder, " is not a folder"));
  }
  const bool empty = !fs::exists(root, error) || fs::is_empty(root, error);
  if (error) return absl::UnavailableError(absl::StrCat("cannot look into ", folder, ": ", error.message()));
  const std::string& description = population.files.at(kName);
  if (!empty && Read(root / kName) != description) {
    return absl::FailedPreconditionError(
        absl::StrCat(folder, " is not empty and holds no population of these options; name another folder"));
  }
  // First what says whose folder it is: a run that was killed is then taken up again.
  if (absl::Status status = WriteFile(root / kName, description); !status.ok()) return status;
  for (const auto& [path, bytes] : population.files) {
    if (path == kName || Read(root / path) == bytes) continue;
    if (absl::Status status = WriteFile(root / path, bytes); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace custodian::sample

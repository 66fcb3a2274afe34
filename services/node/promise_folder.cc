#include "services/node/promise_folder.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

#include "ledger/promise_audit.h"

namespace custodian::node {
namespace {

constexpr std::size_t kFilesMax = 100'000;
constexpr std::size_t kFileBytesMax = 16'384;

absl::StatusOr<ledger::SignedPromise> ReadPromise(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(kFileBytesMax + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad() || !file.is_open()) return absl::UnavailableError(path.string() + " cannot be read");
  text.resize(static_cast<std::size_t>(file.gcount()));
  return ledger::SignedPromise::Parse(text);
}

std::string Told(const std::string& file, ledger::PromiseVerdict verdict, const ledger::BelievedCheckpoint& believed) {
  return file + ": " + std::string(ledger::VerdictName(verdict)) + " (checkpoint of size " + std::to_string(believed.checkpoint.size) + ")";
}

}  // namespace

absl::StatusOr<std::vector<std::string>> PromiseFolder::Judge(const ledger::RosterHistory& governance, const ledger::BelievedCheckpoint& believed,
                                                              absl::Time now, const ledger::ByteSource& read) {
  std::vector<std::string> wrong;
  std::error_code error;
  std::size_t seen = 0;
  for (auto file = std::filesystem::directory_iterator(folder_, error); !error && file != std::filesystem::directory_iterator(); file.increment(error)) {
    const std::string name = file->path().filename().string();
    if (file->path().extension() != ".promise" || kept_.contains(name)) continue;
    if (++seen > kFilesMax) return absl::ResourceExhaustedError(folder_ + " has more than 100,000 promises that were not kept yet");
    const auto promise = ReadPromise(file->path());
    if (absl::IsUnavailable(promise.status())) return promise.status();
    if (!promise.ok()) {
      wrong.push_back(name + ": " + std::string(promise.status().message()));
      continue;
    }
    // Another log's, which whoever follows that one judges.
    if (promise->promise.origin != believed.checkpoint.origin) continue;
    if (const absl::Status status = promise->Verify(governance); !status.ok()) {
      wrong.push_back(name + ": " + std::string(status.message()));
      continue;
    }
    const auto verdict = ledger::JudgePromise(promise->promise, believed, now, read);
    if (!verdict.ok()) return verdict.status();
    if (*verdict == ledger::PromiseVerdict::kKept) kept_.insert(name);
    if (ledger::IsBroken(*verdict)) wrong.push_back(Told(name, *verdict, believed));
  }
  if (error) return absl::UnavailableError(folder_ + ": " + error.message());
  return wrong;
}

}  // namespace custodian::node

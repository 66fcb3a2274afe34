#include "services/node/known_logs.h"

#include <sys/stat.h>

#include <fstream>
#include <iterator>
#include <sstream>
#include <utility>

#include "spdlog/spdlog.h"

namespace custodian::node {

absl::StatusOr<std::multimap<std::string, ledger::NoteVerifier>> ParseLogs(std::string_view text) {
  std::multimap<std::string, ledger::NoteVerifier> logs;
  std::istringstream lines{std::string(text)};
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    std::istringstream words(line);
    std::string word;
    if (!(words >> word) || word[0] == '#' || word == "witness" || word == "group" || word == "quorum") continue;
    if (word == "log" && !(words >> word)) word.clear();
    absl::StatusOr<ledger::NoteVerifier> key = ledger::NoteVerifier::Parse(word);
    if (key.ok() && key->algorithm() != ledger::kNoteEd25519)
      key = absl::InvalidArgumentError("a log's key must be of signature type 1");
    if (!key.ok())
      return absl::InvalidArgumentError("line " + std::to_string(number) + ": " + std::string(key.status().message()));
    logs.emplace(key->name(), *key);
  }
  return logs;
}

absl::Status KnownLogs::Load() {
  const absl::MutexLock lock(&mutex_);
  return LoadLocked();
}

std::vector<ledger::NoteVerifier> KnownLogs::Find(const std::string& origin) {
  const absl::MutexLock lock(&mutex_);
  if (const absl::Status status = LoadLocked(); !status.ok())
    spdlog::error("event=logs_file_unusable reason=\"{}\"", std::string(status.message()));
  std::vector<ledger::NoteVerifier> keys;
  for (auto [at, end] = logs_.equal_range(origin); at != end; ++at) keys.push_back(at->second);
  return keys;
}

absl::Status KnownLogs::LoadLocked() {
  struct stat info {};
  if (::stat(file_.c_str(), &info) != 0) {
    if (std::exchange(stamp_, Stamp()) == Stamp() && !logs_.empty()) return absl::OkStatus();
    return absl::NotFoundError("there is no file '" + file_ + "'");
  }
  const Stamp stamp{info.st_ino, static_cast<std::uint64_t>(info.st_size),
                    info.st_mtim.tv_sec * 1'000'000'000 + info.st_mtim.tv_nsec};
  if (stamp == stamp_) return absl::OkStatus();
  std::ifstream file(file_, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  if (!file) return absl::PermissionDeniedError("'" + file_ + "' cannot be read");
  stamp_ = stamp;
  absl::StatusOr<std::multimap<std::string, ledger::NoteVerifier>> logs = ParseLogs(text);
  if (!logs.ok()) return absl::InvalidArgumentError("'" + file_ + "', " + std::string(logs.status().message()));
  logs_ = *std::move(logs);
  return absl::OkStatus();
}

}  // namespace custodian::node

#include "services/node/known_logs.h"

#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <utility>

#include "spdlog/spdlog.h"

namespace custodian::node {

namespace {

// Lines of other formats that name no log.
bool IsOfNoLog(const std::string& word) {
  static const std::set<std::string> kWords = {"witness", "group", "quorum", "logs/v0", "qpd", "bastion", "contact"};
  return kWords.contains(word);
}

std::vector<ledger::NoteVerifier> KeysOf(const LogKeys& logs, std::string_view origin) {
  std::vector<ledger::NoteVerifier> keys;
  for (auto [at, end] = logs.equal_range(origin); at != end; ++at) keys.push_back(at->second);
  return keys;
}

// "origin <the log's origin>" of a log list says it of the log above; it may have spaces.
absl::Status Rename(LogKeys& logs, LogKeys::iterator& last, const std::string& line) {
  const std::string origin = line.substr(std::min(line.find("origin ") + 7, line.size()));
  if (origin.empty()) return absl::InvalidArgumentError("want: origin none or a log's origin");
  if (origin == "none" || last == logs.end()) return absl::OkStatus();
  LogKeys::node_type node = logs.extract(last);
  node.key() = origin;
  last = logs.insert(std::move(node));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<LogKeys> ParseLogs(std::string_view text) {
  LogKeys logs;
  // The log of the last line that named one; none when it was left out.
  LogKeys::iterator last = logs.end();
  std::istringstream lines{std::string(text)};
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    std::istringstream words(line);
    std::string word;
    if (!(words >> word) || word[0] == '#' || IsOfNoLog(word)) continue;
    absl::Status status;
    if (word == "origin") {
      status = Rename(logs, last, line);
    } else {
      if ((word == "log" || word == "vkey") && !(words >> word)) word.clear();
      const absl::StatusOr<ledger::NoteVerifier> key = ledger::NoteVerifier::Parse(word);
      last = key.ok() ? logs.emplace(key->name(), *key) : logs.end();
      if (absl::IsUnimplemented(key.status()))
        spdlog::warn("event=log_left_out line={} reason=\"{}\"", number, std::string(key.status().message()));
      else
        status = key.status();
    }
    if (!status.ok()) return absl::InvalidArgumentError("line " + std::to_string(number) + ": " + std::string(status.message()));
  }
  return logs;
}

absl::Status KnownLogs::Load() {
  const absl::MutexLock lock(&mutex_);
  return LoadLocked();
}

std::vector<ledger::NoteVerifier> KnownLogs::FindInFile(std::string_view origin) {
  const absl::MutexLock lock(&mutex_);
  if (const absl::Status status = LoadLocked(); !status.ok())
    spdlog::error("event=logs_file_unusable reason=\"{}\"", std::string(status.message()));
  return KeysOf(logs_, origin);
}

std::vector<ledger::NoteVerifier> KnownLogs::Find(std::string_view origin) {
  std::vector<ledger::NoteVerifier> keys = FindInFile(origin);
  if (!keys.empty()) return keys;
  {
    const absl::MutexLock lock(&mutex_);
    keys = KeysOf(admitted_, origin);
  }
  if (keys.empty() && on_unknown_) on_unknown_();
  return keys;
}

void KnownLogs::SetAdmitted(LogKeys admitted) {
  const absl::MutexLock lock(&mutex_);
  admitted_ = std::move(admitted);
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
  absl::StatusOr<LogKeys> logs = ParseLogs(text);
  if (!logs.ok()) return absl::InvalidArgumentError("'" + file_ + "', " + std::string(logs.status().message()));
  logs_ = *std::move(logs);
  return absl::OkStatus();
}

}  // namespace custodian::node

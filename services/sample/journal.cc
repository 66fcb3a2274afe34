#include "services/sample/journal.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "rapidjson/document.h"
#include "services/sample/generate_json.h"

namespace custodian::sample {
namespace {

absl::Status Failed(const std::string& what, const std::string& path) {
  return absl::UnavailableError(absl::StrCat("cannot ", what, " ", path, ": ", std::strerror(errno)));
}

std::string Head(const std::string& events_sha256) { return Object({{"events", Text(events_sha256)}, {"format", "1"}}) + "\n"; }

std::string LineText(const JournalLine& line) {
  std::vector<std::string> cards;
  for (const ShownCard& card : line.cards) {
    std::vector<std::string> reasons;
    for (const std::string& reason : card.override_reasons) reasons.push_back(Text(reason));
    cards.push_back(Object({{"id", Text(card.id)}, {"delete", Text(card.delete_suggestion)}, {"reasons", Array(reasons)}}));
  }
  return Object({{"seq", Number(line.sequence)}, {"status", Number(line.status)}, {"cards", Array(cards)}}) + "\n";
}

std::optional<JournalLine> ParseLine(std::string_view text) {
  rapidjson::Document json;
  json.Parse(text.data(), text.size());
  if (json.HasParseError() || !json.IsObject() || !json.HasMember("seq") || !json["seq"].IsInt64() || !json.HasMember("status") ||
      !json["status"].IsInt() || !json.HasMember("cards") || !json["cards"].IsArray()) {
    return std::nullopt;
  }
  JournalLine line{json["seq"].GetInt64(), json["status"].GetInt(), {}};
  for (const auto& item : json["cards"].GetArray()) {
    if (!item.IsObject() || !item.HasMember("id") || !item["id"].IsString() || !item.HasMember("delete") ||
        !item["delete"].IsString() || !item.HasMember("reasons") || !item["reasons"].IsArray()) {
      return std::nullopt;
    }
    ShownCard card{item["id"].GetString(), item["delete"].GetString(), {}};
    for (const auto& reason : item["reasons"].GetArray()) {
      if (!reason.IsString()) return std::nullopt;
      card.override_reasons.emplace_back(reason.GetString());
    }
    line.cards.push_back(std::move(card));
  }
  return line;
}

}  // namespace

Journal::~Journal() { close(descriptor_); }

absl::StatusOr<std::unique_ptr<Journal>> Journal::Open(const std::string& path, const std::string& events_sha256) {
  const int descriptor = open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (descriptor < 0) return Failed("open", path);
  std::unique_ptr<Journal> journal(new Journal(path, descriptor));
  if (flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    return absl::FailedPreconditionError(absl::StrCat("another replay is using ", path));
  }
  if (absl::Status status = journal->Read(events_sha256); !status.ok()) return status;
  return journal;
}

absl::Status Journal::Read(const std::string& events_sha256) {
  std::string bytes;
  char buffer[65536];
  ssize_t count = 0;
  while ((count = read(descriptor_, buffer, sizeof buffer)) > 0) bytes.append(buffer, static_cast<std::size_t>(count));
  if (count < 0) return Failed("read", path_);

  const std::string head = Head(events_sha256);
  std::size_t at = 0;
  bool first = true;
  while (at < bytes.size()) {
    const std::size_t end = bytes.find('\n', at);
    if (end == std::string::npos) break;
    const std::string_view text(bytes.data() + at, end - at);
    if (first) {
      if (bytes.compare(0, end + 1, head) != 0) {
        return absl::FailedPreconditionError(
            absl::StrCat(path_, " is the journal of other events; each home replays one population"));
      }
      first = false;
    } else {
      auto line = ParseLine(text);
      // After a loss of power the last block may hold anything; what is in front of it was on disk before it was written.
      if (!line.has_value() && end + 1 == bytes.size()) break;
      if (!line.has_value() || line->sequence != static_cast<std::int64_t>(lines_.size()) + 1) {
        return absl::DataLossError(absl::StrCat(path_, ": line ", lines_.size() + 2, " cannot be read"));
      }
      lines_.push_back(*std::move(line));
    }
    at = end + 1;
  }
  if (at < bytes.size() && ftruncate(descriptor_, static_cast<off_t>(at)) != 0) return Failed("shorten", path_);
  if (!first) return absl::OkStatus();
  if (absl::Status status = Write(head); !status.ok()) return status;
  // The file's name, too, must outlive a loss of power.
  const std::string folder = std::filesystem::absolute(path_).parent_path().string();
  const int directory = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return Failed("open", folder);
  const bool synced = fsync(directory) == 0;
  close(directory);
  return synced ? absl::OkStatus() : Failed("sync", folder);
}

absl::Status Journal::Write(std::string_view line) {
  while (!line.empty()) {
    const ssize_t count = write(descriptor_, line.data(), line.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Failed("write", path_);
    line.remove_prefix(static_cast<std::size_t>(count));
  }
  return fdatasync(descriptor_) == 0 ? absl::OkStatus() : Failed("sync", path_);
}

absl::Status Journal::Append(JournalLine line) {
  if (line.sequence != static_cast<std::int64_t>(lines_.size()) + 1) return absl::InternalError("a replay left out an event");
  if (absl::Status status = Write(LineText(line)); !status.ok()) return status;
  lines_.push_back(std::move(line));
  return absl::OkStatus();
}

}  // namespace custodian::sample

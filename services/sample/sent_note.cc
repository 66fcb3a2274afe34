#include "services/sample/sent_note.h"

#include <fcntl.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "ledger/tree.h"
#include "rapidjson/stringbuffer.h"
#include "rapidjson/writer.h"
#include "tenants/ids.h"

namespace custodian::sample {

absl::Status NoteSent(const std::string& file, std::string_view token, std::string_view body, bool is_feedback, absl::Time sent) {
  const auto hash = [](std::string_view bytes) { return HexEncode(ledger::AsBytes(ledger::Sha256(bytes))); };
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
  const auto member = [&writer](const char* name, std::string_view text) {
    writer.Key(name);
    writer.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
  };
  writer.StartObject();
  if (is_feedback)
    member("body", body);
  else
    member("body_sha256", hash(body));
  member("sent", absl::FormatTime(absl::RFC3339_full, sent, absl::UTCTimeZone()));
  member("token_sha256", hash(token));
  writer.EndObject();
  const std::string line = std::string(buffer.GetString(), buffer.GetSize()) + "\n";
  const int out = open(file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (out < 0) return absl::UnavailableError(absl::StrCat("cannot open ", file));
  // One write: a crash leaves a line without its end at most, which nobody reads and the next line would spoil.
  const bool written = write(out, line.data(), line.size()) == static_cast<ssize_t>(line.size()) && fdatasync(out) == 0;
  close(out);
  return written ? absl::OkStatus() : absl::UnavailableError(absl::StrCat("cannot write ", file));
}

}  // namespace custodian::sample

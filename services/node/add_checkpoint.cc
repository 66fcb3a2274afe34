#include "services/node/add_checkpoint.h"

#include <utility>

#include "ledger/base64.h"

namespace custodian::node {
namespace {

constexpr std::size_t kProofLinesMax = 63;

bool TakeLine(std::string_view& text, std::string_view& line) {
  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos) return false;
  line = text.substr(0, end);
  text.remove_prefix(end + 1);
  return true;
}

}  // namespace

absl::StatusOr<AddCheckpoint> AddCheckpoint::Parse(std::string_view body) {
  AddCheckpoint request;
  std::string_view line;
  if (!TakeLine(body, line) || line.substr(0, 4) != "old ")
    return absl::InvalidArgumentError("the first line is not an old size");
  const absl::StatusOr<std::uint64_t> size = ledger::ParseDecimal(line.substr(4));
  if (!size.ok()) return absl::InvalidArgumentError("the old size is not a decimal number");
  request.old_size = *size;
  while (true) {
    if (!TakeLine(body, line)) return absl::InvalidArgumentError("there is no empty line before the checkpoint");
    if (line.empty()) break;
    if (request.proof.size() == kProofLinesMax) return absl::InvalidArgumentError("there are more than 63 proof lines");
    const absl::StatusOr<std::string> bytes = ledger::Base64Decode(line);
    const absl::StatusOr<ledger::Hash> hash = bytes.ok() ? ledger::HashFromBytes(*bytes) : bytes.status();
    if (!hash.ok()) return absl::InvalidArgumentError("a proof line is not a hash in Base64");
    request.proof.push_back(*hash);
  }
  absl::StatusOr<ledger::Note> note = ledger::Note::Parse(body);
  if (!note.ok()) return note.status();
  request.note = *std::move(note);
  return request;
}

std::string AddCheckpoint::Serialize() const {
  std::string body = "old " + std::to_string(old_size) + "\n";
  for (const ledger::Hash& hash : proof) body += ledger::Base64Encode(ledger::AsBytes(hash)) + "\n";
  return body + "\n" + note.Serialize();
}

}  // namespace custodian::node

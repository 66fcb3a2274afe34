#include "ledger/succession.h"

#include <algorithm>
#include <iterator>

#include "ledger/base64.h"
#include "ledger/lines.h"

namespace custodian::ledger {
namespace {

constexpr std::string_view kFirstLine = "custodian/succession/v1\n";
constexpr std::size_t kBytesMax = 8'192;

absl::Status Invalid(const std::string& what) { return absl::InvalidArgumentError("the succession: " + what); }
absl::Status Refused(const std::string& what) { return absl::FailedPreconditionError("the succession: " + what); }

// "<name> <verifier key>", of the only algorithm that our logs sign with.
absl::Status TakeKey(std::string_view& text, std::string_view name, NoteVerifier& into) {
  std::string_view line;
  if (!TakeLine(text, line) || !TakePrefix(line, name)) return Invalid("a line is not " + std::string(name) + "<verifier key>");
  absl::StatusOr<NoteVerifier> key = NoteVerifier::Parse(line);
  if (!key.ok() || key->algorithm() != kNoteEd25519) return Invalid("a key is not that of a log");
  into = *std::move(key);
  return absl::OkStatus();
}

absl::Status TakeState(std::string_view& text, Succession& into) {
  std::string_view line;
  if (!TakeLine(text, line) || !TakePrefix(line, "at ")) return Invalid("it names no size");
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos) return Invalid("it names no root");
  const absl::StatusOr<std::uint64_t> size = ParseDecimal(line.substr(0, space));
  const absl::StatusOr<std::string> bytes = Base64Decode(line.substr(space + 1));
  const absl::StatusOr<Hash> root = bytes.ok() ? HashFromBytes(*bytes) : bytes.status();
  if (!size.ok() || !root.ok()) return Invalid("its size or root cannot be read");
  into.size = *size;
  into.root = *root;
  return absl::OkStatus();
}

absl::StatusOr<Succession> ParseText(std::string_view text) {
  Succession parsed;
  if (!TakePrefix(text, kFirstLine)) return Invalid("it does not begin with custodian/succession/v1");
  if (absl::Status status = TakeKey(text, "from ", parsed.from); !status.ok()) return status;
  if (absl::Status status = TakeState(text, parsed); !status.ok()) return status;
  if (absl::Status status = TakeKey(text, "to ", parsed.to); !status.ok()) return status;
  if (absl::Status status = TakeKey(text, "governance ", parsed.governance); !status.ok()) return status;
  if (!text.empty()) return Invalid("it says more than it may");
  if (parsed.size == 0) return Invalid("a log without entries has nothing to succeed to");
  if (parsed.from.name() != parsed.to.name()) return Invalid("it would change the log's origin");
  if (parsed.governance.name() == parsed.to.name()) return Invalid("a log does not govern itself");
  if (parsed.from.ed25519() == parsed.to.ed25519()) return Invalid("the new key is the old one");
  return parsed;
}

bool IsOf(const NoteSignature& signature, const NoteVerifier& key) { return signature.name == key.name() && signature.key_id == key.key_id(); }

}  // namespace

std::string Succession::Text() const {
  return std::string(kFirstLine) + "from " + from.ToString() + "\nat " + std::to_string(size) + " " + Base64Encode(AsBytes(root)) + "\nto " +
         to.ToString() + "\ngovernance " + governance.ToString() + "\n";
}

absl::StatusOr<std::string> SignSuccession(const Succession& succession, const Signer& from, const Signer& to) {
  Note note{succession.Text(), {}};
  if (const absl::StatusOr<Succession> parsed = ParseText(note.text); !parsed.ok()) return parsed.status();
  if (from.public_key().ed25519() != succession.from.ed25519() || to.public_key().ed25519() != succession.to.ed25519())
    return Invalid("a signer's key is not the one it names");
  for (const auto& [key, signer] : {std::pair(&succession.from, &from), std::pair(&succession.to, &to)}) {
    absl::StatusOr<std::string> signature = signer->Sign(note.text);
    if (!signature.ok()) return signature.status();
    note.signatures.push_back(LogSignature(*key, *std::move(signature)));
  }
  std::string bytes = note.Serialize();
  if (bytes.size() > kBytesMax) return Invalid("it is past 8 KiB");
  return bytes;
}

absl::StatusOr<Succession> OpenSuccession(std::string_view bytes) {
  if (bytes.size() > kBytesMax) return Invalid("it is past 8 KiB");
  const absl::StatusOr<Note> note = Note::Parse(bytes);
  if (!note.ok()) return note.status();
  absl::StatusOr<Succession> parsed = ParseText(note->text);
  if (!parsed.ok()) return parsed.status();
  // One encoding for one statement: exactly these two, in this order.
  if (note->signatures.size() != 2 || !IsOf(note->signatures[0], parsed->from) || !IsOf(note->signatures[1], parsed->to))
    return Invalid("its signatures are not those of the old key and the new one");
  for (const NoteVerifier* key : {&parsed->from, &parsed->to})
    if (absl::Status status = VerifyLogSignatures(*note, *key); !status.ok()) return status;
  return parsed;
}

absl::Status LogKeys::Succeed(const Succession& succession, std::uint64_t size, const Hash& root) {
  const auto& [since, current] = keys_.back();
  if (succession.from.ToString() != current.ToString()) return Refused("it is not by the key that the log has");
  if (succession.to.name() != current.name()) return Refused("it would change the log's origin");
  if (succession.size != size || succession.root != root)
    return Refused("it takes over at size " + std::to_string(succession.size) + " and its root, not at size " + std::to_string(size) + " of this log");
  // In the log's order each stands behind the one before it.
  if (keys_.size() > 1 && size <= since) return Refused("another took over at this size");
  for (const auto& [at, key] : keys_)
    if (key.ed25519() == succession.to.ed25519()) return Refused("a key that was succeeded does not come back");
  keys_.emplace_back(size, succession.to);
  return absl::OkStatus();
}

const NoteVerifier& LogKeys::KeyFor(std::uint64_t checkpoint_size) const {
  // The last that took over below this size; the first key for whatever no other has.
  const auto next = std::find_if(std::next(keys_.begin()), keys_.end(), [&](const auto& each) { return each.first >= checkpoint_size; });
  return std::prev(next)->second;
}

}  // namespace custodian::ledger

#include "ledger/checkpoint.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <optional>
#include <set>
#include <utility>

#include "ledger/base64.h"
#include "ledger/big_endian.h"

namespace custodian::ledger {
namespace {

constexpr std::string_view kSignaturePrefix = "\xe2\x80\x94 ";
constexpr std::size_t kNoteBytesMax = 1u << 20;
constexpr std::size_t kNoteSignaturesMax = 128;
constexpr std::size_t kEd25519SignatureBytes = 64;

absl::Status Invalid(std::string message) { return absl::InvalidArgumentError(std::move(message)); }

bool IsUnicodeSpace(char32_t c) {
  return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) ||
         c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

// The code point that begins at `at` and moves past it; nothing when the bytes there are not UTF-8 (RFC 3629).
std::optional<char32_t> NextCodePoint(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(at);
  if (first < 0x80) {
    ++at;
    return first;
  }
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || at + length > text.size()) return std::nullopt;
  char32_t c = first & (0x7fu >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(at + i) & 0xc0) != 0x80) return std::nullopt;
    c = (c << 6) | (byte(at + i) & 0x3fu);
  }
  const bool overlong = (length == 3 && c < 0x800) || (length == 4 && c < 0x10000);
  if (overlong || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)) return std::nullopt;
  at += length;
  return c;
}

absl::Status CheckKeyName(std::string_view name) {
  if (name.empty()) return Invalid("a key name is empty");
  for (std::size_t at = 0; at < name.size();) {
    const std::optional<char32_t> c = NextCodePoint(name, at);
    if (!c || IsUnicodeSpace(*c) || *c == '+' || *c < 0x20)
      return Invalid("a key name has a space, a plus or bytes that are not UTF-8");
  }
  return absl::OkStatus();
}

std::uint32_t KeyIdOf(std::string_view name, std::uint8_t algorithm, std::string_view public_key) {
  std::string message;
  if (algorithm != kNoteEcdsa) message.append(name).append("\n").append(1, static_cast<char>(algorithm));
  message.append(public_key);
  return static_cast<std::uint32_t>(FromBigEndian(AsBytes(Sha256(message)).substr(0, 4)));
}

std::string Hex32(std::uint32_t value) {
  std::array<char, 9> text{};
  std::snprintf(text.data(), text.size(), "%08x", value);
  return text.data();
}

// Verifies every signature line of `key` on the note; Unauthenticated when there is none or one is wrong, for then the whole
// note is malformed (signed-note, "Signatures").
template <typename Check>
absl::Status ForEachSignatureOf(const Note& note, const NoteVerifier& key, Check check) {
  bool found = false;
  for (const NoteSignature& signature : note.signatures) {
    if (signature.name != key.name() || signature.key_id != key.key_id()) continue;
    found = true;
    const absl::Status status = check(signature.signature);
    if (!status.ok()) return status;
  }
  return found ? absl::OkStatus() : absl::UnauthenticatedError("no signature of " + key.name());
}

}  // namespace

absl::StatusOr<std::uint64_t> ParseDecimal(std::string_view text) {
  if (text.empty() || text.size() > 20 || (text.size() > 1 && text[0] == '0')) return Invalid("not a decimal number");
  std::uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return Invalid("not a decimal number");
    const std::uint64_t digit = static_cast<std::uint64_t>(c - '0');
    if (value > (UINT64_MAX - digit) / 10) return Invalid("a number past 64 bits");
    value = value * 10 + digit;
  }
  return value;
}

absl::StatusOr<NoteVerifier> NoteVerifier::Parse(std::string_view vkey) {
  const std::size_t first = vkey.find('+');
  const std::size_t second = first == std::string_view::npos ? first : vkey.find('+', first + 1);
  if (second == std::string_view::npos) return Invalid("a verifier key is <name>+<key id>+<key>");
  const absl::StatusOr<std::string> key = Base64Decode(vkey.substr(second + 1));
  if (!key.ok() || key->empty()) return Invalid("the key of a verifier key is not Base64");
  absl::StatusOr<NoteVerifier> verifier =
      Create(vkey.substr(0, first), static_cast<std::uint8_t>((*key)[0]), std::string_view(*key).substr(1));
  if (!verifier.ok()) return verifier.status();
  if (vkey.substr(first + 1, second - first - 1) != Hex32(verifier->key_id()))
    return Invalid("the key id of a verifier key does not fit its key");
  return verifier;
}

absl::StatusOr<NoteVerifier> NoteVerifier::Create(std::string_view name, std::uint8_t algorithm, std::string_view public_key) {
  if (absl::Status status = CheckKeyName(name); !status.ok()) return status;
  if (algorithm != kNoteEd25519 && algorithm != kNoteEcdsa && algorithm != kNoteCosignatureV1)
    return absl::UnimplementedError("signature type " + std::to_string(algorithm) +
                                    " is not supported (1, Ed25519, 2, ECDSA P-256, and 4, cosignature/v1, are)");
  absl::StatusOr<PublicKey> key = algorithm == kNoteEcdsa ? PublicKey::FromDer(public_key) : PublicKey::FromEd25519(public_key);
  if (!key.ok()) return key.status();
  if ((algorithm == kNoteEcdsa) != key->ed25519().empty()) return Invalid("the key is not of its signature type");
  NoteVerifier verifier;
  verifier.name_ = std::string(name);
  verifier.algorithm_ = algorithm;
  verifier.public_key_ = *std::move(key);
  verifier.key_id_ = KeyIdOf(name, algorithm, public_key);
  return verifier;
}

std::string NoteVerifier::ToString() const {
  const std::string& bytes = algorithm_ == kNoteEcdsa ? public_key_.der() : ed25519();
  return name_ + "+" + Hex32(key_id_) + "+" + Base64Encode(std::string(1, static_cast<char>(algorithm_)) + bytes);
}

std::string NoteSignature::ToLine() const {
  return std::string(kSignaturePrefix) + name + " " + Base64Encode(BigEndian(key_id, 4) + signature) + "\n";
}

absl::StatusOr<NoteSignature> NoteSignature::Parse(std::string_view line) {
  if (line.substr(0, kSignaturePrefix.size()) != kSignaturePrefix)
    return Invalid("a signature line does not begin with a dash and a space");
  line.remove_prefix(kSignaturePrefix.size());
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos) return Invalid("a signature line has no signature");
  if (absl::Status status = CheckKeyName(line.substr(0, space)); !status.ok()) return status;
  const absl::StatusOr<std::string> bytes = Base64Decode(line.substr(space + 1));
  if (!bytes.ok() || bytes->size() < 5) return Invalid("a signature line's signature is not Base64 or too short");
  return NoteSignature{std::string(line.substr(0, space)),
                       static_cast<std::uint32_t>(FromBigEndian(std::string_view(*bytes).substr(0, 4))), bytes->substr(4)};
}

absl::StatusOr<Note> Note::Parse(std::string_view bytes) {
  if (bytes.size() > kNoteBytesMax) return Invalid("a note is past 1 MiB");
  for (std::size_t at = 0; at < bytes.size();) {
    const std::optional<char32_t> c = NextCodePoint(bytes, at);
    if (!c || (*c < 0x20 && *c != '\n')) return Invalid("a note has a control character or bytes that are not UTF-8");
  }
  const std::size_t blank = bytes.rfind("\n\n");
  if (blank == std::string_view::npos) return Invalid("a note has no empty line before its signatures");
  Note note;
  note.text = std::string(bytes.substr(0, blank + 1));
  std::string_view rest = bytes.substr(blank + 2);
  if (rest.empty() || rest.back() != '\n') return Invalid("a note does not end in a signature line");
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n');
    absl::StatusOr<NoteSignature> signature = NoteSignature::Parse(rest.substr(0, end));
    if (!signature.ok()) return signature.status();
    if (note.signatures.size() == kNoteSignaturesMax) return Invalid("a note has too many signatures");
    note.signatures.push_back(*std::move(signature));
    rest.remove_prefix(end + 1);
  }
  return note;
}

std::string Note::Serialize() const {
  std::string out = text + "\n";
  for (const NoteSignature& signature : signatures) out += signature.ToLine();
  return out;
}

absl::StatusOr<Checkpoint> Checkpoint::Parse(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return Invalid("a checkpoint does not end in a newline");
    if (end == 0) return Invalid("a checkpoint has an empty line");
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  if (lines.size() < 3) return Invalid("a checkpoint has an origin, a size and a root");
  Checkpoint checkpoint;
  checkpoint.origin = std::string(lines[0]);
  const absl::StatusOr<std::uint64_t> size = ParseDecimal(lines[1]);
  if (!size.ok()) return Invalid("a checkpoint's size is not a decimal number");
  checkpoint.size = *size;
  const absl::StatusOr<std::string> root = Base64Decode(lines[2]);
  if (!root.ok() || root->size() != checkpoint.root.size()) return Invalid("a checkpoint's root is not a hash in Base64");
  std::copy(root->begin(), root->end(), checkpoint.root.begin());
  return checkpoint;
}

std::string Checkpoint::Serialize() const {
  return origin + "\n" + std::to_string(size) + "\n" + Base64Encode(AsBytes(root)) + "\n";
}

absl::Status VerifyLogSignatures(const Note& note, const NoteVerifier& key) {
  if (key.algorithm() == kNoteCosignatureV1) return VerifyCosignature(note, key).status();
  return ForEachSignatureOf(note, key, [&](const std::string& signature) {
    return key.public_key().Verify(note.text, signature).ok()
               ? absl::OkStatus()
               : absl::UnauthenticatedError("the log signature of " + key.name() + " is wrong");
  });
}

absl::StatusOr<Checkpoint> OpenCheckpoint(const Note& note, const NoteVerifier& key) {
  if (key.algorithm() != kNoteEd25519) return absl::UnauthenticatedError("the key of " + key.name() + " is not a log's key");
  if (const absl::Status verified = VerifyLogSignatures(note, key); !verified.ok()) return verified;
  absl::StatusOr<Checkpoint> checkpoint = Checkpoint::Parse(note.text);
  if (checkpoint.ok() && checkpoint->origin != key.name())
    return absl::UnauthenticatedError("the checkpoint is of " + checkpoint->origin + ", its signature of " + key.name());
  return checkpoint;
}

NoteSignature LogSignature(const NoteVerifier& key, std::string ed25519_signature) {
  return {key.name(), key.key_id(), std::move(ed25519_signature)};
}

std::string CosignatureMessage(absl::Time time, std::string_view checkpoint_text) {
  return "cosignature/v1\ntime " + std::to_string(absl::ToUnixSeconds(time)) + "\n" + std::string(checkpoint_text);
}

NoteSignature CosignatureV1(const NoteVerifier& key, absl::Time time, std::string_view ed25519_signature) {
  return {key.name(), key.key_id(),
          BigEndian(static_cast<std::uint64_t>(absl::ToUnixSeconds(time)), 8) + std::string(ed25519_signature)};
}

absl::StatusOr<absl::Time> VerifyCosignature(const Note& note, const NoteVerifier& key) {
  if (key.algorithm() != kNoteCosignatureV1)
    return absl::UnauthenticatedError("the key of " + key.name() + " is not a witness's key");
  absl::Time newest = absl::InfinitePast();
  const absl::Status verified = ForEachSignatureOf(note, key, [&](const std::string& signature) {
    const absl::Status wrong = absl::UnauthenticatedError("the cosignature of " + key.name() + " is wrong");
    if (signature.size() != 8 + kEd25519SignatureBytes) return wrong;
    const std::uint64_t seconds = FromBigEndian(std::string_view(signature).substr(0, 8));
    if (seconds == 0 || seconds > static_cast<std::uint64_t>(INT64_MAX)) return wrong;
    const absl::Time time = absl::FromUnixSeconds(static_cast<std::int64_t>(seconds));
    // Times too far for absl::Time would print otherwise than signed.
    if (absl::ToUnixSeconds(time) != static_cast<std::int64_t>(seconds)) return wrong;
    if (!key.public_key().Verify(CosignatureMessage(time, note.text), std::string_view(signature).substr(8)).ok()) return wrong;
    newest = std::max(newest, time);
    return absl::OkStatus();
  });
  if (!verified.ok()) return verified;
  return newest;
}

}  // namespace custodian::ledger

#include "ledger/receipt.h"

#include <utility>

#include "ledger/base64.h"
#include "ledger/lines.h"

namespace custodian::ledger {
namespace {

constexpr std::string_view kFirstLine = "c2sp.org/tlog-proof@v1";
constexpr std::size_t kReceiptBytesMax = 2u << 20;
constexpr std::size_t kProofHashesMax = 64;

}  // namespace

absl::StatusOr<Receipt> Receipt::Parse(std::string_view text) {
  const absl::Status truncated = absl::InvalidArgumentError("the receipt ends too early");
  if (text.size() > kReceiptBytesMax) return absl::InvalidArgumentError("the receipt is past 2 MiB");
  Receipt receipt;
  std::string_view line;
  if (!TakeLine(text, line)) return truncated;
  if (line != kFirstLine) return absl::InvalidArgumentError("the receipt does not begin with " + std::string(kFirstLine));
  if (!TakeLine(text, line)) return truncated;
  if (TakePrefix(line, "extra ")) {
    absl::StatusOr<std::string> leaf = Base64Decode(line);
    if (!leaf.ok() || leaf->empty()) return absl::InvalidArgumentError("the receipt's extra line is not Base64");
    receipt.leaf = *std::move(leaf);
    if (!TakeLine(text, line)) return truncated;
  }
  if (!TakePrefix(line, "index ")) return absl::InvalidArgumentError("the receipt has no index line");
  const absl::StatusOr<std::uint64_t> index = ParseDecimal(line);
  if (!index.ok()) return absl::InvalidArgumentError("the receipt's index is not a decimal number");
  receipt.index = *index;
  while (true) {
    if (!TakeLine(text, line)) return truncated;
    if (line.empty()) break;
    const absl::StatusOr<std::string> bytes = Base64Decode(line);
    const absl::StatusOr<Hash> hash = bytes.ok() ? HashFromBytes(*bytes) : bytes.status();
    if (!hash.ok()) return absl::InvalidArgumentError("a proof line of the receipt is not a hash in Base64");
    if (receipt.proof.size() == kProofHashesMax) return absl::InvalidArgumentError("the receipt's proof is too long");
    receipt.proof.push_back(*hash);
  }
  if (const absl::StatusOr<Note> note = Note::Parse(text); !note.ok()) return note.status();
  receipt.checkpoint = std::string(text);
  return receipt;
}

std::string Receipt::Serialize() const {
  std::string text(kFirstLine);
  text += "\n";
  if (!leaf.empty()) text += "extra " + Base64Encode(leaf) + "\n";
  text += "index " + std::to_string(index) + "\n";
  for (const Hash& hash : proof) text += Base64Encode(AsBytes(hash)) + "\n";
  return text + "\n" + checkpoint;
}

absl::StatusOr<Receipt::Verified> Receipt::Verify(const Policy& policy) const {
  if (leaf.empty()) return absl::InvalidArgumentError("the receipt carries no leaf");
  const absl::StatusOr<Note> note = Note::Parse(checkpoint);
  if (!note.ok()) return note.status();
  absl::StatusOr<Policy::Witnessed> witnessed = policy.VerifyWitnessed(*note);
  if (!witnessed.ok()) return witnessed.status();
  Checkpoint& believed = witnessed->checkpoint;
  if (absl::Status status = VerifyInclusion(index, believed.size, LeafHash(leaf), proof, believed.root); !status.ok())
    return status;
  absl::StatusOr<Leaf> parsed = ParseLeaf(leaf);
  if (!parsed.ok()) return parsed.status();
  if (parsed->entry.origin() != believed.origin)
    return absl::InvalidArgumentError("the leaf is of " + parsed->entry.origin() + ", its checkpoint of " + believed.origin);
  return Verified{std::move(believed), witnessed->at, *std::move(parsed)};
}

}  // namespace custodian::ledger

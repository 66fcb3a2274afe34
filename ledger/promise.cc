#include "ledger/promise.h"

#include <utility>

#include "ledger/base64.h"
#include "ledger/checkpoint.h"
#include "ledger/entry.h"
#include "ledger/lines.h"

namespace custodian::ledger {
namespace {

constexpr std::string_view kFirstLine = "custodian/promise/v1\n";
constexpr std::string_view kDash = "\u2014 ";
constexpr std::size_t kTextBytesMax = 16'384;
constexpr std::size_t kNameBytesMax = 512;
constexpr std::size_t kSignatureBytesMax = 128;
constexpr std::uint64_t kMillisMax = std::uint64_t{1} << 52;

absl::Status Invalid(const std::string& what) { return absl::InvalidArgumentError("the promise: " + what); }

bool IsName(std::string_view name) {
  return !name.empty() && name.size() <= kNameBytesMax && name.find_first_of(" +\n") == std::string_view::npos;
}

std::string BatchMessage(std::uint64_t size, const Hash& root) {
  return "custodian/promise-batch/v1\n" + std::to_string(size) + "\n" + Base64Encode(AsBytes(root)) + "\n";
}

// "<first> <second>", both decimal.
absl::Status TakeTwo(std::string_view line, std::uint64_t& first, std::uint64_t& second) {
  const std::size_t space = line.find(' ');
  const auto one = ParseDecimal(line.substr(0, space));
  const auto two = space == std::string_view::npos ? one : ParseDecimal(line.substr(space + 1));
  if (space == std::string_view::npos || !one.ok() || !two.ok()) return Invalid("a line has not two numbers");
  first = *one;
  second = *two;
  return absl::OkStatus();
}

absl::StatusOr<Hash> HashOf(std::string_view line) {
  const absl::StatusOr<std::string> bytes = Base64Decode(line);
  const absl::StatusOr<Hash> hash = bytes.ok() ? HashFromBytes(*bytes) : bytes.status();
  return hash.ok() ? hash : Invalid("a line is not a hash in Base64");
}

// The five lines that are signed.
absl::StatusOr<Promise> TakePromise(std::string_view& text) {
  Promise promise;
  std::string_view line;
  if (!TakePrefix(text, kFirstLine)) return Invalid("it does not begin with custodian/promise/v1");
  if (!TakeLine(text, line) || !TakePrefix(line, "origin ") || !IsName(line)) return Invalid("it names no log");
  promise.origin = line;
  if (!TakeLine(text, line) || !TakePrefix(line, "entries ")) return Invalid("it names no entries");
  if (absl::Status status = TakeTwo(line, promise.first, promise.count); !status.ok()) return status;
  if (promise.count == 0 || promise.count > kBatchEntriesMax || promise.first + promise.count < promise.first)
    return Invalid("it is of no entries, or of too many");
  if (!TakeLine(text, line) || !TakePrefix(line, "leaves ")) return Invalid("it has no root of leaves");
  const absl::StatusOr<Hash> leaves = HashOf(line);
  if (!leaves.ok()) return leaves.status();
  promise.leaves = *leaves;
  if (!TakeLine(text, line) || !TakePrefix(line, "witnessed-by ")) return Invalid("it names no time");
  const absl::StatusOr<std::uint64_t> millis = ParseDecimal(line);
  if (!millis.ok() || *millis > kMillisMax) return Invalid("its time is none");
  promise.witnessed_by = absl::FromUnixMillis(static_cast<std::int64_t>(*millis));
  return promise;
}

// The signature line, last of all.
absl::Status TakeSignature(std::string_view& text, SignedPromise& into) {
  std::string_view line;
  if (!TakeLine(text, line) || !text.empty() || !TakePrefix(line, kDash)) return Invalid("it does not end in one signature line");
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos || !IsName(line.substr(0, space))) return Invalid("its signature has no name");
  into.author = line.substr(0, space);
  const absl::StatusOr<std::string> bytes = Base64Decode(line.substr(space + 1));
  if (!bytes.ok() || bytes->size() <= sizeof(Hash) || bytes->size() > sizeof(Hash) + kSignatureBytesMax)
    return Invalid("its signature cannot be read");
  const absl::StatusOr<Hash> key_id = HashFromBytes(bytes->substr(0, sizeof(Hash)));
  if (!key_id.ok()) return key_id.status();
  into.key_id = *key_id;
  into.signature = bytes->substr(sizeof(Hash));
  return absl::OkStatus();
}

}  // namespace

std::string Promise::Text() const {
  return std::string(kFirstLine) + "origin " + origin + "\nentries " + std::to_string(first) + " " + std::to_string(count) + "\nleaves " +
         Base64Encode(AsBytes(leaves)) + "\nwitnessed-by " + std::to_string(absl::ToUnixMillis(witnessed_by)) + "\n";
}

absl::StatusOr<SignedPromise> SignedPromise::Parse(std::string_view text) {
  if (text.size() > kTextBytesMax) return Invalid("it is past 16 KiB");
  absl::StatusOr<Promise> promise = TakePromise(text);
  if (!promise.ok()) return promise.status();
  SignedPromise parsed{.promise = *std::move(promise), .batch_path = {}, .author = "", .signature = ""};
  std::string_view line;
  if (!TakeLine(text, line) || !TakePrefix(line, "batch ")) return Invalid("it names no batch");
  if (absl::Status status = TakeTwo(line, parsed.batch_index, parsed.batch_size); !status.ok()) return status;
  if (parsed.batch_index >= parsed.batch_size || parsed.batch_size > kBatchEntriesMax) return Invalid("its place in the batch is none");
  while (true) {
    if (!TakeLine(text, line)) return Invalid("it ends too early");
    if (line.empty()) break;
    const absl::StatusOr<Hash> hash = HashOf(line);
    if (!hash.ok()) return hash.status();
    parsed.batch_path.push_back(*hash);
  }
  if (absl::Status status = TakeSignature(text, parsed); !status.ok()) return status;
  return parsed;
}

std::string SignedPromise::Serialize() const {
  std::string text = promise.Text() + "batch " + std::to_string(batch_index) + " " + std::to_string(batch_size) + "\n";
  for (const Hash& hash : batch_path) text += Base64Encode(AsBytes(hash)) + "\n";
  return text + "\n" + std::string(kDash) + author + " " + Base64Encode(std::string(AsBytes(key_id)) + signature) + "\n";
}

absl::Status SignedPromise::Verify(const RosterHistory& governance) const {
  if (author != governance.custodian()) return absl::UnauthenticatedError("it is signed by " + author + ", which is not the custodian");
  const absl::StatusOr<PublicKey> key = governance.EverEnrolled(author, AsBytes(key_id), promise.origin);
  if (!key.ok()) return absl::UnauthenticatedError(key.status().message());
  const absl::StatusOr<Hash> root = RootFromInclusionProof(batch_index, batch_size, LeafHash(promise.Text()), batch_path);
  if (!root.ok()) return absl::UnauthenticatedError("its path leads nowhere: " + std::string(root.status().message()));
  if (!key->Verify(BatchMessage(batch_size, *root), signature).ok()) return absl::UnauthenticatedError("the custodian's signature does not verify");
  return absl::OkStatus();
}

absl::StatusOr<std::vector<SignedPromise>> SignPromises(std::span<const Promise> promises, const std::string& author, const Signer& signer) {
  if (promises.empty() || promises.size() > kBatchEntriesMax) return Invalid("1 to 65,536 are signed at once");
  std::vector<Hash> hashes;
  hashes.reserve(promises.size());
  for (const Promise& promise : promises) hashes.push_back(LeafHash(promise.Text()));
  absl::StatusOr<std::string> signature = signer.Sign(BatchMessage(promises.size(), RootOf(hashes)));
  if (!signature.ok()) return signature.status();
  const NodeReader node = CompleteSubtrees(std::move(hashes));
  std::vector<SignedPromise> made;
  made.reserve(promises.size());
  for (std::size_t i = 0; i < promises.size(); ++i) {
    absl::StatusOr<std::vector<Hash>> path = InclusionProof(i, promises.size(), node);
    if (!path.ok()) return path.status();
    made.push_back({promises[i], i, promises.size(), *std::move(path), author, signer.public_key().key_id(), *signature});
  }
  return made;
}

}  // namespace custodian::ledger

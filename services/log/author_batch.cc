#include "services/log/author_batch.h"

#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ledger/entry.h"

namespace custodian::log {
namespace {

absl::Status Fault(std::size_t position, const char* what) { return absl::InvalidArgumentError(absl::StrCat("leaf ", position, ": ", what)); }

// One leaf against its place in the batch and against the first leaf.
absl::Status CheckPlace(std::size_t position, std::size_t count, std::string_view origin, const ledger::Leaf& leaf, const ledger::Leaf& first) {
  const ledger::v1::SignedEntry& entry = leaf.signed_entry;
  if (entry.batch_size() != count || entry.batch_index() != position) return Fault(position, "is not in its place in its author's batch");
  if (entry.key_id() != first.signed_entry.key_id() || entry.algorithm() != first.signed_entry.algorithm() ||
      entry.signature() != first.signed_entry.signature()) {
    return Fault(position, "is of another batch");
  }
  if (leaf.entry.origin() != origin) return Fault(position, "is for another log");
  if (leaf.entry.author() != first.entry.author()) return Fault(position, "is by another author");
  return absl::OkStatus();
}

absl::Status CheckPath(std::size_t position, std::size_t count, const ledger::v1::SignedEntry& entry, const ledger::Hash& leaf_hash,
                       const ledger::Hash& root) {
  std::vector<ledger::Hash> path;
  for (const std::string& bytes : entry.batch_path()) {
    auto hash = ledger::HashFromBytes(bytes);
    if (!hash.ok()) return Fault(position, "has a malformed batch path");
    path.push_back(*hash);
  }
  if (!ledger::VerifyInclusion(position, count, leaf_hash, path, root).ok()) return Fault(position, "has a batch path that does not fit");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<AuthorBatch> VerifyAuthorBatch(std::string_view origin, std::span<const std::string> leaves, const tenants::Roster& roster) {
  if (leaves.empty() || leaves.size() > ledger::kBatchEntriesMax) {
    return absl::InvalidArgumentError(absl::StrCat("a batch has 1 to ", ledger::kBatchEntriesMax, " leaves"));
  }
  std::vector<ledger::Leaf> parsed;
  std::vector<ledger::Hash> hashes;
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    auto leaf = ledger::ParseLeaf(leaves[i]);
    if (!leaf.ok()) return absl::Status(leaf.status().code(), absl::StrCat("leaf ", i, ": ", leaf.status().message()));
    parsed.push_back(*std::move(leaf));
    if (absl::Status status = CheckPlace(i, leaves.size(), origin, parsed.back(), parsed.front()); !status.ok()) return status;
    hashes.push_back(ledger::LeafHash(parsed.back().signed_entry.entry_bytes()));
  }
  const ledger::Hash root = ledger::RootOf(hashes);
  std::set<ledger::v1::Kind> kinds;
  for (std::size_t i = 0; i < parsed.size(); ++i) {
    if (absl::Status status = CheckPath(i, parsed.size(), parsed[i].signed_entry, hashes[i], root); !status.ok()) return status;
    kinds.insert(parsed[i].entry.kind());
  }

  const ledger::Leaf& first = parsed.front();
  auto key_id = ledger::HashFromBytes(first.signed_entry.key_id());
  if (!key_id.ok()) return Fault(0, "has a malformed key id");
  for (const ledger::v1::Kind kind : kinds) {
    if (absl::Status status = roster.MayWrite(first.entry.author(), *key_id, origin, kind); !status.ok()) return status;
  }
  auto key = roster.Key(*key_id);
  if (!key.ok()) return key.status();
  if (key->algorithm() != first.signed_entry.algorithm()) return absl::UnauthenticatedError("the batch names another algorithm than its key's");
  const std::string message = ledger::AuthorBatchMessage(origin, parsed.size(), root);
  if (absl::Status status = key->Verify(message, first.signed_entry.signature()); !status.ok()) return status;
  return AuthorBatch{first.entry.author(), first.entry.idempotency_key(), ledger::Sha256(message)};
}

}  // namespace custodian::log

#include "tenants/queued_write.h"

#include <set>

#include "fmt/format.h"
#include "ledger/entry.h"
#include "ledger/roster.h"
#include "ledger/tree.h"
#include "tenants/row_insert.h"

namespace custodian::tenants {
namespace {

constexpr std::size_t kKeyBytes = 32;
// One entry of an author batch is kept for the anchor.
constexpr std::size_t kEntriesMax = ledger::kBatchEntriesMax - 1;

std::size_t BytesOf(const Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return text->size();
  if (const auto* bytes = std::get_if<Bytes>(&value)) return bytes->bytes.size();
  return sizeof(std::int64_t);
}

void AddRowDigests(Write& write) {
  for (const Row& row : write.rows) {
    if (row.table->proved) write.entries[row.entry].add_row_sha256(std::string(ledger::AsBytes(DigestOf(row))));
  }
}

absl::Status CheckSize(QueuedWrite& queued) {
  const Write& write = queued.write;
  if (queued.entries() > kEntriesMax) {
    return absl::InvalidArgumentError(fmt::format("a write has at most {} entries: split it", kEntriesMax));
  }
  for (const Row& row : write.rows) {
    if (absl::Status status = CheckRow(row, queued.entries()); !status.ok()) return status;
    if (row.table->proved && queued.write.entries.empty()) {
      return absl::InvalidArgumentError(fmt::format("a row of {} is proved by an entry of the custodian's", row.table->name));
    }
    for (const Value& value : row.values) queued.bytes += BytesOf(value);
  }
  AddRowDigests(queued.write);
  for (const auto& entry : write.entries) queued.bytes += entry.ByteSizeLong();
  for (const auto& leaf : write.signed_leaves) queued.bytes += leaf.size();
  if (queued.bytes > kWriteBytesMax) {
    return absl::InvalidArgumentError(fmt::format("a write has at most {} bytes: split it", kWriteBytesMax));
  }
  if (queued.entries() == 0 && write.rows.empty() && write.consent_changed.empty()) {
    return absl::InvalidArgumentError("a write changes something");
  }
  return absl::OkStatus();
}

// A verifier expects governance entries on the governance log (the one without anchors) and all others elsewhere.
absl::Status CheckKind(ledger::v1::Kind kind, const PartitionWriter::Options& options) {
  if (kind == ledger::v1::KIND_ANCHOR) return absl::PermissionDeniedError("anchors are written by the partition writer");
  if (ledger::IsGovernanceKind(kind) == options.anchors) {
    return absl::InvalidArgumentError(fmt::format("{} does not belong on this log", ledger::v1::Kind_Name(kind)));
  }
  return absl::OkStatus();
}

// What the ledger will demand of the leaf made from it, before anything is signed: bytes that stand for the writer's own fields.
absl::Status CheckOwnEntry(ledger::v1::Entry entry, const PartitionWriter::Options& options, const ledger::PublicKey& key) {
  entry.set_origin(options.origin);
  entry.set_author(options.author);
  entry.set_counter(INT64_MAX);
  entry.mutable_time()->set_seconds(253'402'300'799);
  entry.mutable_time()->set_nanos(999'000'000);
  entry.set_idempotency_key(std::string(kKeyBytes, '\0'));
  ledger::v1::SignedEntry leaf;
  leaf.set_entry_bytes(entry.SerializeAsString());
  leaf.set_key_id(std::string(ledger::AsBytes(key.key_id())));
  leaf.set_algorithm(key.algorithm());
  leaf.set_signature("-");
  leaf.set_batch_size(1);
  return ledger::ParseLeaf(leaf.SerializeAsString()).status();
}

absl::Status CheckOwnEntries(QueuedWrite& queued, const PartitionWriter::Options& options, const ledger::PublicKey& key) {
  const Write& write = queued.write;
  if (write.idempotency_key.size() != kKeyBytes) return absl::InvalidArgumentError("a write's idempotency key has 32 bytes");
  if (write.request_digest.size() != kKeyBytes) return absl::InvalidArgumentError("a write's request digest has 32 bytes");
  for (std::size_t i = 0; i < write.entries.size(); ++i) {
    absl::Status status = CheckOwnEntry(write.entries[i], options, key);
    if (status.ok()) status = CheckKind(write.entries[i].kind(), options);
    if (!status.ok()) {
      return absl::Status(status.code(), fmt::format("entry {}: {}", i, std::string(status.message())));
    }
  }
  queued.items.push_back({options.author, write.idempotency_key, write.request_digest, 0, write.entries.size(), std::nullopt});
  return absl::OkStatus();
}

absl::StatusOr<std::vector<ledger::Leaf>> ParseLeaves(const std::vector<std::string>& signed_leaves, const std::string& origin) {
  std::vector<ledger::Leaf> leaves;
  leaves.reserve(signed_leaves.size());
  for (std::size_t i = 0; i < signed_leaves.size(); ++i) {
    auto leaf = ledger::ParseLeaf(signed_leaves[i]);
    if (!leaf.ok()) return absl::InvalidArgumentError(fmt::format("leaf {}: {}", i, std::string(leaf.status().message())));
    if (leaf->entry.origin() != origin) return absl::InvalidArgumentError(fmt::format("leaf {}: its entry is for another log", i));
    leaves.push_back(*std::move(leaf));
  }
  return leaves;
}

// One author batch, whole and in order, and its signature.
absl::StatusOr<QueuedWrite::SignedBy> CheckAuthorBatch(const std::vector<ledger::Leaf>& leaves, const std::string& origin, const Roster& roster) {
  if (absl::Status status = ledger::CheckWholeBatch(leaves); !status.ok()) return status;
  const ledger::v1::SignedEntry& first = leaves.front().signed_entry;
  const auto key_id = ledger::HashFromBytes(first.key_id());
  if (!key_id.ok()) return key_id.status();
  const auto key = roster.Key(*key_id);
  if (!key.ok()) return absl::PermissionDeniedError("the author's key is not enrolled");
  if (absl::Status status = ledger::VerifyLeafSignature(origin, first, *key); !status.ok()) return status;
  return QueuedWrite::SignedBy{leaves.front().entry.author(), *key_id, {}};
}

absl::Status CheckSignedLeaves(QueuedWrite& queued, const PartitionWriter::Options& options, const Roster& roster) {
  if (!queued.write.entries.empty()) return absl::InvalidArgumentError("a write has own entries or signed leaves, not both");
  const auto leaves = ParseLeaves(queued.write.signed_leaves, options.origin);
  if (!leaves.ok()) return leaves.status();
  auto signed_by = CheckAuthorBatch(*leaves, options.origin, roster);
  if (!signed_by.ok()) return signed_by.status();
  if (signed_by->author == options.author) {
    return absl::PermissionDeniedError("the custodian's own entries are written by its partition writer");
  }
  std::set<std::string_view> keys;
  std::set<std::uint64_t> counters;
  for (std::size_t i = 0; i < leaves->size(); ++i) {
    const ledger::v1::Entry& entry = (*leaves)[i].entry;
    if (absl::Status status = CheckKind(entry.kind(), options); !status.ok()) return status;
    if (entry.counter() > INT64_MAX) return absl::InvalidArgumentError(fmt::format("leaf {}: its counter is past the limit", i));
    if (!keys.insert(entry.idempotency_key()).second || !counters.insert(entry.counter()).second) {
      return absl::InvalidArgumentError(fmt::format("leaf {}: its idempotency key or counter stands twice in the batch", i));
    }
    const auto digest = ledger::Sha256((*leaves)[i].signed_entry.entry_bytes());
    queued.items.push_back({entry.author(), entry.idempotency_key(), std::string(ledger::AsBytes(digest)), i, 1,
                            static_cast<std::int64_t>(entry.counter())});
    queued.leaf_hashes.push_back(ledger::LeafHash(queued.write.signed_leaves[i]));
    signed_by->kinds.insert(entry.kind());
    queued.leaf_subjects.push_back(entry.kind() == ledger::v1::KIND_SUBJECT_MAP ? std::nullopt : RecentSubjects::Subject(entry.subject()));
  }
  queued.signed_by = *std::move(signed_by);
  return absl::OkStatus();
}

}  // namespace

std::string EntryIdempotencyKey(const std::string& write_key, std::size_t n) {
  if (n == 0) return write_key;
  return std::string(ledger::AsBytes(ledger::Sha256(fmt::format("custodian/derived-key/v1\n{}\n{}", n, write_key))));
}

absl::StatusOr<std::unique_ptr<QueuedWrite>> CheckWrite(Write write, const PartitionWriter::Options& options,
                                                        const ledger::PublicKey& key, const Roster& roster) {
  auto queued = std::make_unique<QueuedWrite>();
  queued->write = std::move(write);
  if (absl::Status status = CheckSize(*queued); !status.ok()) return status;
  for (const ExpectConsentVersion& expected : queued->write.expectations) {
    if (expected.patient.bytes().empty()) return absl::InvalidArgumentError("an expected consent version names no patient");
  }
  for (const PatientId& patient : queued->write.consent_changed) {
    if (patient.bytes().empty()) return absl::InvalidArgumentError("a changed consent names no patient");
  }
  absl::Status status =
      queued->write.signed_leaves.empty() ? CheckOwnEntries(*queued, options, key) : CheckSignedLeaves(*queued, options, roster);
  if (!status.ok()) return status;
  return queued;
}

}  // namespace custodian::tenants

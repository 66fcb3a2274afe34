#include "ledger/entry.h"

#include <algorithm>
#include <map>
#include <utility>

#include "ledger/base64.h"
#include "ledger/batch_paths.h"

namespace custodian::ledger {
namespace {

constexpr std::size_t kAuthorBytesMax = 512;
constexpr std::size_t kOriginBytesMax = 256;
constexpr std::size_t kSignatureBytesMax = 128;
constexpr std::size_t kTableBytesMax = 48'000;

absl::Status Invalid(std::string message) { return absl::InvalidArgumentError(std::move(message)); }

absl::Status CheckTimestamp(const google::protobuf::Timestamp& time, const std::string& field) {
  // The range of google.protobuf.Timestamp: years 1 to 9999.
  if (time.seconds() < -62'135'596'800 || time.seconds() > 253'402'300'799 || time.nanos() < 0 || time.nanos() >= 1'000'000'000)
    return Invalid(field + " is out of range");
  if (time.nanos() % 1'000'000 != 0) return Invalid(field + " is finer than milliseconds");
  return absl::OkStatus();
}

bool IsTenantId(std::string_view text) {
  return text.size() == 16 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

absl::Status CheckRosterChanged(const v1::RosterChanged& change) {
  if (change.author().empty() || change.author().size() > kAuthorBytesMax)
    return Invalid("roster_changed.author is missing or too long");
  const absl::StatusOr<PublicKey> key = PublicKey::FromDer(change.public_key());
  if (!key.ok()) return Invalid("roster_changed.public_key: " + std::string(key.status().message()));
  if (change.key_id() != AsBytes(key->key_id())) return Invalid("roster_changed.key_id is not that of its public key");
  if (change.algorithm() != key->algorithm()) return Invalid("roster_changed.algorithm is not that of its public key");
  for (const int kind : change.kinds())
    if (kind == v1::KIND_UNSPECIFIED) return Invalid("roster_changed.kinds has an unspecified kind");
  for (const std::string& origin : change.origins())
    if (origin.empty()) return Invalid("roster_changed.origins has an empty origin");
  return absl::OkStatus();
}

absl::Status CheckRecordStored(const v1::Entry& entry) {
  const v1::RecordStored& stored = entry.record_stored();
  if (stored.record_id_size() == 0) return Invalid("record_stored names no record");
  if (stored.record_id_size() != entry.record_sha256_size() || stored.version_size() != entry.record_sha256_size())
    return Invalid("record_stored needs a record_id, a version and a record_sha256 for each record");
  for (const std::string& id : stored.record_id())
    if (id.size() != 16) return Invalid("record_stored.record_id must have 16 bytes");
  for (const std::uint64_t version : stored.version())
    if (version == 0) return Invalid("record_stored.version counts from 1");
  if (!stored.locator_sha256().empty() && stored.locator_sha256().size() != 32)
    return Invalid("record_stored.locator_sha256 must be empty or have 32 bytes");
  for (int i = 0; i < stored.deleted_size(); ++i) {
    if (stored.deleted(i) >= static_cast<std::uint32_t>(stored.record_id_size()) || (i > 0 && stored.deleted(i) <= stored.deleted(i - 1)))
      return Invalid("record_stored.deleted names positions in record_id, each once, ascending");
  }
  return absl::OkStatus();
}

// Beside its own fields and clear content.
bool SaysMore(const v1::Entry& entry) {
  return !entry.subject().empty() || entry.record_sha256_size() > 0 || entry.row_sha256_size() > 0 || !entry.detail_commitment().empty() || entry.reported();
}

absl::Status CheckTenantsWord(const v1::Entry& entry) {
  if (SaysMore(entry)) return Invalid("what a tenant's node says of reported entries is about nobody and nothing else");
  if (entry.has_countersigned()) {
    const v1::Countersigned& range = entry.countersigned();
    if (range.first() >= range.end()) return Invalid("countersigned.end must be past countersigned.first");
    return range.root().size() == 32 ? absl::OkStatus() : Invalid("countersigned.root must have 32 bytes");
  }
  if (entry.disputed().leaf_hash().size() != 32) return Invalid("disputed.leaf_hash must have 32 bytes");
  if (entry.disputed().reason() == v1::DISPUTE_REASON_UNSPECIFIED || !v1::DisputeReason_IsValid(entry.disputed().reason()))
    return Invalid("disputed.reason is unspecified or unknown");
  return absl::OkStatus();
}

absl::Status CheckClearContent(const v1::Entry& entry) {
  switch (entry.clear_case()) {
    case v1::Entry::kAnchor:
      return entry.anchor().governance_root().size() == 32 ? absl::OkStatus()
                                                           : Invalid("anchor.governance_root must have 32 bytes");
    case v1::Entry::kTenantAdmitted: {
      const v1::TenantAdmitted& admitted = entry.tenant_admitted();
      if (!IsTenantId(admitted.tenant_id())) return Invalid("tenant_admitted.tenant_id must be 16 lower-case hex digits");
      if (admitted.name().empty() || admitted.origin().empty() || admitted.log_vkey().empty())
        return Invalid("tenant_admitted needs name, origin and log_vkey");
      return absl::OkStatus();
    }
    case v1::Entry::kRosterChanged:
      return CheckRosterChanged(entry.roster_changed());
    case v1::Entry::kPolicySet:
      return entry.policy_set().policy().empty() ? Invalid("policy_set.policy is missing") : absl::OkStatus();
    case v1::Entry::kTableSet: {
      const v1::TableSet& table = entry.table_set();
      // Which tables there are grows; what their names look like does not.
      if (table.name().empty() || table.name().size() > 32 ||
          table.name().find_first_not_of("abcdefghijklmnopqrstuvwxyz-") != std::string::npos)
        return Invalid("table_set.name must be 1 to 32 lower-case letters and '-'");
      if (!table.tenant_id().empty() && !IsTenantId(table.tenant_id()))
        return Invalid("table_set.tenant_id must be empty or 16 lower-case hex digits");
      if (table.content().empty() || table.content().size() > kTableBytesMax)
        return Invalid("table_set.content is missing or too long");
      return absl::OkStatus();
    }
    case v1::Entry::kClientAccess: {
      const v1::ClientAccess& access = entry.client_access();
      if (access.client().empty()) return Invalid("client_access.client is missing");
      if (!access.tenant_id().empty() && !IsTenantId(access.tenant_id()))
        return Invalid("client_access.tenant_id must be empty or 16 lower-case hex digits");
      if (!access.jwks().empty() && !access.jwks_url().empty()) return Invalid("client_access has jwks or jwks_url, not both");
      return absl::OkStatus();
    }
    case v1::Entry::kMoney: {
      const v1::Money& money = entry.money();
      if (money.side() == v1::SIDE_UNSPECIFIED) return Invalid("money.side is unspecified");
      if (money.class_id().empty() || money.month().size() != 7) return Invalid("money needs class_id and month (YYYY-MM)");
      return absl::OkStatus();
    }
    case v1::Entry::kWatermark:
      if (!entry.watermark().has_through()) return Invalid("watermark.through is missing");
      return CheckTimestamp(entry.watermark().through(), "watermark.through");
    case v1::Entry::kFeedGap: {
      if (!entry.feed_gap().has_from() || !entry.feed_gap().has_to()) return Invalid("feed_gap needs from and to");
      const absl::Status from = CheckTimestamp(entry.feed_gap().from(), "feed_gap.from");
      return from.ok() ? CheckTimestamp(entry.feed_gap().to(), "feed_gap.to") : from;
    }
    case v1::Entry::kKeyStored: {
      const v1::KeyStored& stored = entry.key_stored();
      if (stored.what() != "shard" && stored.what() != "patient") return Invalid("key_stored.what must be shard or patient");
      if (stored.key_id().size() != 16 || stored.wrapped_sha256().size() != 32)
        return Invalid("key_stored needs a key_id of 16 bytes and a wrapped_sha256 of 32");
      if (stored.shard_id().size() != (stored.what() == "patient" ? 16U : 0U))
        return Invalid("key_stored.shard_id has 16 bytes for a patient key and is empty for a shard");
      if (stored.epoch() == 0) return Invalid("key_stored.epoch counts from 1");
      return absl::OkStatus();
    }
    case v1::Entry::kRecordStored:
      return CheckRecordStored(entry);
    case v1::Entry::kSubjectMap:
      if (entry.subject_map().size() == 0) return Invalid("subject_map.size counts from 1");
      if (entry.subject_map().root().size() != 32) return Invalid("subject_map.root must have 32 bytes");
      if (!entry.subject().empty()) return Invalid("a subject map is about no subject");
      return absl::OkStatus();
    case v1::Entry::kCountersigned:
    case v1::Entry::kDisputed:
      return CheckTenantsWord(entry);
    case v1::Entry::kClientRegistered: {
      const v1::ClientRegistered& client = entry.client_registered();
      if (client.spiffe_id().empty() || client.role().empty()) return Invalid("client_registered needs spiffe_id and role");
      if (!client.tenant_id().empty() && !IsTenantId(client.tenant_id()))
        return Invalid("client_registered.tenant_id must be empty or 16 lower-case hex digits");
      return absl::OkStatus();
    }
    case v1::Entry::CLEAR_NOT_SET:
      return absl::OkStatus();
  }
  return Invalid("unknown clear content");
}

// Some kinds are their clear content; those have it, and no other kind does. Money may lie beside any other kind.
absl::Status CheckClear(const v1::Entry& entry) {
  static const std::map<v1::Kind, v1::Entry::ClearCase> kClearOf = {
      {v1::KIND_ANCHOR, v1::Entry::kAnchor},
      {v1::KIND_TENANT_ADMITTED, v1::Entry::kTenantAdmitted},
      {v1::KIND_ROSTER_CHANGED, v1::Entry::kRosterChanged},
      {v1::KIND_POLICY_SET, v1::Entry::kPolicySet},
      {v1::KIND_TABLE_SET, v1::Entry::kTableSet},
      {v1::KIND_CLIENT_ACCESS_SET, v1::Entry::kClientAccess},
      {v1::KIND_WATERMARK, v1::Entry::kWatermark},
      {v1::KIND_FEED_GAP, v1::Entry::kFeedGap},
      {v1::KIND_KEY_STORED, v1::Entry::kKeyStored},
      {v1::KIND_RECORD_STORED, v1::Entry::kRecordStored},
      {v1::KIND_CLIENT_REGISTERED, v1::Entry::kClientRegistered},
      {v1::KIND_SUBJECT_MAP, v1::Entry::kSubjectMap},
      {v1::KIND_COUNTERSIGNED, v1::Entry::kCountersigned},
      {v1::KIND_DISPUTED, v1::Entry::kDisputed},
  };
  const auto expected = kClearOf.find(entry.kind());
  const bool fits = expected != kClearOf.end() ? entry.clear_case() == expected->second
                                               : entry.clear_case() == v1::Entry::CLEAR_NOT_SET || entry.has_money();
  if (entry.kind() == v1::KIND_VOID && (entry.has_money() || SaysMore(entry))) return Invalid("a void says nothing but its counter");
  if (!fits) return Invalid(v1::Kind_Name(entry.kind()) + " carries clear content that is not of its kind");
  return CheckClearContent(entry);
}

absl::Status CheckEntry(const v1::Entry& entry) {
  if (entry.origin().empty() || entry.origin().size() > kOriginBytesMax) return Invalid("origin is missing or too long");
  if (entry.kind() == v1::KIND_UNSPECIFIED || !v1::Kind_IsValid(entry.kind())) return Invalid("kind is unspecified or unknown");
  if (entry.author().empty() || entry.author().size() > kAuthorBytesMax) return Invalid("author is missing or too long");
  if (entry.counter() == 0) return Invalid("counter counts from 1");
  if (!entry.has_time()) return Invalid("time is missing");
  if (const absl::Status time = CheckTimestamp(entry.time(), "time"); !time.ok()) return time;
  if (entry.idempotency_key().size() != 32) return Invalid("idempotency_key must have 32 bytes");
  if (!entry.subject().empty() && entry.subject().size() != 16) return Invalid("subject must be empty or have 16 bytes");
  for (const std::string& hash : entry.record_sha256())
    if (hash.size() != 32) return Invalid("record_sha256 must have 32 bytes");
  for (const std::string& hash : entry.row_sha256())
    if (hash.size() != 32) return Invalid("row_sha256 must have 32 bytes");
  if (!entry.detail_commitment().empty() && entry.detail_commitment().size() != 32)
    return Invalid("detail_commitment must be empty or have 32 bytes");
  if (entry.detail_commitment().empty() != entry.sealed_detail().empty())
    return Invalid("detail_commitment and sealed_detail come together");
  return CheckClear(entry);
}

absl::Status CheckSignedEntry(const v1::SignedEntry& leaf) {
  if (leaf.entry_bytes().empty()) return Invalid("entry_bytes is missing");
  if (leaf.entry_bytes().size() > kEntryBytesMax) return Invalid("entry_bytes is past 60,000 bytes");
  if (leaf.key_id().size() != 32) return Invalid("key_id must have 32 bytes");
  if (leaf.algorithm() != v1::SIGNATURE_ALGORITHM_ECDSA_P256_SHA256 && leaf.algorithm() != v1::SIGNATURE_ALGORITHM_ED25519)
    return Invalid("algorithm is unspecified or unknown");
  for (const std::string& hash : leaf.batch_path())
    if (hash.size() != 32) return Invalid("batch_path must have 32 bytes a hash");
  if (leaf.signature().empty() || leaf.signature().size() > kSignatureBytesMax)
    return Invalid("signature is missing or too long");
  if (leaf.batch_size() == 0 || leaf.batch_size() > kBatchEntriesMax) return Invalid("batch_size must be 1 to 65,536");
  if (leaf.batch_index() >= leaf.batch_size()) return Invalid("batch_index is past batch_size");
  return absl::OkStatus();
}

}  // namespace

Hash RowSha256(std::string_view table, std::span<const std::string> values) {
  std::string text("custodian/row/v1\n");
  text.append(table).append("\n");
  // Lengths, so that no two rows have the same text.
  for (const std::string& value : values) text.append(std::to_string(value.size())).append(":").append(value);
  return Sha256(text);
}

std::string AuthorBatchMessage(std::string_view origin, std::uint64_t batch_size, const Hash& batch_root) {
  std::string message = "custodian/author-batch/v1\n";
  message.append(origin).append("\n").append(std::to_string(batch_size)).append("\n");
  return message.append(Base64Encode(AsBytes(batch_root))).append("\n");
}

absl::StatusOr<std::vector<std::string>> SignBatch(std::string_view origin, std::span<const std::string> entries,
                                                   const Signer& signer) {
  if (entries.empty()) return Invalid("a batch has at least one entry");
  if (entries.size() > kBatchEntriesMax) return Invalid("a batch has at most 65,536 entries");
  std::vector<Hash> hashes;
  hashes.reserve(entries.size());
  for (const std::string& entry : entries) {
    if (entry.empty() || entry.size() > kEntryBytesMax) return Invalid("an entry is empty or past 60,000 bytes");
    hashes.push_back(LeafHash(entry));
  }
  const Hash root = RootOf(hashes);
  const NodeReader read = CompleteSubtrees(std::move(hashes));
  const absl::StatusOr<std::string> signature = signer.Sign(AuthorBatchMessage(origin, entries.size(), root));
  if (!signature.ok()) return signature.status();

  std::vector<std::string> leaves;
  leaves.reserve(entries.size());
  v1::SignedEntry leaf;
  leaf.set_key_id(std::string(AsBytes(signer.public_key().key_id())));
  leaf.set_algorithm(signer.public_key().algorithm());
  leaf.set_signature(*signature);
  leaf.set_batch_size(static_cast<std::uint32_t>(entries.size()));
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const absl::StatusOr<std::vector<Hash>> path = InclusionProof(i, entries.size(), read);
    if (!path.ok()) return path.status();
    leaf.set_entry_bytes(entries[i]);
    leaf.set_batch_index(static_cast<std::uint32_t>(i));
    leaf.clear_batch_path();
    for (const Hash& hash : *path) leaf.add_batch_path(std::string(AsBytes(hash)));
    leaves.push_back(leaf.SerializeAsString());
    if (leaves.back().size() > kLeafBytesMax) return Invalid("a leaf is past 65,535 bytes");
  }
  return leaves;
}

absl::StatusOr<Leaf> ParseLeaf(std::string_view leaf_bytes) {
  if (leaf_bytes.size() > kLeafBytesMax) return Invalid("a leaf is past 65,535 bytes");
  Leaf leaf;
  if (!leaf.signed_entry.ParseFromArray(leaf_bytes.data(), static_cast<int>(leaf_bytes.size())))
    return Invalid("not a SignedEntry");
  if (absl::Status status = CheckSignedEntry(leaf.signed_entry); !status.ok()) return status;
  if (!leaf.entry.ParseFromString(leaf.signed_entry.entry_bytes())) return Invalid("entry_bytes is not an Entry");
  if (absl::Status status = CheckEntry(leaf.entry); !status.ok()) return status;
  return leaf;
}

absl::StatusOr<Hash> BatchRootOf(const v1::SignedEntry& leaf) {
  return BatchPaths().RootOf(leaf);
}

absl::Status CheckWholeBatch(std::span<const Leaf> leaves) {
  if (leaves.empty()) return Invalid("a batch has at least one entry");
  const v1::SignedEntry& first = leaves.front().signed_entry;
  std::vector<Hash> hashes;
  hashes.reserve(leaves.size());
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    const v1::SignedEntry& leaf = leaves[i].signed_entry;
    if (leaf.batch_index() != i || leaf.batch_size() != leaves.size() || leaf.key_id() != first.key_id() || leaf.algorithm() != first.algorithm() ||
        leaf.signature() != first.signature() || leaves[i].entry.author() != leaves.front().entry.author())
      return Invalid("leaf " + std::to_string(i) + ": the leaves are not one whole author batch in order");
    hashes.push_back(LeafHash(leaf.entry_bytes()));
  }
  const NodeReader read = CompleteSubtrees(std::move(hashes));
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    const auto& said = leaves[i].signed_entry.batch_path();
    const absl::StatusOr<std::vector<Hash>> path = InclusionProof(i, leaves.size(), read);
    if (!path.ok()) return path.status();
    if (!std::equal(said.begin(), said.end(), path->begin(), path->end(), [](const std::string& bytes, const Hash& hash) { return bytes == AsBytes(hash); }))
      return absl::UnauthenticatedError("leaf " + std::to_string(i) + ": its path leads to another root");
  }
  return absl::OkStatus();
}

absl::Status VerifyLeafSignature(std::string_view origin, const v1::SignedEntry& leaf, const PublicKey& key) {
  if (leaf.key_id() != AsBytes(key.key_id())) return absl::UnauthenticatedError("the leaf names another key");
  if (leaf.algorithm() != key.algorithm()) return absl::UnauthenticatedError("the leaf names another algorithm than its key's");
  const absl::StatusOr<Hash> root = BatchRootOf(leaf);
  if (!root.ok()) return absl::UnauthenticatedError(root.status().message());
  return key.Verify(AuthorBatchMessage(origin, leaf.batch_size(), *root), leaf.signature());
}

}  // namespace custodian::ledger

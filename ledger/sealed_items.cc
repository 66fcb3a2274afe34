#include "ledger/sealed_items.h"

#include <algorithm>
#include <limits>

#include "ledger/checkpoint.h"
#include "ledger/entry.h"
#include "ledger/tree.h"

namespace custodian::ledger {
namespace {

constexpr std::size_t kIdBytes = 16;

void AddRecords(const v1::Entry& entry, SealedName name, std::vector<SealedName>& names) {
  const v1::RecordStored& stored = entry.record_stored();
  const int count = std::min({stored.record_id_size(), stored.version_size(), entry.record_sha256_size()});
  name.what = "record";
  name.patient_id = entry.subject();
  name.account = stored.account();
  for (int i = 0; i < count; ++i) {
    name.ordinal = static_cast<std::uint32_t>(i);
    name.id = stored.record_id(i);
    name.version = stored.version(i);
    name.sha256 = entry.record_sha256(i);
    name.deleted = std::find(stored.deleted().begin(), stored.deleted().end(), name.ordinal) != stored.deleted().end();
    names.push_back(name);
  }
}

void AddKey(const v1::KeyStored& stored, SealedName name, std::vector<SealedName>& names) {
  if (stored.what() != "shard" && stored.what() != "patient") return;
  name.what = stored.what();
  name.id = stored.key_id();
  name.sha256 = stored.wrapped_sha256();
  name.shard_id = stored.what() == "shard" ? stored.key_id() : stored.shard_id();
  name.epoch = stored.epoch();
  // The name of a file at a mirror.
  if (name.shard_id.size() == kIdBytes) names.push_back(std::move(name));
}

}  // namespace

std::vector<SealedName> SealedNamesOf(const v1::Entry& entry, std::uint64_t index, std::string_view custodian) {
  std::vector<SealedName> names;
  if (entry.author() != custodian) return names;
  SealedName name;
  name.index = index;
  if (entry.has_record_stored()) AddRecords(entry, name, names);
  if (entry.has_key_stored()) AddKey(entry.key_stored(), name, names);
  return names;
}

absl::StatusOr<std::vector<SealedName>> SealedNamesOf(std::span<const std::string> leaves, std::uint64_t first, std::string_view custodian) {
  std::vector<SealedName> names;
  for (const std::string& bytes : leaves) {
    const absl::StatusOr<Leaf> leaf = ParseLeaf(bytes);
    if (!leaf.ok()) return leaf.status();
    for (SealedName& name : SealedNamesOf(leaf->entry, first, custodian)) names.push_back(std::move(name));
    ++first;
  }
  return names;
}

absl::Status CheckSealed(const SealedName& name, const v1::SealedItem& item) {
  if (item.index() != name.index || item.ordinal() != name.ordinal) return absl::DataLossError(PositionOf(name) + ": something else was handed over");
  if (AsBytes(Sha256(item.sealed())) != name.sha256) return absl::DataLossError(PositionOf(name) + ": not the bytes that the entry names");
  if (!name.is_record()) return absl::OkStatus();
  if (item.patient_id().size() != kIdBytes || (!name.patient_id.empty() && item.patient_id() != name.patient_id))
    return absl::DataLossError(PositionOf(name) + ": it lies under another subject than the entry has");
  return absl::OkStatus();
}

std::string PositionOf(const SealedName& name) {
  const std::string leaf = "leaf " + std::to_string(name.index);
  return name.is_record() ? leaf + ", record " + std::to_string(name.ordinal) + " of it" : leaf + ", the wrapped key";
}

absl::StatusOr<SealedPath> SealedPath::Parse(std::string_view path) {
  const absl::Status wrong = absl::InvalidArgumentError("not a position of sealed items");
  if (path.substr(0, kSealedPrefix.size()) != kSealedPrefix) return wrong;
  path.remove_prefix(kSealedPrefix.size());
  const std::size_t slash = path.find('/');
  if (slash == std::string_view::npos) return wrong;
  const absl::StatusOr<std::uint64_t> index = ParseDecimal(path.substr(0, slash));
  const absl::StatusOr<std::uint64_t> ordinal = ParseDecimal(path.substr(slash + 1));
  if (!index.ok() || !ordinal.ok() || *ordinal > std::numeric_limits<std::uint32_t>::max()) return wrong;
  return SealedPath{*index, static_cast<std::uint32_t>(*ordinal)};
}

std::string SealedPath::ToString() const { return std::string(kSealedPrefix) + std::to_string(index) + "/" + std::to_string(ordinal); }

}  // namespace custodian::ledger

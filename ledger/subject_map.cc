#include "ledger/subject_map.h"

#include <algorithm>

#include "ledger/big_endian.h"

namespace custodian::ledger {
namespace {

constexpr std::size_t kKeyBits = 256;
constexpr std::size_t kLeafBytes = 48;

bool BitOf(const Hash& key, std::size_t at) { return ((key[at / 8] >> (7 - at % 8)) & 1) != 0; }

// Whether two keys begin with the same `bits` bits.
bool SharePrefix(const Hash& one, const Hash& other, std::size_t bits) {
  for (std::size_t at = 0; at < bits; ++at)
    if (BitOf(one, at) != BitOf(other, at)) return false;
  return true;
}

absl::Status Invalid(const std::string& what) { return absl::InvalidArgumentError("the map proof: " + what); }

}  // namespace

Hash SubjectKey(std::string_view subject) { return Sha256(subject); }

Hash SubjectLeafHash(const SubjectLeaf& leaf) {
  std::string bytes(1, '\x02');
  bytes += AsBytes(leaf.key);
  bytes += BigEndian(leaf.value.count, 8);
  bytes += BigEndian(leaf.value.last_index, 8);
  return Sha256(bytes);
}

Hash SubjectNodeHash(const Hash& left, const Hash& right) {
  std::string bytes(1, '\x03');
  bytes.append(AsBytes(left)).append(AsBytes(right));
  return Sha256(bytes);
}

Hash EmptySubjectRoot() { return {}; }

std::string SubjectMapProof::Serialize() const {
  std::string bytes;
  bytes += BigEndian(siblings.size(), 2);
  std::string present((siblings.size() + 7) / 8, '\0');
  for (std::size_t i = 0; i < siblings.size(); ++i)
    if (siblings[i] != EmptySubjectRoot()) present[i / 8] = static_cast<char>(present[i / 8] | (0x80 >> (i % 8)));
  bytes += present;
  bytes += leaf ? '\1' : '\0';
  if (leaf) {
    bytes += AsBytes(leaf->key);
    bytes += BigEndian(leaf->value.count, 8);
    bytes += BigEndian(leaf->value.last_index, 8);
  }
  for (const Hash& sibling : siblings)
    if (sibling != EmptySubjectRoot()) bytes += AsBytes(sibling);
  return bytes;
}

absl::StatusOr<SubjectMapProof> SubjectMapProof::Parse(std::string_view bytes) {
  const absl::Status truncated = Invalid("it ends too early");
  if (bytes.size() < 2) return truncated;
  const std::size_t depth = FromBigEndian(bytes.substr(0, 2));
  if (depth > kKeyBits) return Invalid("it is deeper than a key has bits");
  bytes.remove_prefix(2);
  const std::size_t present_bytes = (depth + 7) / 8;
  if (bytes.size() < present_bytes + 1) return truncated;
  const std::string_view present = bytes.substr(0, present_bytes);
  const char end = bytes[present_bytes];
  bytes.remove_prefix(present_bytes + 1);
  SubjectMapProof proof;
  if (end == '\1') {
    if (bytes.size() < kLeafBytes) return truncated;
    proof.leaf = SubjectLeaf{HashFromBytes(bytes.substr(0, 32)).value(), {FromBigEndian(bytes.substr(32, 8)), FromBigEndian(bytes.substr(40, 8))}};
    bytes.remove_prefix(kLeafBytes);
  } else if (end != '\0') {
    return Invalid("it ends in neither nothing nor a leaf");
  }
  for (std::size_t i = 0; i < present_bytes * 8; ++i) {
    const bool is_present = ((static_cast<std::uint8_t>(present[i / 8]) << (i % 8)) & 0x80) != 0;
    if (i >= depth) {
      if (is_present) return Invalid("it names siblings below its depth");
      continue;
    }
    proof.siblings.push_back(EmptySubjectRoot());
    if (!is_present) continue;
    if (bytes.size() < sizeof(Hash)) return truncated;
    proof.siblings.back() = HashFromBytes(bytes.substr(0, sizeof(Hash))).value();
    if (proof.siblings.back() == EmptySubjectRoot()) return Invalid("an empty sibling is written out");
    bytes.remove_prefix(sizeof(Hash));
  }
  if (!bytes.empty()) return Invalid("bytes follow its end");
  return proof;
}

absl::StatusOr<SubjectValue> SubjectMapProof::Verify(const Hash& root, std::string_view subject) const {
  if (subject.size() != kSubjectBytes) return Invalid("a subject has 16 bytes");
  if (siblings.size() > kKeyBits) return Invalid("it is deeper than a key has bits");
  const Hash key = SubjectKey(subject);
  SubjectValue value;
  if (leaf) {
    if (leaf->value.count == 0) return Invalid("its leaf counts no entry");
    if (!SharePrefix(leaf->key, key, siblings.size())) return Invalid("its leaf lies elsewhere than the subject would");
    if (leaf->key == key) value = leaf->value;
  }
  Hash hash = leaf ? SubjectLeafHash(*leaf) : EmptySubjectRoot();
  for (std::size_t depth = siblings.size(); depth-- > 0;) {
    const Hash& sibling = siblings[depth];
    hash = BitOf(key, depth) ? SubjectNodeHash(sibling, hash) : SubjectNodeHash(hash, sibling);
  }
  if (hash != root) return Invalid("it leads to another root");
  return value;
}

}  // namespace custodian::ledger

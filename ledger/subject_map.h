// The map of a log's subjects: how many of the log's first entries are a subject's, and which is the last. With it a list of a subject's
// entries is proved to be complete, or a subject to have none. A sparse Merkle map in its compact form, as Diem's Jellyfish Merkle tree
// has it (Gao, Hu, Wu 2021; the idea of absence by path: CONIKS, Melara et al. 2015). Pure functions and values; for any thread.
//
//   key(subject)       SHA-256(subject)
//   leaf(key, value)   SHA-256(0x02 || key || count || last index), numbers of 8 bytes, big-endian
//   node(left, right)  SHA-256(0x03 || left || right)
//   subtree            of the keys that begin with the same d bits: 32 zero bytes without a key; the leaf with one key, at whatever depth; else the
//                      node of its two halves, by bit d of the keys (bit 0 is the highest of the first byte)
//
// The prefixes 0x02 and 0x03 keep leaves, nodes, and those of RFC 6962 (0x00, 0x01) apart. A root says which keys there are and nothing of the
// order they came in, so whoever reads the log makes the same one.
//
// Why a proof is sound, for a root that was made from the log: a path to a leaf with the key shows its value, for no other leaf with that key has
// another place. Along the path of an absent key the tree ends in an empty subtree, or in the leaf of another key that begins with the
// same bits: where one leaf stands for a subtree, that subtree has no other key. Both need a second preimage of SHA-256 to be forged.
// Whether a root was made from the log, mirrors and verifiers know by making it again (subject_audit.h).
#ifndef CUSTODIAN_LEDGER_SUBJECT_MAP_H_
#define CUSTODIAN_LEDGER_SUBJECT_MAP_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ledger/tree.h"

namespace custodian::ledger {

inline constexpr std::size_t kSubjectBytes = 16;

struct SubjectValue {
  // Entries of the subject; 0 for a subject that is not in the map.
  std::uint64_t count = 0;
  // Of the last of them; 0 when there is none.
  std::uint64_t last_index = 0;
  bool operator==(const SubjectValue&) const = default;
};

struct SubjectLeaf {
  Hash key{};
  SubjectValue value;
  bool operator==(const SubjectLeaf&) const = default;
};

[[nodiscard]] Hash SubjectKey(std::string_view subject);
[[nodiscard]] Hash SubjectLeafHash(const SubjectLeaf& leaf);
[[nodiscard]] Hash SubjectNodeHash(const Hash& left, const Hash& right);
// Root of the map without subjects, and of each empty subtree: 32 zero bytes.
[[nodiscard]] Hash EmptySubjectRoot();

// --- proofs ----------------------------------------------------------------------------------------------------------------------

// What a subject's value is, or that it has none. As bytes: depth (2, big-endian, at most 256); a bit for each sibling, from the root
// down, highest first, 1 where the sibling is not empty, then zeros to a whole byte; 0 or 1 for what the path ends in: nothing, or a leaf
// (key, count, last index: 48 bytes); the siblings that are not empty, 32 bytes each, from the root down.
struct SubjectMapProof {
  std::optional<SubjectLeaf> leaf;
  // From the root down.
  std::vector<Hash> siblings;

  // InvalidArgument unless the bytes are what Serialize() writes.
  [[nodiscard]] static absl::StatusOr<SubjectMapProof> Parse(std::string_view bytes);
  [[nodiscard]] std::string Serialize() const;
  // The subject's value in the map with that root. InvalidArgument when the proof does not lead there, or says nothing of this subject.
  [[nodiscard]] absl::StatusOr<SubjectValue> Verify(const Hash& root, std::string_view subject) const;
};

// --- keeping a map ---------------------------------------------------------------------------------------------------------------

// Where the map is kept: pages, each the top four levels of a subtree with two keys or more (the page of the root may have fewer). A page's
// prefix is the path to it, a byte of 0 to 15 for each four bits; the root's is empty. Bytes of a page: at most kSubjectPageBytesMax.
inline constexpr std::size_t kSubjectPageBytesMax = 784;
class SubjectPages {
 public:
  virtual ~SubjectPages() = default;
  // The pages that there are of these, by prefix.
  [[nodiscard]] virtual absl::StatusOr<std::map<std::string, std::string>> Read(const std::vector<std::string>& prefixes) = 0;
  // Puts or replaces them.
  [[nodiscard]] virtual absl::Status Write(const std::map<std::string, std::string>& pages) = 0;
};

// Pages in memory: about 110 bytes a subject.
[[nodiscard]] std::unique_ptr<SubjectPages> NewSubjectPagesInMemory();

// What is new of each subject, by key: how many entries, and the last.
using SubjectChanges = std::map<Hash, SubjectValue>;

// Takes changes into the map with that root and returns the new root; a call for each level of pages, about log16(subjects) / 2 + 2, and one
// Write(). Each page read is held against the hash that the one above has of it: DataLoss when they do not fit, so that no damaged page
// becomes a root. Nothing is written unless it succeeds. Memory goes with the changes, not with the map.
[[nodiscard]] absl::StatusOr<Hash> ApplySubjectChanges(SubjectPages& pages, const Hash& root, const SubjectChanges& changes);

// The proof of a subject in the map with that root. DataLoss as above.
[[nodiscard]] absl::StatusOr<SubjectMapProof> ProveSubject(SubjectPages& pages, const Hash& root, std::string_view subject);

}  // namespace custodian::ledger

#endif  // CUSTODIAN_LEDGER_SUBJECT_MAP_H_

// The complete list of a subject's entries, or that there are none: a file that proves offline, with a policy file alone, "this is everything the
// log holds on this subject", up to the size that its newest map covers. Pure.
//
//   custodian/subject-list/v1
//   subject <Base64 of 16 bytes>
//   map <Base64 of the subject's SubjectMapProof>
//   entry <index> <Base64 of the leaf>       the SUBJECT_MAP entry
//   <Base64 of a hash>                       its inclusion proof, leaf to root, one a line
//   entry <index> <Base64 of the leaf>       each of the subject's entries, by index
//   <Base64 of a hash>
//                                            an empty line
//   <the checkpoint's note>
//
// Why it is complete: the map says that of the first `size` entries of the log `count` are the subject's. The file shows `count` different
// entries below `size`, each in the log (its inclusion proof) and each with this subject, so there is no other. That rests on the map's root being
// made from the entries, which whoever verifies the whole log finds (subject_audit.h): a mirror makes it again before it cosigns. Who wrote the
// entries takes the governance log, as with a receipt. Entries from `size` on are not in the list.
#ifndef CUSTODIAN_LEDGER_SUBJECT_LIST_H_
#define CUSTODIAN_LEDGER_SUBJECT_LIST_H_

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "ledger/checkpoint.h"
#include "ledger/entry.h"
#include "ledger/subject_map.h"
#include "ledger/tree.h"

namespace custodian::ledger {

inline constexpr std::size_t kSubjectListBytesMax = 64u << 20;
inline constexpr std::size_t kSubjectListEntriesMax = 10'000;

struct SubjectList {
  struct Entry {
    std::uint64_t index = 0;
    std::string leaf;
    std::vector<Hash> proof;
  };
  // 16 bytes.
  std::string subject;
  SubjectMapProof map;
  // The SUBJECT_MAP entry that carries the map's root.
  Entry map_entry;
  // By index.
  std::vector<Entry> entries;
  // The checkpoint's note, verbatim.
  std::string checkpoint;

  // InvalidArgument naming what is wrong.
  [[nodiscard]] static absl::StatusOr<SubjectList> Parse(std::string_view text);
  [[nodiscard]] std::string Serialize() const;

  struct Verified {
    Checkpoint checkpoint;
    // Policy::WitnessedAt() of the checkpoint.
    absl::Time witnessed_at = absl::InfinitePast();
    // The list is complete for so many of the log's entries; index of the SUBJECT_MAP entry that says so, and the time it gives.
    std::uint64_t covered = 0;
    std::uint64_t map_index = 0;
    absl::Time covered_at = absl::InfinitePast();
    // Empty when the subject has none.
    std::vector<std::pair<std::uint64_t, Leaf>> entries;
    // True when the checkpoint has no entry that the map does not cover, but the map's own.
    [[nodiscard]] bool CoversAll() const { return covered == map_index && checkpoint.size == map_index + 1; }
    // What is new since then is not in the list: the older of `witnessed_at` and `covered_at`, which the map's author claims; of a map that covers all,
    // `witnessed_at`. A checkpoint of today says nothing new of a map of last year.
    [[nodiscard]] absl::Time AsOf() const { return CoversAll() ? witnessed_at : std::min(witnessed_at, covered_at); }
  };
  // Unauthenticated or InvalidArgument that says what does not fit.
  [[nodiscard]] absl::StatusOr<Verified> Verify(const Policy& policy) const;
};

}  // namespace custodian::ledger

#endif  // CUSTODIAN_LEDGER_SUBJECT_LIST_H_

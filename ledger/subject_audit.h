// Makes the map of a log's subjects (subject_map.h) from its entries, and holds each SUBJECT_MAP entry against it: what a verifier and a
// mirror do, so that a custodian that leaves an entry out of the map, counts wrong, or enters an old root is found at that entry. Whoever
// wrote it, a SUBJECT_MAP entry must be right. Used by one thread.
#ifndef CUSTODIAN_LEDGER_SUBJECT_AUDIT_H_
#define CUSTODIAN_LEDGER_SUBJECT_AUDIT_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "ledger/entry.h"
#include "ledger/subject_map.h"

namespace custodian::ledger {

// A SUBJECT_MAP entry may leave at most so many entries before it uncovered: what a verifier must keep apart.
inline constexpr std::uint64_t kSubjectMapLagMax = 1'000'000;

class SubjectAuditor {
 public:
  // Without `pages` the map is kept in memory.
  explicit SubjectAuditor(std::unique_ptr<SubjectPages> pages = nullptr);

  // The entry at `index`, in order. InvalidArgument that says what is wrong with a SUBJECT_MAP entry; what Read() and Write() of the pages fail with.
  [[nodiscard]] absl::Status Add(std::uint64_t index, const v1::Entry& entry);
  // An entry could not be read, so it is not known whose it is: no later root can be judged.
  void AddUnread() { is_blind_ = true; }

  // Entries that the newest map covers; 0 before the first.
  [[nodiscard]] std::uint64_t covered() const { return covered_; }
  // The first entry of a subject that no map covers yet.
  [[nodiscard]] std::optional<std::uint64_t> first_uncovered() const {
    return uncovered_.empty() ? std::nullopt : std::optional(uncovered_.front().first);
  }

 private:
  [[nodiscard]] absl::Status Check(std::uint64_t index, const v1::SubjectMap& map);
  // Takes the entries below `size` into the map.
  [[nodiscard]] absl::Status Cover(std::uint64_t size);

  std::unique_ptr<SubjectPages> pages_;
  Hash root_ = EmptySubjectRoot();
  std::uint64_t covered_ = 0;
  bool is_blind_ = false;
  // Index and subject's key of what is not in the map.
  std::deque<std::pair<std::uint64_t, Hash>> uncovered_;
};

}  // namespace custodian::ledger

#endif  // CUSTODIAN_LEDGER_SUBJECT_AUDIT_H_

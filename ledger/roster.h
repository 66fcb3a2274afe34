// The roster of authors as the governance log's ROSTER_CHANGED entries make it, at every size of that log: what a verifier judges
// entries by. Pure values; safe from any thread once built.
#ifndef CUSTODIAN_LEDGER_ROSTER_H_
#define CUSTODIAN_LEDGER_ROSTER_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ledger/entry.pb.h"
#include "ledger/signature.h"
#include "ledger/tree.h"

namespace custodian::ledger {

// Whether entries of `kind` belong on a governance log; all others belong on partitions' logs.
[[nodiscard]] bool IsGovernanceKind(v1::Kind kind);

// Who may write what, after some ROSTER_CHANGED entries. A later entry for a key replaces an earlier one; a revoked key is gone.
class AuthorRoster {
 public:
  // InvalidArgument when the public key is none we know.
  [[nodiscard]] absl::Status Apply(const v1::RosterChanged& change);
  // The key to verify with; PermissionDenied when the key is not enrolled for this author, origin and kind.
  [[nodiscard]] absl::StatusOr<PublicKey> Judge(std::string_view author, std::string_view key_id, std::string_view origin,
                                                v1::Kind kind) const;

 private:
  struct Enrolment {
    PublicKey key;
    v1::RosterChanged change;
  };
  std::map<std::string, Enrolment, std::less<>> enrolments_;
};

// Public keys by their ids. A key's id is its hash: whoever may write by it, and whenever, it is this key.
using AuthorKeys = std::map<std::string, PublicKey, std::less<>>;

// A whole governance log, reduced to what judging needs: its roots and its changes of the roster.
class RosterHistory {
 public:
  // Takes the governance log's entries in order; `root_after` is its root with this entry.
  void Append(const v1::Entry& entry, const Hash& root_after);

  [[nodiscard]] std::uint64_t size() const { return roots_.size() - 1; }
  // OutOfRange past size().
  [[nodiscard]] absl::StatusOr<Hash> RootAt(std::uint64_t size) const;
  // The author that the first entry enrols: the custodian.
  [[nodiscard]] const std::string& custodian() const { return custodian_; }
  // Verifier keys of the tenants' logs, by origin, as admitted.
  [[nodiscard]] const std::map<std::string, v1::TenantAdmitted>& admitted() const { return admitted_; }

  // The key of that id if it was ever enrolled for this author and log, though it be revoked by now; PermissionDenied otherwise.
  [[nodiscard]] absl::StatusOr<PublicKey> EverEnrolled(std::string_view author, std::string_view key_id, std::string_view origin) const;
  // Every key that was ever enrolled.
  [[nodiscard]] AuthorKeys Keys() const;

  // The roster at a size that only grows.
  class Cursor {
   public:
    explicit Cursor(const RosterHistory& history) : history_(history) {}
    // Takes in the changes below `size`; nothing happens when it is smaller than before.
    [[nodiscard]] absl::Status MoveTo(std::uint64_t size);
    [[nodiscard]] const AuthorRoster& roster() const { return roster_; }

   private:
    const RosterHistory& history_;
    std::size_t next_ = 0;
    AuthorRoster roster_;
  };

 private:
  std::vector<Hash> roots_ = {EmptyRoot()};
  // Index in the governance log, and what it changed.
  std::vector<std::pair<std::uint64_t, v1::RosterChanged>> changes_;
  std::map<std::string, v1::TenantAdmitted> admitted_;
  std::string custodian_;
};

}  // namespace custodian::ledger

#endif  // CUSTODIAN_LEDGER_ROSTER_H_

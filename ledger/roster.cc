#include "ledger/roster.h"

#include <algorithm>

namespace custodian::ledger {

bool IsGovernanceKind(v1::Kind kind) {
  switch (kind) {
    case v1::KIND_TENANT_ADMITTED:
    case v1::KIND_ROSTER_CHANGED:
    case v1::KIND_POLICY_SET:
    case v1::KIND_TABLE_SET:
    case v1::KIND_SUCCESSION:
    case v1::KIND_CLIENT_REGISTERED:
    case v1::KIND_CLIENT_ACCESS_SET:
      return true;
    default:
      return false;
  }
}

absl::Status AuthorRoster::Apply(const v1::RosterChanged& change) {
  absl::StatusOr<PublicKey> key = PublicKey::FromDer(change.public_key());
  if (!key.ok()) return key.status();
  if (change.key_id() != AsBytes(key->key_id())) return absl::InvalidArgumentError("the key id is not that of the public key");
  if (change.revoked())
    enrolments_.erase(change.key_id());
  else
    enrolments_.insert_or_assign(change.key_id(), Enrolment{*std::move(key), change});
  return absl::OkStatus();
}

absl::StatusOr<PublicKey> AuthorRoster::Judge(std::string_view author, std::string_view key_id, std::string_view origin,
                                              v1::Kind kind) const {
  const auto found = enrolments_.find(key_id);
  if (found == enrolments_.end()) return absl::PermissionDeniedError("the author's key is not enrolled");
  const v1::RosterChanged& change = found->second.change;
  if (change.author() != author) return absl::PermissionDeniedError("the key is enrolled for another author");
  if (!change.origins().empty() && std::find(change.origins().begin(), change.origins().end(), origin) == change.origins().end())
    return absl::PermissionDeniedError("the author is not enrolled for this log");
  if (std::find(change.kinds().begin(), change.kinds().end(), kind) == change.kinds().end())
    return absl::PermissionDeniedError("the author is not enrolled for " + v1::Kind_Name(kind));
  return found->second.key;
}

void RosterHistory::Append(const v1::Entry& entry, const Hash& root_after) {
  if (entry.has_roster_changed()) {
    if (size() == 0) custodian_ = entry.roster_changed().author();
    changes_.emplace_back(size(), entry.roster_changed());
  }
  // The first admission counts: who writes the governance log does not by that move a tenant's log to another key, or to another tenant.
  if (entry.has_tenant_admitted()) admitted_.try_emplace(entry.tenant_admitted().origin(), entry.tenant_admitted());
  roots_.push_back(root_after);
}

absl::StatusOr<Hash> RosterHistory::RootAt(std::uint64_t size) const {
  if (size >= roots_.size())
    return absl::OutOfRangeError("the governance log has " + std::to_string(this->size()) + " entries, not " +
                                 std::to_string(size));
  return roots_[size];
}

AuthorKeys RosterHistory::Keys() const {
  AuthorKeys keys;
  for (const auto& [index, change] : changes_) {
    absl::StatusOr<PublicKey> key = PublicKey::FromDer(change.public_key());
    if (key.ok() && change.key_id() == AsBytes(key->key_id())) keys.insert_or_assign(change.key_id(), *std::move(key));
  }
  return keys;
}

absl::StatusOr<PublicKey> RosterHistory::EverEnrolled(std::string_view author, std::string_view key_id, std::string_view origin) const {
  for (const auto& [index, change] : changes_) {
    if (change.revoked() || change.author() != author || change.key_id() != key_id) continue;
    if (!change.origins().empty() && std::find(change.origins().begin(), change.origins().end(), origin) == change.origins().end()) continue;
    absl::StatusOr<PublicKey> key = PublicKey::FromDer(change.public_key());
    if (key.ok() && key_id == AsBytes(key->key_id())) return key;
  }
  return absl::PermissionDeniedError("its key was never enrolled for " + std::string(author) + " and this log");
}

absl::Status RosterHistory::Cursor::MoveTo(std::uint64_t size) {
  for (; next_ < history_.changes_.size() && history_.changes_[next_].first < size; ++next_)
    if (absl::Status status = roster_.Apply(history_.changes_[next_].second); !status.ok()) return status;
  return absl::OkStatus();
}

}  // namespace custodian::ledger

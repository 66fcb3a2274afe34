#include "services/governance/roster_state.h"

#include "fmt/format.h"

namespace custodian::governance {

absl::Status RosterState::Append(std::string_view leaf) {
  const auto damaged = [this](const absl::Status& why) {
    return absl::DataLossError(fmt::format("governance log {}, entry {}: {}", origin_, size(), std::string(why.message())));
  };
  const auto parsed = ledger::ParseLeaf(leaf);
  if (!parsed.ok()) return damaged(parsed.status());
  if (parsed->entry.origin() != origin_) return damaged(absl::DataLossError("the entry is of another log"));
  if (absl::Status status = CheckSignature(*parsed); !status.ok()) return damaged(status);
  if (absl::Status status = Take(parsed->entry); !status.ok()) return damaged(status);
  range_.Append(ledger::LeafHash(leaf));
  return absl::OkStatus();
}

absl::Status RosterState::CheckSignature(const ledger::Leaf& leaf) const {
  const ledger::v1::Entry& entry = leaf.entry;
  if (size() == 0) {
    const ledger::v1::RosterChanged& first = entry.roster_changed();
    if (entry.kind() != ledger::v1::KIND_ROSTER_CHANGED || first.author() != entry.author() || first.author() != custodian_ ||
        first.revoked()) {
      return absl::DataLossError("the first entry does not enrol the custodian's author key");
    }
    const auto key = ledger::PublicKey::FromDer(first.public_key());
    if (!key.ok()) return key.status();
    return ledger::VerifyLeafSignature(origin_, leaf.signed_entry, *key);
  }
  const auto key_id = ledger::HashFromBytes(leaf.signed_entry.key_id());
  if (!key_id.ok()) return key_id.status();
  const Author* author = FindKey(*key_id);
  if (author == nullptr) return absl::DataLossError("its key is not enrolled");
  if (absl::Status status = MayWrite(entry.author(), *key_id, origin_, entry.kind()); !status.ok()) return status;
  return ledger::VerifyLeafSignature(origin_, leaf.signed_entry, author->key);
}

absl::Status RosterState::Take(const ledger::v1::Entry& entry) {
  if (entry.has_roster_changed()) {
    const ledger::v1::RosterChanged& change = entry.roster_changed();
    auto key = ledger::PublicKey::FromDer(change.public_key());
    if (!key.ok()) return key.status();
    Author author{.author = change.author(),
                  .key = *key,
                  .origins = {change.origins().begin(), change.origins().end()},
                  .kinds = {},
                  .revoked = change.revoked(),
                  .index = size()};
    for (const int kind : change.kinds()) author.kinds.insert(static_cast<ledger::v1::Kind>(kind));
    authors_.insert_or_assign(key->key_id(), std::move(author));
  } else if (entry.has_table_set()) {
    tables_.insert_or_assign({entry.table_set().name(), entry.table_set().tenant_id()}, Table{entry.table_set(), size()});
  } else if (entry.has_policy_set()) {
    policy_ = {entry.policy_set().policy(), size()};
  } else if (entry.has_tenant_admitted()) {
    tenants_.push_back(entry.tenant_admitted());
  }
  return absl::OkStatus();
}

absl::Status RosterState::MayWrite(std::string_view author, const ledger::Hash& key_id, std::string_view origin,
                                   ledger::v1::Kind kind) const {
  const Author* enrolled = FindKey(key_id);
  if (enrolled == nullptr || enrolled->author != author) return absl::PermissionDeniedError("the author's key is not enrolled");
  if (enrolled->revoked) return absl::PermissionDeniedError("the author's key is revoked");
  if (origin == origin_ && author != custodian_) return absl::PermissionDeniedError("the author may not write to the governance log");
  if (!enrolled->origins.empty() && !enrolled->origins.contains(origin)) {
    return absl::PermissionDeniedError("the author may not write to this log");
  }
  if (!enrolled->kinds.contains(kind)) {
    return absl::PermissionDeniedError(fmt::format("the author may not write {}", ledger::v1::Kind_Name(kind)));
  }
  return absl::OkStatus();
}

const RosterState::Author* RosterState::FindKey(const ledger::Hash& key_id) const {
  const auto found = authors_.find(key_id);
  return found == authors_.end() ? nullptr : &found->second;
}

const RosterState::Table* RosterState::FindTable(std::string_view name, std::string_view tenant_id) const {
  const auto found = tables_.find({std::string(name), std::string(tenant_id)});
  return found == tables_.end() ? nullptr : &found->second;
}

}  // namespace custodian::governance

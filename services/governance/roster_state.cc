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
  if (!ledger::IsGovernanceKind(entry.kind())) return absl::DataLossError("its kind does not belong on this log");
  const auto key = roster_.Judge(entry.author(), leaf.signed_entry.key_id(), origin_, entry.kind());
  if (!key.ok()) return key.status();
  return ledger::VerifyLeafSignature(origin_, leaf.signed_entry, *key);
}

absl::Status RosterState::Take(const ledger::v1::Entry& entry) {
  if (entry.has_roster_changed()) {
    const ledger::v1::RosterChanged& change = entry.roster_changed();
    const auto key = ledger::PublicKey::FromDer(change.public_key());
    if (!key.ok()) return key.status();
    if (absl::Status status = roster_.Apply(change); !status.ok()) return status;
    authors_.insert_or_assign(key->key_id(), Author{change, *key, size()});
  } else if (entry.has_table_set()) {
    tables_.insert_or_assign({entry.table_set().name(), entry.table_set().tenant_id()}, Table{entry.table_set(), size()});
  } else if (entry.has_policy_set()) {
    policy_ = {entry.policy_set().policy(), size()};
  } else if (entry.has_client_access()) {
    accesses_.insert_or_assign(entry.client_access().client(), Access{entry.client_access(), size()});
  } else if (entry.has_tenant_admitted()) {
    tenants_.push_back(entry.tenant_admitted());
  }
  return absl::OkStatus();
}

absl::Status RosterState::MayWrite(std::string_view author, const ledger::Hash& key_id, std::string_view origin,
                                   ledger::v1::Kind kind) const {
  if (origin == origin_ && author != custodian_) return absl::PermissionDeniedError("the author may not write to the governance log");
  return roster_.Judge(author, ledger::AsBytes(key_id), origin, kind).status();
}

const RosterState::Author* RosterState::FindKey(const ledger::Hash& key_id) const {
  const auto found = authors_.find(key_id);
  return found == authors_.end() ? nullptr : &found->second;
}

const RosterState::Table* RosterState::FindTable(std::string_view name, std::string_view tenant_id) const {
  const auto found = tables_.find({std::string(name), std::string(tenant_id)});
  return found == tables_.end() ? nullptr : &found->second;
}

const RosterState::Access* RosterState::FindAccess(std::string_view client) const {
  const auto found = accesses_.find(client);
  return found == accesses_.end() ? nullptr : &found->second;
}

}  // namespace custodian::governance

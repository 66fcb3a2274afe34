#include "services/governance/governance_log.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <set>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "fmt/format.h"
#include "ledger/checkpoint.h"
#include "ledger/entry.h"
#include "services/governance/governance_store.h"
#include "services/governance/roster_state.h"

namespace custodian::governance {
namespace {

using ledger::v1::Entry;
using tenants::Write;

constexpr std::uint64_t kLeavesPerRead = 1'000;
constexpr std::array kRoles = {"fhir", "feed", "auditor", "node", "cds", "steward", "regulator", "operator"};

// SHA-256 over the parts, each behind its length, so that no two lists read alike.
std::string Digest(std::initializer_list<std::string_view> parts) {
  std::string bytes;
  for (const std::string_view part : parts) bytes += fmt::format("{}:{}\n", part.size(), part);
  return std::string(ledger::AsBytes(ledger::Sha256(bytes)));
}

// What only tenants' authors write is left out.
std::set<ledger::v1::Kind> AllKinds() {
  std::set<ledger::v1::Kind> kinds;
  const auto* descriptor = ledger::v1::Kind_descriptor();
  for (int i = 0; i < descriptor->value_count(); ++i) kinds.insert(static_cast<ledger::v1::Kind>(descriptor->value(i)->number()));
  for (const ledger::v1::Kind none : {ledger::v1::KIND_UNSPECIFIED, ledger::v1::KIND_VOID, ledger::v1::KIND_COUNTERSIGNED, ledger::v1::KIND_DISPUTED}) kinds.erase(none);
  return kinds;
}

absl::Status Invalid(std::string_view field, std::string_view problem) {
  return absl::InvalidArgumentError(fmt::format("{}: {}", field, problem));
}

absl::Status CheckTenant(const tenants::Tenant& tenant) {
  if (tenant.id.text().empty()) return Invalid("tenant_id", "missing");
  const auto is_name_character = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
  if (tenant.name.empty() || tenant.name.size() > 32 || !std::ranges::all_of(tenant.name, is_name_character)) {
    return Invalid("name", "lower-case letters, digits and '-', at most 32");
  }
  for (const auto& [field, value] : {std::pair("display_name", &tenant.display_name), {"cell", &tenant.cell},
                                     {"database", &tenant.database}, {"key_database", &tenant.key_database},
                                     {"organization_system", &tenant.organization_system},
                                     {"organization_value", &tenant.organization_value}}) {
    if (value->empty() || value->size() > 512) return Invalid(field, "missing or longer than 512 bytes");
  }
  const auto key = ledger::NoteVerifier::Parse(tenant.log_vkey);
  if (!key.ok()) return Invalid("log_vkey", std::string(key.status().message()));
  if (key->name() != tenant.origin) return Invalid("log_vkey", "names another log than origin");
  absl::TimeZone zone;
  if (!absl::LoadTimeZone(tenant.time_zone, &zone)) return Invalid("time_zone", "no IANA zone is called that");
  return absl::OkStatus();
}

absl::Status CheckClient(const tenants::Client& client) {
  if (!client.spiffe_id.starts_with("spiffe://") || client.spiffe_id.size() > 512) return Invalid("spiffe_id", "not a SPIFFE id");
  if (std::ranges::find(kRoles, client.role) == kRoles.end()) return Invalid("role", "unknown");
  const bool of_tenant = client.role == "fhir" || client.role == "feed" || client.role == "auditor" || client.role == "cds" || client.role == "steward";
  if (of_tenant && client.tenant.text().empty()) return Invalid("tenant_id", fmt::format("a client of role {} belongs to a tenant", client.role));
  if (client.role == "fhir" && client.purpose.empty()) return Invalid("purpose", "a client that reads records has one");
  return absl::OkStatus();
}

}  // namespace

class GovernanceLog::State {
 public:
  State(std::string origin, std::string author, ledger::PublicKey key, const tenants::LogReader& log)
      : origin_(std::move(origin)),
        author_(std::move(author)),
        key_(std::move(key)),
        log_(log),
        roster_(std::make_shared<const RosterState>(origin_, author_)) {}

  [[nodiscard]] std::shared_ptr<const RosterState> roster() const {
    absl::MutexLock lock(&mutex_);
    return roster_;
  }

  // Reads without a lock: two that run at once do the same work, and the longer result stays.
  absl::Status Refresh() {
    const auto head = log_.Head();
    if (!head.ok()) return head.status();
    const auto known = roster();
    if (head->size <= known->size()) return absl::OkStatus();
    auto next = std::make_shared<RosterState>(*known);
    while (next->size() < head->size) {
      const auto leaves = log_.Leaves(next->size(), std::min(kLeavesPerRead, head->size - next->size()));
      if (!leaves.ok()) return leaves.status();
      for (const std::string& leaf : *leaves) {
        if (absl::Status status = next->Append(leaf); !status.ok()) return status;
      }
    }
    if (next->Root() != head->root) return absl::DataLossError(fmt::format("governance log {}: its entries do not make its head", origin_));
    absl::MutexLock lock(&mutex_);
    if (next->size() > roster_->size()) roster_ = std::move(next);
    return absl::OkStatus();
  }

  [[nodiscard]] absl::StatusOr<std::vector<std::string>> Leaves(std::uint64_t first, std::uint64_t count) const { return log_.Leaves(first, count); }

  void Bind(tenants::PartitionWriter& writer) {
    absl::MutexLock lock(&mutex_);
    writer_ = &writer;
  }

  // Writes and takes in what was written; the index of its entry.
  absl::StatusOr<std::uint64_t> Apply(Write write) {
    tenants::PartitionWriter* writer = nullptr;
    {
      absl::MutexLock lock(&mutex_);
      writer = writer_;
    }
    if (writer == nullptr) return absl::FailedPreconditionError("the governance log has no writer yet");
    const auto admitted = writer->Apply(std::move(write));
    if (!admitted.ok()) return admitted.status();
    if (absl::Status status = Refresh(); !status.ok()) return status;
    return admitted->first_index;
  }

  static ledger::v1::RosterChanged ChangeOf(const Author& author, const ledger::PublicKey& key) {
    ledger::v1::RosterChanged change;
    change.set_author(author.author);
    change.set_key_id(std::string(ledger::AsBytes(key.key_id())));
    change.set_algorithm(key.algorithm());
    change.set_public_key(key.der());
    for (const std::string& origin : author.origins) change.add_origins(origin);
    for (const ledger::v1::Kind kind : author.kinds) change.add_kinds(kind);
    change.set_revoked(author.revoked);
    return change;
  }

  // The entry that enrols an author, as a Write that follows `previous` (the entry it replaces, if any).
  static Write EnrollWrite(const ledger::v1::RosterChanged& change, const RosterState::Author* previous) {
    Entry entry;
    entry.set_kind(ledger::v1::KIND_ROSTER_CHANGED);
    *entry.mutable_roster_changed() = change;
    Write write;
    write.request_digest = Digest({"roster-changed", change.SerializeAsString()});
    write.idempotency_key = Digest({"roster-changed", write.request_digest, After(previous)});
    write.entries.push_back(std::move(entry));
    return write;
  }

  // Two equal changes are one unless another stood between them.
  template <typename Governed>
  static std::string After(const Governed* previous) {
    return previous == nullptr ? "first" : fmt::format("after {}", previous->index);
  }

  const std::string origin_;
  const std::string author_;
  const ledger::PublicKey key_;

 private:
  const tenants::LogReader& log_;
  mutable absl::Mutex mutex_;
  tenants::PartitionWriter* writer_ ABSL_GUARDED_BY(mutex_) = nullptr;
  std::shared_ptr<const RosterState> roster_ ABSL_GUARDED_BY(mutex_);
};

GovernanceLog::GovernanceLog(std::unique_ptr<State> state) : state_(std::move(state)) {}
GovernanceLog::~GovernanceLog() = default;

absl::StatusOr<std::unique_ptr<GovernanceLog>> GovernanceLog::Create(std::string origin, std::string author, ledger::PublicKey key,
                                                                     const tenants::LogReader& log) {
  auto state = std::make_unique<State>(std::move(origin), std::move(author), std::move(key), log);
  if (absl::Status status = state->Refresh(); !status.ok()) return status;
  return std::unique_ptr<GovernanceLog>(new GovernanceLog(std::move(state)));
}

void GovernanceLog::Bind(tenants::PartitionWriter& writer) { state_->Bind(writer); }

absl::Status GovernanceLog::Bootstrap() {
  const auto roster = state_->roster();
  const RosterState::Author* self = roster->FindKey(state_->key_.key_id());
  if (roster->size() != 0 && (self == nullptr || self->change.author() != state_->author_ || self->change.revoked())) {
    return absl::FailedPreconditionError(
        fmt::format("the author key of {} is not enrolled in the governance log {}", state_->author_, state_->origin_));
  }
  const auto kinds = AllKinds();
  // A newer version that knows more kinds enrols itself for them.
  if (self != nullptr && std::ranges::all_of(kinds, [self](int kind) {
        return std::ranges::find(self->change.kinds(), kind) != self->change.kinds().end();
      })) {
    return absl::OkStatus();
  }
  const Author author{.author = state_->author_, .public_key = state_->key_.der(), .origins = {}, .kinds = {kinds.begin(), kinds.end()},
                      .revoked = false};
  return state_->Apply(State::EnrollWrite(State::ChangeOf(author, state_->key_), self)).status();
}

absl::Status GovernanceLog::MayWrite(std::string_view author, const ledger::Hash& key_id, std::string_view origin,
                                     ledger::v1::Kind kind) const {
  const auto roster = state_->roster();
  // The one entry that no roster can allow: the first, by which the custodian enrols itself.
  if (roster->size() == 0 && origin == state_->origin_ && author == state_->author_ && key_id == state_->key_.key_id() &&
      kind == ledger::v1::KIND_ROSTER_CHANGED) {
    return absl::OkStatus();
  }
  return roster->MayWrite(author, key_id, origin, kind);
}

absl::StatusOr<ledger::PublicKey> GovernanceLog::Key(const ledger::Hash& key_id) const {
  const auto roster = state_->roster();
  const RosterState::Author* author = roster->FindKey(key_id);
  if (author == nullptr) return absl::PermissionDeniedError("the author's key is not enrolled");
  return author->key;
}

std::pair<std::uint64_t, ledger::Hash> GovernanceLog::Position() const {
  const auto roster = state_->roster();
  return {roster->size(), roster->Root()};
}

absl::StatusOr<std::uint64_t> GovernanceLog::AdmitTenant(const tenants::Tenant& tenant) {
  if (absl::Status status = CheckTenant(tenant); !status.ok()) return status;
  Entry entry;
  entry.set_kind(ledger::v1::KIND_TENANT_ADMITTED);
  ledger::v1::TenantAdmitted& admitted = *entry.mutable_tenant_admitted();
  admitted.set_tenant_id(tenant.id.text());
  admitted.set_name(tenant.name);
  admitted.set_origin(tenant.origin);
  admitted.set_log_vkey(tenant.log_vkey);
  Write write;
  write.idempotency_key = Digest({"tenant-admitted", tenant.id.text()});
  write.request_digest = Digest({"tenant-admitted", tenant.id.text(), tenant.name, tenant.display_name, tenant.cell, tenant.database,
                                 tenant.key_database, tenant.origin, tenant.log_vkey, tenant.time_zone, tenant.organization_system,
                                 tenant.organization_value, tenant.accession_system, tenant.cds_issuer, tenant.cds_tenant, tenant.cds_jwks});
  write.entries.push_back(std::move(entry));
  write.rows.push_back(TenantRow(tenant));
  auto index = state_->Apply(std::move(write));
  if (absl::IsAlreadyExists(index.status())) {
    return absl::AlreadyExistsError(
        fmt::format("tenant {}: its id, name, origin, database, organization, accession system or CDS issuer is taken", tenant.name));
  }
  return index;
}

absl::StatusOr<std::uint64_t> GovernanceLog::EnrollAuthor(const Author& author) {
  if (!author.author.starts_with("spiffe://") || author.author.size() > 512) return Invalid("author", "not a SPIFFE id");
  const auto key = ledger::PublicKey::FromDer(author.public_key);
  if (!key.ok()) return Invalid("public_key", std::string(key.status().message()));
  if (author.kinds.empty() && !author.revoked) return Invalid("kinds", "an author may write at least one");
  for (const std::string& origin : author.origins) {
    if (origin.empty()) return Invalid("origins", "an origin is empty");
  }
  const auto roster = state_->roster();
  const RosterState::Author* current = roster->FindKey(key->key_id());
  if (key->key_id() == state_->key_.key_id() && (author.revoked || author.author != state_->author_)) {
    return absl::FailedPreconditionError("the custodian's own key is in use: it is replaced by a succession");
  }
  const ledger::v1::RosterChanged change = State::ChangeOf(author, *key);
  if (current != nullptr && current->change.SerializeAsString() == change.SerializeAsString()) return current->index;
  return state_->Apply(State::EnrollWrite(change, current));
}

absl::StatusOr<std::uint64_t> GovernanceLog::SetPolicy(std::string_view policy) {
  if (policy.empty() || policy.size() > kTableBytesMax) return Invalid("policy", "missing or too long");
  if (const auto parsed = ledger::Policy::Parse(policy); !parsed.ok()) return Invalid("policy", std::string(parsed.status().message()));
  const auto roster = state_->roster();
  const RosterState::Policy* current = roster->policy();
  if (current != nullptr && current->text == policy) return current->index;
  Entry entry;
  entry.set_kind(ledger::v1::KIND_POLICY_SET);
  entry.mutable_policy_set()->set_policy(std::string(policy));
  Write write;
  write.request_digest = Digest({"policy-set", policy});
  write.idempotency_key = Digest({"policy-set", write.request_digest, State::After(current)});
  write.entries.push_back(std::move(entry));
  return state_->Apply(std::move(write));
}

absl::StatusOr<std::uint64_t> GovernanceLog::SetTable(const GovernedTable& table) {
  const auto is_name_character = [](char c) { return (c >= 'a' && c <= 'z') || c == '-'; };
  if (table.name.empty() || table.name.size() > 32 || !std::ranges::all_of(table.name, is_name_character)) return Invalid("name", "not a governed table");
  if (table.content.empty() || table.content.size() > kTableBytesMax) {
    return Invalid("content", fmt::format("1 to {} bytes", kTableBytesMax));
  }
  if (table.source.empty() || table.source.size() > 512) return Invalid("source", "missing or longer than 512 bytes");
  if (table.approved_by.empty() || table.approved_by.size() > 512) return Invalid("approved_by", "missing or longer than 512 bytes");
  const auto roster = state_->roster();
  if (!table.tenant_id.empty() &&
      std::ranges::none_of(roster->tenants(), [&](const auto& tenant) { return tenant.tenant_id() == table.tenant_id; })) {
    return Invalid("tenant_id", "no tenant of that id is admitted");
  }
  Entry entry;
  entry.set_kind(ledger::v1::KIND_TABLE_SET);
  ledger::v1::TableSet& set = *entry.mutable_table_set();
  set.set_name(table.name);
  set.set_tenant_id(table.tenant_id);
  set.set_content(table.content);
  set.set_source(table.source);
  set.set_approved_by(table.approved_by);
  const RosterState::Table* current = roster->FindTable(table.name, table.tenant_id);
  if (current != nullptr && current->set.SerializeAsString() == set.SerializeAsString()) return current->index;
  Write write;
  write.request_digest = Digest({"table-set", table.name, table.tenant_id, table.content, table.source, table.approved_by});
  write.idempotency_key = Digest({"table-set", write.request_digest, State::After(current)});
  write.entries.push_back(std::move(entry));
  return state_->Apply(std::move(write));
}

absl::Status GovernanceLog::RegisterClient(const tenants::Client& client) {
  if (absl::Status status = CheckClient(client); !status.ok()) return status;
  const auto roster = state_->roster();
  if (!client.tenant.text().empty() &&
      std::ranges::none_of(roster->tenants(), [&](const auto& tenant) { return tenant.tenant_id() == client.tenant.text(); })) {
    return Invalid("tenant_id", "no tenant of that id is admitted");
  }
  Write write;
  write.idempotency_key = Digest({"client", client.spiffe_id});
  write.request_digest = Digest({"client", client.spiffe_id, client.tenant.text(), client.role, client.purpose});
  Entry entry;
  entry.set_kind(ledger::v1::KIND_CLIENT_REGISTERED);
  entry.mutable_client_registered()->set_spiffe_id(client.spiffe_id);
  entry.mutable_client_registered()->set_tenant_id(client.tenant.text());
  entry.mutable_client_registered()->set_role(client.role);
  entry.mutable_client_registered()->set_purpose(client.purpose);
  write.entries.push_back(std::move(entry));
  write.rows.push_back(ClientRow(client));
  absl::Status status = state_->Apply(std::move(write)).status();
  if (absl::IsAlreadyExists(status)) {
    return absl::AlreadyExistsError(fmt::format("client {} is registered with another tenant, role or purpose", client.spiffe_id));
  }
  return status;
}

absl::StatusOr<std::uint64_t> GovernanceLog::SetClientAccess(const ledger::v1::ClientAccess& access) {
  const auto roster = state_->roster();
  if (!access.tenant_id().empty() &&
      std::ranges::none_of(roster->tenants(), [&](const auto& tenant) { return tenant.tenant_id() == access.tenant_id(); })) {
    return Invalid("tenant_id", "no tenant of that id is admitted");
  }
  const RosterState::Access* current = roster->FindAccess(access.client());
  const std::string bytes = access.SerializeAsString();
  if (current != nullptr && current->access.SerializeAsString() == bytes) return current->index;
  Entry entry;
  entry.set_kind(ledger::v1::KIND_CLIENT_ACCESS_SET);
  *entry.mutable_client_access() = access;
  Write write;
  write.request_digest = Digest({"client-access", bytes});
  write.idempotency_key = Digest({"client-access", write.request_digest, State::After(current)});
  write.entries.push_back(std::move(entry));
  return state_->Apply(std::move(write));
}

std::optional<GovernanceLog::ClientAccess> GovernanceLog::FindClientAccess(std::string_view client) const {
  const auto roster = state_->roster();
  const RosterState::Access* found = roster->FindAccess(client);
  if (found == nullptr) return std::nullopt;
  return ClientAccess{found->access, found->index};
}

absl::StatusOr<std::string> GovernanceLog::CurrentTable(std::string_view name, std::string_view tenant_id) const {
  const auto roster = state_->roster();
  const RosterState::Table* table = roster->FindTable(name, tenant_id);
  if (table == nullptr) table = roster->FindTable(name, "");
  if (table == nullptr) return absl::NotFoundError(fmt::format("no table {} was set", name));
  return table->set.content();
}

std::optional<GovernanceLog::TableVersion> GovernanceLog::FindTable(std::string_view name, std::string_view tenant_id) const {
  const auto roster = state_->roster();
  const RosterState::Table* table = roster->FindTable(name, tenant_id);
  if (table == nullptr) return std::nullopt;
  return TableVersion{table->set.content(), table->index};
}

absl::StatusOr<ledger::v1::TableSet> GovernanceLog::TableAt(std::uint64_t index) const {
  // Only what was replayed and verified.
  if (index >= state_->roster()->size()) return absl::NotFoundError(fmt::format("the governance log has no entry {}", index));
  const auto leaves = state_->Leaves(index, 1);
  if (!leaves.ok()) return leaves.status();
  const auto leaf = ledger::ParseLeaf(leaves->front());
  if (!leaf.ok()) return leaf.status();
  if (!leaf->entry.has_table_set()) return absl::NotFoundError(fmt::format("entry {} of the governance log sets no table", index));
  return leaf->entry.table_set();
}

absl::StatusOr<std::string> GovernanceLog::CurrentPolicy() const {
  const auto roster = state_->roster();
  if (roster->policy() == nullptr) return absl::NotFoundError("no policy was set");
  return roster->policy()->text;
}

std::vector<ledger::v1::TenantAdmitted> GovernanceLog::AdmittedTenants() const { return state_->roster()->tenants(); }

absl::Status GovernanceLog::Refresh() { return state_->Refresh(); }
const std::string& GovernanceLog::origin() const { return state_->origin_; }

}  // namespace custodian::governance

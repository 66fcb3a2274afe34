#include "services/main/served_governance.h"

#include <algorithm>
#include <utility>

#include "ledger/tiles.h"
#include "services/main/commands.h"
#include "services/main/log_source.h"

namespace custodian::main {
namespace {

// A governance log begins with a ROSTER_CHANGED; no other log has one.
bool IsGovernance(const ledger::ByteSource& read, std::uint64_t size) {
  const std::vector<ledger::TilePath> tiles = ledger::TilesOf(std::min<std::uint64_t>(size, ledger::kTileWidth));
  if (tiles.empty()) return false;
  const auto bundle = read(tiles.back().ToString());
  const auto leaves = bundle.ok() ? ledger::DecodeBundle(*bundle) : bundle.status();
  if (!leaves.ok() || leaves->empty()) return false;
  const auto first = ledger::ParseLeaf(leaves->front());
  return first.ok() && first->entry.has_roster_changed();
}

Governance FindGovernance(const ledger::Policy& policy, const rpc::HttpsClient& client) {
  for (const ledger::Policy::Log& log : policy.logs()) {
    if (log.url.empty()) continue;
    ledger::ByteSource read = TilesSource(client, log.url);
    const auto checkpoint = ReadClaimedCheckpoint(read);
    if (checkpoint.ok() && checkpoint->origin == log.key.name() && IsGovernance(read, checkpoint->size))
      return {log.key.name(), std::move(read)};
  }
  throw CommandFailed{1, "the policy names no governance log that can be read; add: log <its vkey> <its tiles URL>"};
}

}  // namespace

absl::StatusOr<ledger::Checkpoint> ReadClaimedCheckpoint(const ledger::ByteSource& read) {
  const auto bytes = read("checkpoint");
  if (!bytes.ok()) return bytes.status();
  const auto note = ledger::Note::Parse(*bytes);
  if (!note.ok()) return note.status();
  return ledger::Checkpoint::Parse(note->text);
}

Governance GovernanceOf(const ledger::Checkpoint& claimed, const ledger::ByteSource& read, const ledger::Policy& policy, const rpc::HttpsClient& client) {
  return IsGovernance(read, claimed.size) ? Governance{claimed.origin, read} : FindGovernance(policy, client);
}

absl::StatusOr<AuditedGovernance> AuditGovernance(const ledger::Policy& policy, const Governance& governance) {
  ledger::Findings findings(governance.origin);
  auto audited = ledger::AuditTiles(policy, nullptr, governance.read, findings);
  if (!audited.ok()) return audited.status();
  return AuditedGovernance{*std::move(audited), findings.Take()};
}

}  // namespace custodian::main

// The tiles form of `custodian verify`: the governance log, which says who may write, and then the log itself.
#include <algorithm>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "ledger/audit_tiles.h"
#include "services/main/commands.h"
#include "services/main/log_audit.h"
#include "services/main/log_source.h"
#include "services/main/platform_client.h"
#include "services/main/served_governance.h"
#include "services/main/verify_options.h"
#include "services/main/verify_report.h"
#include "services/rpc/https_client.h"
#include "tenants/ids.h"

namespace custodian::main {
namespace {

using ledger::Fault;
using ledger::kTileWidth;

// The first entry to judge for --since. A date is looked up by the times that entries claim, which are about in order: the bundle is
// found that begins before it, and the next one after.
std::uint64_t FindSince(const std::string& since, const std::string& origin, std::uint64_t size, const ledger::ByteSource& read) {
  if (since.empty()) return 0;
  if (const auto number = ledger::ParseDecimal(since); number.ok()) {
    if (*number > size) throw CommandFailed{1, "the log has " + std::to_string(size) + " entries, not " + since};
    return *number;
  }
  absl::Time time;
  std::string error;
  if (!absl::ParseTime("%Y-%m-%d", since, &time, &error) && !absl::ParseTime(absl::RFC3339_full, since, &time, &error))
    throw CommandFailed{2, "--since must be a number of entries, a day such as 2026-07-01, or a time such as 2026-07-01T12:00:00Z"};
  std::uint64_t low = 0;
  for (std::uint64_t high = (size + kTileWidth - 1) / kTileWidth; high - low > 1;) {
    const std::uint64_t middle = low + (high - low) / 2;
    const ledger::PreparedBundle bundle = ledger::PrepareBundle(origin, middle, size, read, {});
    const bool is_before = !bundle.leaves.empty() && bundle.leaves[0].leaf.ok() &&
                           absl::FromUnixSeconds(bundle.leaves[0].leaf->entry.time().seconds()) < time;
    (is_before ? low : high) = middle;
  }
  return low * kTileWidth;
}

// Collects the entries of --subject. Until a log proves that its list of a subject is complete, this is a list of what was found in the
// entries that were read; that there are no others follows from having read them all.
SubjectEntries EntriesOf(const std::string& subject) {
  const auto bytes = HexDecode(subject);
  if (!bytes.ok() || bytes->size() != 16) throw CommandFailed{2, "--subject must be the 32 hex digits of a subject"};
  return {*bytes, {}};
}

void CheckTogether(const VerifyOptions& options) {
  if (options.state.empty()) return;
  if (!options.since.empty()) throw CommandFailed{2, "--state goes on from where the last run ended: leave --since away"};
  if (!options.subject.empty()) throw CommandFailed{2, "--subject reads all entries: leave --state away"};
}

class TilesVerifier {
 public:
  TilesVerifier(const VerifyOptions& options, const ledger::Policy& policy, const ledger::Checkpoint& claimed, const ledger::ByteSource& read,
                Governance governance)
      : options_(options), policy_(policy), origin_(claimed.origin), read_(read), governance_(std::move(governance)) {}

  VerifyReport Run() {
    auto governed = AuditGovernance(policy_, governance_);
    Check(governed.status());
    governed_ = *std::move(governed);
    if (origin_ == governance_.origin) {
      if (!options_.state.empty() || !options_.since.empty() || !options_.subject.empty())
        throw CommandFailed{2, "this is the governance log, which is always read whole and concerns no subject: leave --state, --since and "
                               "--subject away"};
      AddGovernance();
      return std::move(report_);
    }
    if (!options_.subject.empty()) report_.subject = EntriesOf(options_.subject);
    ledger::Findings findings(origin_);
    const VerifiedLog log = AuditLog(findings);
    AddGovernance();
    report_.logs.push_back(log);
    report_.Add(InOrder(findings.Take()));
    return std::move(report_);
  }

 private:
  VerifiedLog AuditLog(ledger::Findings& findings) {
    ledger::RosterHistory history = governed_.log.history;
    const auto admitted = history.admitted().find(origin_);
    const bool known = admitted != history.admitted().end();
    const std::string tenant = known ? admitted->second.name() : "";
    // Of the audit, not of the log: what an earlier audit found is put before them.
    ledger::Findings about(origin_);
    if (!known) about.Add(Fault::kNotAdmitted, "log", "the governance log has admitted no tenant with this log");
    const auto believed = ledger::ReadCheckpoint(known ? WithAdmittedKey(policy_, admitted->second, about) : policy_, origin_, read_);
    Check(believed.status());
    LogAudit::Options options;
    options.jobs = options_.jobs > 0 ? options_.jobs : std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 1, 64);
    options.state = options_.state;
    options.judge_from = FindSince(options_.since, origin_, believed->checkpoint.size, read_);
    if (report_.subject) options.visit = [this](std::uint64_t index, const ledger::Leaf& leaf) { report_.subject->See(index, leaf); };
    LogAudit audit(options, history, read_, findings);
    audit.Run(*believed, [this]() -> absl::StatusOr<ledger::RosterHistory> {
      auto again = AuditGovernance(policy_, governance_);
      if (!again.ok()) return again.status();
      governed_ = *std::move(again);
      return governed_.log.history;
    });
    // Not kept with a state: a later entry may still bring them.
    for (const ledger::MissingCounters& missing : audit.missing()) about.Add(Fault::kCounterMissing, ledger::CountersPosition(missing), ledger::kCountersMissingMessage);
    report_.Add(about.Take());
    const std::uint64_t size = believed->checkpoint.size;
    VerifiedLog log{tenant, origin_, size, size, believed->witnessed_at, {}, {}, 0};
    log.read_from = audit.read_from();
    log.judged_from = audit.judged_from();
    log.is_resumed = audit.is_resumed();
    return log;
  }

  void AddGovernance() {
    const std::uint64_t size = governed_.log.checkpoint.size;
    report_.logs.push_back({"governance", governance_.origin, size, size, governed_.log.witnessed_at, {}, {}, 0});
    report_.findings.insert(report_.findings.begin(), governed_.findings.begin(), governed_.findings.end());
  }

  const VerifyOptions& options_;
  const ledger::Policy& policy_;
  const std::string origin_;
  const ledger::ByteSource& read_;
  const Governance governance_;
  AuditedGovernance governed_;
  VerifyReport report_;
};

}  // namespace

VerifyReport VerifyTiles(const VerifyOptions& options) {
  CheckTogether(options);
  const ledger::Policy policy = ReadPolicy(options.policy);
  rpc::HttpsClient::Options client_options;
  client_options.ca_file = options.ca;
  client_options.certificate_file = options.certificate;
  client_options.key_file = options.key;
  const auto client = rpc::HttpsClient::Create(client_options);
  Check(client.status());
  const ledger::ByteSource read = TilesSource(**client, options.tiles);
  const auto claimed = ReadClaimedCheckpoint(read);
  Check(claimed.status());
  Governance governance = GovernanceOf(*claimed, read, policy, **client);
  return TilesVerifier(options, policy, *claimed, read, std::move(governance)).Run();
}

}  // namespace custodian::main

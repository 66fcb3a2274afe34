// How fast a verifier judges the entries of a log whose authors sign 100 at a time: hashed, parsed, followed to the batch's root, judged by the
// roster; and what of that is SHA-256 of the leaves alone.
#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ledger/audit.h"
#include "tests/benchmark/ledger/measures.h"
#include "tests/benchmark/ledger/one_core.h"
#include "tests/support/served_log.h"

namespace custodian::benchmark {
namespace {

constexpr char kGovernance[] = "custodian.example/p/00000000000000ff";
constexpr char kOrigin[] = "custodian.example/p/00000000000000aa";
constexpr std::size_t kBatch = 100;
constexpr std::size_t kEntryBytes = 300;
constexpr char kPeer[] = "SHA-256 of the same leaves, one core";

// The bundles of a log are audited in the order they are served in.
constexpr std::size_t kBundle = 256;

ledger::v1::Entry Enrolment(testing::ServedLog& governance, const ledger::Signer& author) {
  ledger::v1::Entry entry = governance.NewEntry(ledger::v1::KIND_ROSTER_CHANGED);
  ledger::v1::RosterChanged& change = *entry.mutable_roster_changed();
  change.set_author(testing::kCustodian);
  change.set_public_key(author.public_key().der());
  change.set_key_id(std::string(ledger::AsBytes(author.public_key().key_id())));
  change.set_algorithm(author.public_key().algorithm());
  for (const auto kind : {ledger::v1::KIND_ROSTER_CHANGED, ledger::v1::KIND_ANCHOR, ledger::v1::KIND_ORDER_CHECKED}) change.add_kinds(kind);
  return entry;
}

// An anchor, then `entries` of 300 bytes.
void Fill(testing::ServedLog& log, const testing::ServedLog& governance, const ledger::Signer& author, std::size_t entries) {
  ledger::v1::Entry anchor = log.NewEntry(ledger::v1::KIND_ANCHOR);
  anchor.mutable_anchor()->set_governance_size(governance.leaves.size());
  anchor.mutable_anchor()->set_governance_root(std::string(ledger::AsBytes(governance.Root())));
  log.Add({anchor}, author);
  for (std::size_t done = 0; done < entries; done += kBatch) {
    std::vector<ledger::v1::Entry> batch;
    for (std::size_t i = 0; i < std::min(kBatch, entries - done); ++i) {
      ledger::v1::Entry entry = log.NewEntry(ledger::v1::KIND_ORDER_CHECKED);
      entry.set_detail_commitment(std::string(32, 'c'));
      constexpr std::size_t kFrame = 3;
      entry.set_sealed_detail(std::string(kEntryBytes - entry.ByteSizeLong() - kFrame, 's'));
      batch.push_back(std::move(entry));
    }
    log.Add(batch, author);
  }
}

}  // namespace

absl::StatusOr<Report> MeasureAudit(const Settings& settings, std::int64_t entries) {
  testing::ServedLog governance(kGovernance);
  testing::ServedLog log(kOrigin);
  const auto author = testing::NewSigner();
  governance.Add({Enrolment(governance, *author)}, *author);
  Fill(log, governance, *author, static_cast<std::size_t>(entries));
  ledger::Findings governance_findings(kGovernance);
  ledger::LogAuditor governance_auditor(governance_findings);
  for (const std::string& leaf : governance.leaves) governance_auditor.Add(leaf, ledger::LeafHash(leaf));
  const ledger::RosterHistory& history = governance_auditor.history();
  const ledger::AuthorKeys keys = history.Keys();

  // One call is the whole log, from its first leaf on.
  const auto ours = [&]() -> absl::Status {
    ledger::Findings findings(kOrigin);
    ledger::LogAuditor auditor(findings, history);
    for (std::size_t begin = 0; begin < log.leaves.size(); begin += kBundle) {
      const auto bundle = std::span(log.leaves).subspan(begin, std::min(kBundle, log.leaves.size() - begin));
      for (const ledger::PreparedLeaf& leaf : ledger::PrepareLeaves(kOrigin, bundle, keys)) auditor.Add(leaf);
    }
    if (!findings.empty()) return absl::InternalError("the audit has findings: " + findings.kept().front().message);
    return auditor.range().size() == log.leaves.size() ? absl::OkStatus() : absl::InternalError("the audit did not go to the end");
  };
  const auto peer = [&]() -> absl::Status {
    std::uint8_t all = 0;
    for (const std::string& leaf : log.leaves) all |= ledger::LeafHash(leaf).front();
    return all != 0 ? absl::OkStatus() : absl::InternalError("nothing was hashed");
  };
  const auto compared = CompareOnOneCore(settings, ours, peer);
  if (!compared.ok()) return compared.status();
  const auto leaves = static_cast<double>(log.leaves.size());
  return Report{{{"audit_batch", compared->ours_per_second * leaves, "1/s", kPeer, compared->peer_per_second * leaves}},
                {{"audit_batch_entries", leaves}}};
}

}  // namespace custodian::benchmark

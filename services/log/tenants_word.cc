#include "services/log/tenants_word.h"

#include "absl/strings/str_cat.h"
#include "ledger/checkpoint.h"
#include "ledger/countersign_audit.h"
#include "ledger/tree.h"

namespace custodian::log {
namespace {

// Of kCountersignLagMax: the rest is for what is admitted between this check and the commit.
constexpr std::uint64_t kLagMax = ledger::kCountersignLagMax / 16;

absl::Status CheckRange(const tenants::LogReader& log, std::uint64_t size, const ledger::v1::Countersigned& range) {
  if (range.end() > size) return absl::InvalidArgumentError(absl::StrCat("the log has ", size, " entries, and ", range.end(), " are countersigned"));
  if (size - range.end() > kLagMax)
    return absl::FailedPreconditionError(absl::StrCat("the range ends more than ", kLagMax, " entries ago: countersign up to a newer checkpoint"));
  const auto note = log.SignedCheckpoint(range.end());
  if (absl::IsNotFound(note.status())) return absl::InvalidArgumentError(absl::StrCat("no checkpoint of this log ends at ", range.end()));
  if (!note.ok()) return note.status();
  const auto parsed = ledger::Note::Parse(*note);
  const auto checkpoint = parsed.ok() ? ledger::Checkpoint::Parse(parsed->text) : parsed.status();
  if (!checkpoint.ok()) return absl::DataLossError("a signed checkpoint cannot be read");
  if (range.root() != ledger::AsBytes(checkpoint->root)) return absl::InvalidArgumentError(absl::StrCat("the log has another root at ", range.end()));
  return absl::OkStatus();
}

absl::Status CheckDispute(const tenants::LogReader& log, std::uint64_t size, const ledger::v1::Disputed& disputed) {
  if (disputed.index() >= size) return absl::InvalidArgumentError(absl::StrCat("the log has ", size, " entries, and ", disputed.index(), " is disputed"));
  const auto leaves = log.Leaves(disputed.index(), 1);
  if (!leaves.ok()) return leaves.status();
  if (disputed.leaf_hash() != ledger::AsBytes(ledger::LeafHash(leaves->front())))
    return absl::InvalidArgumentError(absl::StrCat("the log has another entry at ", disputed.index()));
  const auto leaf = ledger::ParseLeaf(leaves->front());
  if (!leaf.ok() || !leaf->entry.reported()) return absl::InvalidArgumentError(absl::StrCat("entry ", disputed.index(), " is not one that the custodian reported"));
  return absl::OkStatus();
}

}  // namespace

bool IsTenantsWord(ledger::v1::Kind kind) {
  return kind == ledger::v1::KIND_VOID || kind == ledger::v1::KIND_COUNTERSIGNED || kind == ledger::v1::KIND_DISPUTED;
}

absl::Status CheckTenantsWord(const tenants::LogReader& log, std::span<const ledger::v1::Entry> entries) {
  std::uint64_t size = 0;
  bool has_range = false;
  for (const ledger::v1::Entry& entry : entries) {
    if (!entry.has_countersigned() && !entry.has_disputed()) continue;
    if (size == 0) {
      const auto head = log.Head();
      if (!head.ok()) return head.status();
      size = head->size;
    }
    // Each takes a verifier some work.
    if (entry.has_countersigned() && has_range) return absl::InvalidArgumentError("a batch countersigns one range at most");
    has_range = has_range || entry.has_countersigned();
    const absl::Status status = entry.has_countersigned() ? CheckRange(log, size, entry.countersigned()) : CheckDispute(log, size, entry.disputed());
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace custodian::log

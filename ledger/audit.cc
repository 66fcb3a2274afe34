#include "ledger/audit.h"

#include <iterator>
#include <set>

#include <algorithm>

#include "ledger/tiles.h"

namespace custodian::ledger {

void Findings::Add(std::string position, std::string message) {
  if (findings_.size() >= findings_max_) {
    ++more_;
    return;
  }
  findings_.push_back({origin_, std::move(position), std::move(message)});
}

std::vector<Finding> Findings::Take() {
  std::vector<Finding> findings = std::exchange(findings_, {});
  if (more_ > 0) findings.push_back({origin_, "log", std::to_string(std::exchange(more_, 0)) + " more findings are not shown"});
  return findings;
}

namespace {

class SeenInMemory final : public SeenKeys {
 public:
  bool Insert(const Hash& key) override { return keys_.insert(key).second; }

 private:
  std::set<Hash> keys_;
};

std::unique_ptr<SeenKeys> OrInMemory(std::unique_ptr<SeenKeys> seen) {
  return seen != nullptr ? std::move(seen) : std::make_unique<SeenInMemory>();
}

}  // namespace

LogAuditor::LogAuditor(Findings& findings, const RosterHistory& governance, std::unique_ptr<SeenKeys> seen)
    : findings_(findings), governance_(&governance), seen_(OrInMemory(std::move(seen))) {
  cursor_.emplace(governance);
}

LogAuditor::LogAuditor(Findings& findings, std::unique_ptr<SeenKeys> seen)
    : findings_(findings), governance_(nullptr), seen_(OrInMemory(std::move(seen))) {}

std::optional<Leaf> LogAuditor::Add(std::string_view leaf_bytes, const Hash& hash) {
  absl::StatusOr<Leaf> leaf = ParseLeaf(leaf_bytes);
  if (!leaf.ok()) {
    findings_.Add(Position(), std::string(leaf.status().message()));
    AddUnread(hash);
    return std::nullopt;
  }
  const bool allowed = Judge(*leaf);
  range_.Append(hash);
  if (governance_ == nullptr) {
    // A change that was not allowed changes nothing. ParseLeaf has checked the key, so an allowed one applies.
    own_history_.Append(allowed ? leaf->entry : v1::Entry(), range_.Root());
    if (allowed && leaf->entry.has_roster_changed() && !own_roster_.Apply(leaf->entry.roster_changed()).ok())
      findings_.Add("leaf " + std::to_string(range_.size() - 1), "the roster cannot take this change");
  }
  return *std::move(leaf);
}

void LogAuditor::AddUnread(const Hash& hash) {
  subjects_.AddUnread();
  range_.Append(hash);
  if (governance_ == nullptr) own_history_.Append({}, range_.Root());
}

bool LogAuditor::Judge(const Leaf& leaf) {
  const v1::Entry& entry = leaf.entry;
  if (entry.origin() != findings_.origin()) findings_.Add(Position(), "the entry is of another log: " + entry.origin());
  if (IsGovernanceKind(entry.kind()) != (governance_ == nullptr))
    findings_.Add(Position(), v1::Kind_Name(entry.kind()) + " does not belong on this log");
  if (governance_ != nullptr && entry.has_anchor()) MoveAnchor(entry.anchor());
  const absl::Status author = JudgeAuthor(leaf);
  if (!author.ok()) findings_.Add(Position(), std::string(author.message()));
  CountEntry(entry);
  // The governance log is about nobody.
  if (governance_ != nullptr)
    if (const absl::Status subjects = subjects_.Add(range_.size(), entry); !subjects.ok()) findings_.Add(Position(), std::string(subjects.message()));
  return author.ok();
}

void LogAuditor::MoveAnchor(const v1::Anchor& anchor) {
  if (anchor.governance_size() < anchor_size_) {
    findings_.Add(Position(), "the anchor goes back to governance size " + std::to_string(anchor.governance_size()) + " from " +
                                  std::to_string(anchor_size_));
    return;
  }
  const absl::StatusOr<Hash> root = governance_->RootAt(anchor.governance_size());
  if (!root.ok()) {
    governance_is_behind_ = true;
    findings_.Add(Position(),
                  "the anchor names a size the governance log does not have: " + std::string(root.status().message()));
    return;
  }
  if (anchor.governance_root() != AsBytes(*root)) {
    findings_.Add(Position(), "the anchor names another root than the governance log has at size " +
                                  std::to_string(anchor.governance_size()));
    return;
  }
  anchor_size_ = anchor.governance_size();
  anchor_root_ = *root;
  if (const absl::Status status = cursor_->MoveTo(anchor_size_); !status.ok())
    findings_.Add(Position(), std::string(status.message()));
}

absl::Status LogAuditor::JudgeAuthor(const Leaf& leaf) {
  const v1::Entry& entry = leaf.entry;
  if (governance_ == nullptr && range_.size() == 0) {
    const v1::RosterChanged& change = entry.roster_changed();
    if (!entry.has_roster_changed() || change.revoked() || change.author() != entry.author() ||
        change.key_id() != leaf.signed_entry.key_id())
      return absl::UnauthenticatedError("the first entry of a governance log must enrol its own author's key");
    const absl::StatusOr<PublicKey> key = PublicKey::FromDer(change.public_key());
    return key.ok() ? VerifySignature(leaf.signed_entry, *key) : key.status();
  }
  if (governance_ != nullptr && anchor_size_ == 0)
    return absl::UnauthenticatedError("no anchor before this entry says who may write");
  const AuthorRoster& roster = governance_ == nullptr ? own_roster_ : cursor_->roster();
  const absl::StatusOr<PublicKey> key = roster.Judge(entry.author(), leaf.signed_entry.key_id(), entry.origin(), entry.kind());
  return key.ok() ? VerifySignature(leaf.signed_entry, *key) : key.status();
}

absl::Status LogAuditor::VerifySignature(const v1::SignedEntry& leaf, const PublicKey& key) {
  const absl::StatusOr<Hash> root = BatchRootOf(leaf);
  if (!root.ok()) return root.status();
  std::string batch = leaf.key_id() + std::string(AsBytes(*root)) + std::to_string(leaf.batch_size()) + "," +
                      std::to_string(leaf.algorithm()) + "," + leaf.signature();
  if (batch == verified_batch_) return absl::OkStatus();
  if (const absl::Status status = VerifyLeafSignature(findings_.origin(), leaf, key); !status.ok())
    return absl::UnauthenticatedError("the author's signature: " + std::string(status.message()));
  verified_batch_ = std::move(batch);
  return absl::OkStatus();
}

void LogAuditor::CountEntry(const v1::Entry& entry) {
  // The governance log's own custodian becomes known with its first entry, which is counted before it is appended.
  const bool first_of_governance = governance_ == nullptr && range_.size() == 0;
  if (first_of_governance || entry.author() == custodian()) {
    if (entry.counter() != custodian_counter_ + 1)
      findings_.Add(Position(), "counter " + std::to_string(entry.counter()) + " follows " + std::to_string(custodian_counter_) +
                                    " of the same author");
    custodian_counter_ = entry.counter();
  } else if (!IsNewCounter(entry.author(), entry.counter())) {
    findings_.Add(Position(), "counter " + std::to_string(entry.counter()) + " of this author was used before");
  }
  // Every key has 32 bytes (ParseLeaf), so that no two pairs make the same bytes.
  if (!seen_->Insert(Sha256(entry.idempotency_key() + entry.author())))
    findings_.Add(Position(), "the idempotency key of this author was used before");
}

bool LogAuditor::IsNewCounter(const std::string& author, std::uint64_t counter) {
  std::map<std::uint64_t, std::uint64_t>& runs = other_counters_[author];
  const auto after = runs.upper_bound(counter);
  const auto before = after == runs.begin() ? runs.end() : std::prev(after);
  if (before != runs.end() && counter <= before->second) return false;
  const bool follows = before != runs.end() && before->second + 1 == counter;
  const bool precedes = after != runs.end() && counter + 1 == after->first;
  const std::uint64_t last = precedes ? after->second : counter;
  if (precedes) runs.erase(after);
  if (follows)
    before->second = last;
  else
    runs.emplace(counter, last);
  return true;
}

namespace {

// Compares a tile that leaves made with the one that is served.
void CompareTile(const ByteSource& read, const TilePath& path, const std::string& made, Findings& findings,
                 absl::Status& failed) {
  if (!failed.ok()) return;
  const absl::StatusOr<std::string> served = read(path.ToString());
  if (absl::IsNotFound(served.status())) {
    findings.Add(path.ToString(), "the tile is missing");
  } else if (!served.ok()) {
    failed = served.status();
  } else if (*served != made) {
    findings.Add(path.ToString(), "the tile is not what the entries make");
  }
}

}  // namespace

absl::StatusOr<AuditedLog> AuditTiles(const Policy& policy, const RosterHistory* governance, const ByteSource& read,
                                      Findings& findings) {
  const absl::StatusOr<std::string> bytes = read("checkpoint");
  if (!bytes.ok()) return bytes.status();
  const absl::StatusOr<Note> note = Note::Parse(*bytes);
  if (!note.ok())
    return absl::UnauthenticatedError("the checkpoint of " + findings.origin() + ": " + std::string(note.status().message()));
  absl::StatusOr<Checkpoint> checkpoint = policy.Verify(*note);
  if (!checkpoint.ok()) return checkpoint.status();
  const absl::StatusOr<absl::Time> witnessed_at = policy.WitnessedAt(*note);
  if (!witnessed_at.ok()) return witnessed_at.status();
  if (checkpoint->origin != findings.origin())
    return absl::UnauthenticatedError("the checkpoint is of " + checkpoint->origin + ", not of " + findings.origin());

  std::optional<LogAuditor> auditor;
  if (governance != nullptr)
    auditor.emplace(findings, *governance);
  else
    auditor.emplace(findings);
  absl::Status failed;
  TileBuilder tiles([&](const TilePath& path, const std::string& made) { CompareTile(read, path, made, findings, failed); });
  bool complete = true;
  // One bundle after the other: a size is only claimed, and must not decide how much memory is taken.
  for (std::uint64_t first = 0; first < checkpoint->size; first += kTileWidth) {
    const TilePath path{true, 0, first / kTileWidth, static_cast<unsigned>(std::min(kTileWidth, checkpoint->size - first))};
    const absl::StatusOr<std::string> bundle = read(path.ToString());
    if (!bundle.ok() && !absl::IsNotFound(bundle.status())) return bundle.status();
    const absl::StatusOr<std::vector<std::string>> leaves = bundle.ok() ? DecodeBundle(*bundle) : bundle.status();
    if (!leaves.ok() || leaves->size() != path.width) {
      findings.Add(path.ToString(), leaves.ok() ? "the bundle has " + std::to_string(leaves->size()) + " entries, not " +
                                                      std::to_string(path.width)
                                                : std::string(leaves.status().message()));
      complete = false;
      break;
    }
    for (const std::string& leaf : *leaves) {
      const Hash hash = LeafHash(leaf);
      auditor->Add(leaf, hash);
      tiles.Append(hash);
    }
    if (!failed.ok()) return failed;
  }
  if (complete) {
    tiles.EmitPartial();
    if (!failed.ok()) return failed;
    if (auditor->range().Root() != checkpoint->root)
      findings.Add("checkpoint size " + std::to_string(checkpoint->size),
                   "the entries make another root than the checkpoint signs");
  }
  return AuditedLog{*std::move(checkpoint), *witnessed_at, auditor->history(), auditor->governance_is_behind()};
}

}  // namespace custodian::ledger

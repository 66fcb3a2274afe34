#include "ledger/audit.h"

#include <algorithm>

#include "absl/container/flat_hash_set.h"

namespace custodian::ledger {
std::string_view FaultName(Fault fault) {
  switch (fault) {
    case Fault::kDatabase: return "database";
    case Fault::kEntryMalformed: return "entry_malformed";
    case Fault::kEntryOfAnotherLog: return "entry_of_another_log";
    case Fault::kEntryOfAnotherKind: return "entry_of_another_kind";
    case Fault::kAuthorRefused: return "author_refused";
    case Fault::kSignatureWrong: return "signature_wrong";
    case Fault::kCounterSkipped: return "counter_skipped";
    case Fault::kCounterReused: return "counter_reused";
    case Fault::kCounterMissing: return "counter_missing";
    case Fault::kKeyReused: return "key_reused";
    case Fault::kAnchorWrong: return "anchor_wrong";
    case Fault::kRosterWrong: return "roster_wrong";
    case Fault::kSubjectMapWrong: return "subject_map_wrong";
    case Fault::kCountersignWrong: return "countersign_wrong";
    case Fault::kBundleMissing: return "bundle_missing";
    case Fault::kBundleMalformed: return "bundle_malformed";
    case Fault::kTileMissing: return "tile_missing";
    case Fault::kTileWrong: return "tile_wrong";
    case Fault::kRootWrong: return "root_wrong";
    case Fault::kRolledBack: return "rolled_back";
    case Fault::kForked: return "forked";
    case Fault::kFrozen: return "frozen";
    case Fault::kNotAdmitted: return "not_admitted";
    case Fault::kLogKeyWrong: return "log_key_wrong";
    case Fault::kMore: return "more";
  }
  return "";
}

std::string LeafPosition(std::uint64_t index) { return "leaf " + std::to_string(index); }

void Findings::Add(Fault fault, std::string position, std::string message) {
  if (findings_.size() >= findings_max_) {
    ++more_;
    return;
  }
  findings_.push_back({origin_, std::move(position), std::move(message), fault});
}

void Findings::Restore(std::vector<Finding> findings, std::size_t more) {
  findings_ = std::move(findings);
  more_ = more;
}

std::vector<Finding> Findings::Take() {
  std::vector<Finding> findings = std::exchange(findings_, {});
  if (more_ > 0)
    findings.push_back({origin_, "log", std::to_string(std::exchange(more_, 0)) + " more findings are not shown", Fault::kMore});
  return findings;
}

namespace {

class SeenInMemory final : public SeenKeys {
 public:
  bool Insert(const Hash& key, std::uint64_t /*index*/) override { return keys_.insert(key).second; }

 private:
  // Its hash is seeded: which keys fall together, nobody who chooses keys can know.
  absl::flat_hash_set<Hash> keys_;
};

std::unique_ptr<SeenKeys> OrInMemory(std::unique_ptr<SeenKeys> seen) {
  return seen != nullptr ? std::move(seen) : std::make_unique<SeenInMemory>();
}

// Whether it says of a log that was admitted something else than was said then.
bool AdmitsOtherwise(const RosterHistory& history, const v1::Entry& entry) {
  if (!entry.has_tenant_admitted()) return false;
  const v1::TenantAdmitted& admitted = entry.tenant_admitted();
  const auto before = history.admitted().find(admitted.origin());
  return before != history.admitted().end() &&
         (before->second.log_vkey() != admitted.log_vkey() || before->second.tenant_id() != admitted.tenant_id());
}

std::int64_t MillisOf(const google::protobuf::Timestamp& time) { return time.seconds() * 1'000 + time.nanos() / 1'000'000; }

}  // namespace

// --- before a leaf's turn -------------------------------------------------------------------------------------------------------

absl::Status BatchVerifier::Verify(std::string_view origin, const v1::SignedEntry& leaf, const PublicKey& key) {
  const absl::StatusOr<Hash> root = paths_.RootOf(leaf);
  if (!root.ok()) return root.status();
  std::string batch = leaf.key_id() + std::string(AsBytes(*root)) + std::to_string(leaf.batch_size()) + "," +
                      std::to_string(leaf.algorithm()) + "," + leaf.signature();
  if (batch == verified_) return absl::OkStatus();
  if (const absl::Status status = VerifyLeafSignature(origin, leaf, key); !status.ok())
    return absl::UnauthenticatedError("the author's signature: " + std::string(status.message()));
  verified_ = std::move(batch);
  return absl::OkStatus();
}

std::vector<PreparedLeaf> PrepareLeaves(const std::string& origin, std::span<const std::string> leaves, const AuthorKeys& keys) {
  std::vector<PreparedLeaf> prepared;
  prepared.reserve(leaves.size());
  BatchVerifier batches;
  for (const std::string& bytes : leaves) {
    PreparedLeaf leaf{LeafHash(bytes), ParseLeaf(bytes), false};
    if (leaf.leaf.ok()) {
      const v1::SignedEntry& signed_entry = leaf.leaf->signed_entry;
      const auto key = keys.find(signed_entry.key_id());
      leaf.signature_holds = key != keys.end() && batches.Verify(origin, signed_entry, key->second).ok();
    }
    prepared.push_back(std::move(leaf));
  }
  return prepared;
}

// --- in order -------------------------------------------------------------------------------------------------------------------

LogAuditor::LogAuditor(Findings& findings, const RosterHistory& governance, std::unique_ptr<SeenKeys> seen)
    : findings_(findings), governance_(&governance), seen_(OrInMemory(std::move(seen))) {
  cursor_.emplace(governance);
}

LogAuditor::LogAuditor(Findings& findings, std::unique_ptr<SeenKeys> seen)
    : findings_(findings), governance_(nullptr), seen_(OrInMemory(std::move(seen))) {}

absl::Status LogAuditor::Resume(CompactRange range, const Judged& judged) {
  const absl::StatusOr<Hash> root = governance_->RootAt(judged.anchor_size);
  if (!root.ok()) return absl::FailedPreconditionError("the governance log lacks entries that were judged by: " + std::string(root.status().message()));
  if (*root != judged.anchor_root)
    return absl::FailedPreconditionError("the governance log has another root at size " + std::to_string(judged.anchor_size) + " than entries were judged by");
  countersigned_.BeginAt(range);
  range_ = std::move(range);
  judged_ = judged;
  // The map that the entries before make is not kept with what was judged.
  subjects_.AddUnread();
  return cursor_->MoveTo(judged_.anchor_size);
}

void LogAuditor::BeginAt(CompactRange range, std::uint64_t judge_from) {
  counter_is_unknown_ = judge_from > 0;
  if (judge_from > 0) subjects_.AddUnread();
  countersigned_.BeginAt(range);
  range_ = std::move(range);
  judge_from_ = judge_from;
}

std::optional<Leaf> LogAuditor::Add(std::string_view leaf_bytes, const Hash& hash) {
  absl::StatusOr<Leaf> leaf = ParseLeaf(leaf_bytes);
  Enter(leaf, hash, false);
  if (!leaf.ok()) return std::nullopt;
  return *std::move(leaf);
}

void LogAuditor::Add(const PreparedLeaf& leaf) { Enter(leaf.leaf, leaf.hash, leaf.signature_holds); }

void LogAuditor::Enter(const absl::StatusOr<Leaf>& leaf, const Hash& hash, bool signature_holds) {
  if (range_.size() < judge_from_ && !(leaf.ok() && leaf->entry.has_anchor())) {
    Append(hash);
    return;
  }
  if (!leaf.ok()) {
    findings_.Add(Fault::kEntryMalformed, Position(), std::string(leaf.status().message()));
    AddUnread(hash);
    return;
  }
  const bool allowed = Judge(*leaf, signature_holds);
  // An anchor before the entries that are judged says nothing of what the custodian counted between.
  counter_is_unknown_ = counter_is_unknown_ || range_.size() < judge_from_;
  Append(hash);
  if (governance_ != nullptr) return;
  if (allowed && AdmitsOtherwise(own_history_, leaf->entry))
    findings_.Add(Fault::kLogKeyWrong, LeafPosition(range_.size() - 1),
                  "the log " + leaf->entry.tenant_admitted().origin() + " was admitted before, with another key or for another tenant");
  // A change that was not allowed changes nothing. ParseLeaf has checked the key, so an allowed one applies.
  own_history_.Append(allowed ? leaf->entry : v1::Entry(), range_.Root());
  if (allowed && leaf->entry.has_roster_changed() && !own_roster_.Apply(leaf->entry.roster_changed()).ok())
    findings_.Add(Fault::kRosterWrong, LeafPosition(range_.size() - 1), "the roster cannot take this change");
}

void LogAuditor::AddUnread(const Hash& hash) {
  subjects_.AddUnread();
  Append(hash);
  if (governance_ == nullptr) own_history_.Append({}, range_.Root());
}

void LogAuditor::Append(const Hash& hash) {
  range_.Append(hash);
  if (governance_ != nullptr) countersigned_.Append(hash);
}

bool LogAuditor::Judge(const Leaf& leaf, bool signature_holds) {
  const v1::Entry& entry = leaf.entry;
  if (entry.origin() != findings_.origin())
    findings_.Add(Fault::kEntryOfAnotherLog, Position(), "the entry is of another log: " + entry.origin());
  if (IsGovernanceKind(entry.kind()) != (governance_ == nullptr))
    findings_.Add(Fault::kEntryOfAnotherKind, Position(), v1::Kind_Name(entry.kind()) + " does not belong on this log");
  if (governance_ != nullptr && entry.has_anchor()) MoveAnchor(entry.anchor());
  const absl::StatusOr<PublicKey> key = KeyFor(leaf);
  absl::Status author = key.status();
  if (!author.ok()) {
    findings_.Add(Fault::kAuthorRefused, Position(), std::string(author.message()));
  } else if (!signature_holds || leaf.signed_entry.key_id() != AsBytes(key->key_id())) {
    author = batches_.Verify(findings_.origin(), leaf.signed_entry, *key);
    if (!author.ok()) findings_.Add(Fault::kSignatureWrong, Position(), std::string(author.message()));
  }
  CountEntry(entry, author.ok());
  // The governance log is about nobody.
  if (governance_ != nullptr) JudgeSubjects(entry);
  if (const absl::Status status = countersigned_.Check(entry); governance_ != nullptr && !status.ok())
    findings_.Add(Fault::kCountersignWrong, Position(), std::string(status.message()));
  return author.ok();
}

void LogAuditor::JudgeSubjects(const v1::Entry& entry) {
  const absl::Status status = subjects_.Add(range_.size(), entry);
  if (status.ok()) return;
  if (absl::IsInvalidArgument(status)) {
    findings_.Add(Fault::kSubjectMapWrong, Position(), std::string(status.message()));
    return;
  }
  failed_.Update(status);
  subjects_.AddUnread();
}

void LogAuditor::MoveAnchor(const v1::Anchor& anchor) {
  if (anchor.governance_size() < judged_.anchor_size) {
    findings_.Add(Fault::kAnchorWrong, Position(),
                  "the anchor goes back to governance size " + std::to_string(anchor.governance_size()) + " from " +
                      std::to_string(judged_.anchor_size));
    return;
  }
  const absl::StatusOr<Hash> root = governance_->RootAt(anchor.governance_size());
  if (!root.ok()) {
    governance_is_behind_ = true;
    findings_.Add(Fault::kAnchorWrong, Position(),
                  "the anchor names a size the governance log does not have: " + std::string(root.status().message()));
    return;
  }
  if (anchor.governance_root() != AsBytes(*root)) {
    findings_.Add(Fault::kAnchorWrong, Position(),
                  "the anchor names another root than the governance log has at size " + std::to_string(anchor.governance_size()));
    return;
  }
  judged_.anchor_size = anchor.governance_size();
  judged_.anchor_root = *root;
  if (const absl::Status status = cursor_->MoveTo(judged_.anchor_size); !status.ok())
    findings_.Add(Fault::kRosterWrong, Position(), std::string(status.message()));
}

absl::StatusOr<PublicKey> LogAuditor::KeyFor(const Leaf& leaf) const {
  const v1::Entry& entry = leaf.entry;
  if (governance_ == nullptr && range_.size() == 0) {
    const v1::RosterChanged& change = entry.roster_changed();
    if (!entry.has_roster_changed() || change.revoked() || change.author() != entry.author() ||
        change.key_id() != leaf.signed_entry.key_id())
      return absl::UnauthenticatedError("the first entry of a governance log must enrol its own author's key");
    return PublicKey::FromDer(change.public_key());
  }
  if (governance_ != nullptr && judged_.anchor_size == 0)
    return absl::UnauthenticatedError("no anchor before this entry says who may write");
  if ((entry.has_countersigned() || entry.has_disputed()) && entry.author() == custodian())
    return absl::UnauthenticatedError("the custodian says for a tenant what the tenant's systems sent");
  const AuthorRoster& roster = governance_ == nullptr ? own_roster_ : cursor_->roster();
  return roster.Judge(entry.author(), leaf.signed_entry.key_id(), entry.origin(), entry.kind());
}

void LogAuditor::CountEntry(const v1::Entry& entry, bool allowed) {
  // The governance log's own custodian becomes known with its first entry, which is counted before it is appended.
  const bool first_of_governance = governance_ == nullptr && range_.size() == 0;
  if (first_of_governance || entry.author() == custodian()) {
    if (!std::exchange(counter_is_unknown_, false) && entry.counter() != judged_.custodian_counter + 1)
      findings_.Add(Fault::kCounterSkipped, Position(),
                    "counter " + std::to_string(entry.counter()) + " follows " + std::to_string(judged_.custodian_counter) +
                        " of the same author");
    judged_.custodian_counter = entry.counter();
    judged_.log_ms = std::max(judged_.log_ms, MillisOf(entry.time()));
  } else if (allowed && !judged_.counters[entry.author()].Insert(entry.counter(), judged_.log_ms)) {
    // Of those who may write only: what is kept must not grow by names that somebody made up.
    findings_.Add(Fault::kCounterReused, Position(),
                  "counter " + std::to_string(entry.counter()) + " of this author was used before");
  }
  // Every key has 32 bytes (ParseLeaf), so that no two pairs make the same bytes.
  if (!seen_->Insert(Sha256(entry.idempotency_key() + entry.author()), range_.size()))
    findings_.Add(Fault::kKeyReused, Position(), kKeyReusedMessage);
}

std::vector<MissingCounters> LogAuditor::Missing() const {
  std::vector<MissingCounters> missing;
  // The governance log has one author; an audit that began late knows of no counters before it.
  if (governance_ == nullptr || judge_from_ > 0) return missing;
  for (const auto& [author, used] : judged_.counters) {
    for (MissingCounters& each : used.Missing(judged_.log_ms)) {
      each.author = author;
      missing.push_back(std::move(each));
    }
  }
  return missing;
}

}  // namespace custodian::ledger

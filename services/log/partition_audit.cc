#include "services/log/partition_audit.h"

#include <algorithm>
#include <optional>
#include <set>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "ledger/entry.h"
#include "ledger/tiles.h"
#include "services/log/audit_store.h"
#include "tenants/ids.h"

namespace custodian::log {
namespace {

using ledger::Findings;
using ledger::Hash;
using ledger::Leaf;

std::string Bytes(const Hash& hash) { return std::string(ledger::AsBytes(hash)); }
std::string Sha256(const std::string& bytes) { return Bytes(ledger::Sha256(bytes)); }
std::string LeafAt(std::uint64_t index) { return "leaf " + std::to_string(index); }

std::int64_t Milliseconds(const google::protobuf::Timestamp& time) { return time.seconds() * 1000 + time.nanos() / 1'000'000; }

// How long after its promise an entry may still wait for the witnesses, and how far clocks may differ.
constexpr absl::Duration kPromiseMargin = absl::Seconds(60);

std::string FormatUtc(absl::Time time) { return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone()); }

// What later comparisons need of an entry.
struct EntryFacts {
  std::string author;
  std::string idempotency_key;
  std::string entry_sha256;
  ledger::v1::Kind kind = ledger::v1::KIND_UNSPECIFIED;
  std::int64_t time_ms = 0;
  std::string subject;
  std::vector<std::string> record_sha256;
  // Of WATERMARK and FEED_GAP.
  std::optional<std::int64_t> feed_from_ms;
  std::int64_t feed_through_ms = 0;
  bool read = false;
  bool answered = false;
};

struct RecordFacts {
  std::uint64_t index = 0;
  std::string sha256;
  // Under whom it is stored.
  std::string patient_id;
  bool found = false;
  // The entry says that this version marks the record as deleted.
  bool deleted = false;
  // And that the record is an account of a disclosure.
  bool account = false;
};

class PartitionAuditor {
 public:
  PartitionAuditor(AuditStore& store, const ledger::Policy& policy, const ledger::RosterHistory* governance, Findings& findings)
      : store_(store),
        policy_(policy),
        governance_(governance),
        findings_(findings),
        tiles_([this](const ledger::TilePath& path, const std::string& bytes) {
          tile_bytes_[{path.level, path.index}] = Sha256(bytes);
        }) {
    if (governance != nullptr)
      auditor_.emplace(findings, *governance);
    else
      auditor_.emplace(findings);
  }

  AuditedPartition Run() {
    // Before the leaves: where leaves and stored leaf hashes disagree, the checkpoint says which were altered.
    store_.VisitCheckpoints([this](const StoredCheckpoint& checkpoint) { checkpoints_.emplace(checkpoint.size, checkpoint); });
    store_.VisitBatches([this](const StoredBatch& batch) { AddBatch(batch); });
    CheckHead();
    CheckTiles();
    CheckCheckpoints();
    if (whole_) {
      CheckAnswerKeys();
      CheckProvedRows();
      // The network database keeps no patient's data, only copies of it.
      if (governance_ != nullptr) {
        CheckRecords();
        CheckOtherSealed();
        CheckFeed();
        CheckWords();
        CheckConsentVersions();
        result_.to_locate = store_.PatientsToLocate();
      }
    } else {
      findings_.Add("log", "stored records and answers were not compared, for the log is incomplete");
    }
    for (const ledger::MissingCounters& missing : auditor_->Missing())
      findings_.Add(ledger::Fault::kCounterMissing, ledger::CountersPosition(missing), ledger::kCountersMissingMessage);
    result_.origin = findings_.origin();
    result_.size = auditor_->range().size();
    for (const auto& [size, root] : roots_) result_.roots.emplace(static_cast<std::uint64_t>(size), root);
    result_.history = auditor_->history();
    result_.governance_is_behind = auditor_->governance_is_behind();
    return std::move(result_);
  }

 private:
  void AddBatch(const StoredBatch& batch);
  [[nodiscard]] std::vector<Hash> StoredHashes(const StoredBatch& batch) const;
  void AddLeaf(const std::string& bytes, const Hash& hash, const StoredBatch& batch);
  void Remember(const Leaf& leaf, std::uint64_t index);
  void CheckTiles();
  void CheckCheckpoints();
  void CheckNote(std::int64_t size, const std::string& bytes, const Hash& root, const char* which, const ledger::Policy& policy);
  void CheckHead();
  void CheckAnswerKeys();
  void CheckPromise(const StoredAnswerKey& answer);
  void CheckRecords();
  void CheckRecord(const StoredRecord& record);
  void CheckOtherSealed();
  void CheckProvedRows();
  void CheckFeed();
  void CheckWords();
  void CheckConsentVersions();
  [[nodiscard]] const EntryFacts* EntryAt(std::int64_t index) const {
    if (index < 0 || static_cast<std::uint64_t>(index) >= entries_.size() || !entries_[static_cast<std::size_t>(index)].read)
      return nullptr;
    return &entries_[static_cast<std::size_t>(index)];
  }
  [[nodiscard]] const std::string& custodian() const {
    return governance_ != nullptr ? governance_->custodian() : auditor_->history().custodian();
  }

  AuditStore& store_;
  const ledger::Policy& policy_;
  const ledger::RosterHistory* governance_;
  Findings& findings_;
  std::optional<ledger::LogAuditor> auditor_;
  ledger::TileBuilder tiles_;
  AuditedPartition result_;

  std::map<std::int64_t, StoredCheckpoint> checkpoints_;
  // Roots at the ends of batches, by size.
  std::map<std::int64_t, Hash> roots_;
  // SHA-256 of each full tile that the leaves make.
  std::map<std::pair<unsigned, std::uint64_t>, std::string> tile_bytes_;
  std::vector<EntryFacts> entries_;
  std::map<std::pair<std::string, std::uint64_t>, RecordFacts> records_;
  // Every sealed thing that an entry names, and the first entry that does.
  std::map<std::string, std::uint64_t> named_;
  // Every row that an entry proves, and the first entry that does.
  std::map<std::string, std::uint64_t> proved_rows_;
  // False once a batch is missing: what lies behind it cannot be placed.
  bool whole_ = true;
  std::optional<std::int64_t> head_time_ms_;
  // By the machine, before anything was read.
  const absl::Time now_ = absl::Now();
  bool promise_is_broken_ = false;
  // How many writes set a consent of each subject.
  std::map<std::string, std::int64_t> consent_versions_;
};

void PartitionAuditor::AddBatch(const StoredBatch& batch) {
  const std::uint64_t next = auditor_->range().size();
  if (!whole_) return;
  if (static_cast<std::uint64_t>(batch.first_index) != next) {
    whole_ = false;
    findings_.Add(LeafAt(next), "the next stored batch begins at leaf " + std::to_string(batch.first_index) +
                                    ": batches between are missing or overlap");
    return;
  }
  const auto leaves = ledger::DecodeBundle(batch.leaves);
  const std::vector<Hash> stored = StoredHashes(batch);
  if (!leaves.ok() || leaves->size() != static_cast<std::size_t>(batch.count) || stored.size() != leaves->size()) {
    findings_.Add(LeafAt(next), "the batch of " + std::to_string(batch.count) + " leaves that begins here cannot be read");
    // Go on with the stored hashes: what follows may still be sound.
    for (const Hash& hash : stored) AddLeaf("", hash, batch);
    roots_[batch.first_index + batch.count] = auditor_->range().Root();
    return;
  }
  std::vector<Hash> computed;
  ledger::CompactRange by_leaves = auditor_->range();
  bool equal = true;
  for (std::size_t i = 0; i < leaves->size(); ++i) {
    computed.push_back(ledger::LeafHash((*leaves)[i]));
    by_leaves.Append(computed[i]);
    if (computed[i] != stored[i]) {
      equal = false;
      findings_.Add(LeafAt(next + i), "its bytes do not have the hash that is stored beside them");
    }
  }
  const auto checkpoint = checkpoints_.find(batch.first_index + batch.count);
  const bool leaves_are_sound =
      equal || (checkpoint != checkpoints_.end() && checkpoint->second.root == ledger::AsBytes(by_leaves.Root()));
  for (std::size_t i = 0; i < leaves->size(); ++i) AddLeaf((*leaves)[i], leaves_are_sound ? computed[i] : stored[i], batch);
  roots_[batch.first_index + batch.count] = auditor_->range().Root();
}

std::vector<Hash> PartitionAuditor::StoredHashes(const StoredBatch& batch) const {
  std::vector<Hash> hashes;
  for (std::size_t at = 0; at + 32 <= batch.leaf_hashes.size(); at += 32)
    hashes.push_back(ledger::HashFromBytes(std::string_view(batch.leaf_hashes).substr(at, 32)).value());
  return hashes;
}

void PartitionAuditor::AddLeaf(const std::string& bytes, const Hash& hash, const StoredBatch& batch) {
  const std::uint64_t index = auditor_->range().size();
  tiles_.Append(hash);
  entries_.emplace_back();
  if (bytes.empty()) {
    auditor_->AddUnread(hash);
    return;
  }
  const std::optional<Leaf> leaf = auditor_->Add(bytes, hash);
  if (!leaf) return;
  Remember(*leaf, index);
  if (leaf->entry.author() == custodian() && entries_.back().time_ms != batch.time_ms)
    findings_.Add(LeafAt(index), "its batch is stored with another time than the entry has");
}

void PartitionAuditor::Remember(const Leaf& leaf, std::uint64_t index) {
  const ledger::v1::Entry& entry = leaf.entry;
  EntryFacts& facts = entries_.back();
  facts.read = true;
  facts.author = entry.author();
  facts.idempotency_key = entry.idempotency_key();
  facts.entry_sha256 = Sha256(leaf.signed_entry.entry_bytes());
  facts.kind = entry.kind();
  facts.time_ms = Milliseconds(entry.time());
  if (entry.has_watermark()) facts.feed_through_ms = Milliseconds(entry.watermark().through());
  if (entry.has_feed_gap()) {
    facts.feed_from_ms = Milliseconds(entry.feed_gap().from());
    facts.feed_through_ms = Milliseconds(entry.feed_gap().to());
  }
  facts.subject = entry.subject();
  facts.record_sha256.assign(entry.record_sha256().begin(), entry.record_sha256().end());
  if (entry.has_countersigned()) result_.words[index] = {false, entry.countersigned().first(), entry.countersigned().end()};
  if (entry.has_disputed()) result_.words[index] = {true, entry.disputed().index(), entry.disputed().index() + 1};
  // What else others sign says nothing of what the custodian keeps.
  if (facts.author != custodian()) return;
  for (const std::string& sha256 : facts.record_sha256) named_.emplace(sha256, index);
  for (const std::string& sha256 : entry.row_sha256()) proved_rows_.emplace(sha256, index);
  if (entry.has_key_stored())
    result_.keys[{entry.key_stored().what(), entry.key_stored().key_id()}] = {index, entry.key_stored()};
  if (entry.has_money()) result_.money[index] = {entry.kind(), entry.money()};
  if (entry.has_watermark() || entry.has_feed_gap())
    result_.feed[index] = {entry.has_feed_gap(), facts.feed_from_ms.value_or(0), facts.feed_through_ms, facts.time_ms};
  if (entry.kind() == ledger::v1::KIND_CARD_ACCEPTED) result_.acceptances.insert(index);
  if (!entry.has_record_stored()) return;
  if (!entry.record_stored().locator_sha256().empty())
    result_.located[entry.subject()] = {index, entry.record_stored().locator_sha256()};
  const auto& positions = entry.record_stored().deleted();
  const std::set<std::uint32_t> deleted(positions.begin(), positions.end());
  for (int i = 0; i < entry.record_stored().record_id_size(); ++i) {
    const std::pair<std::string, std::uint64_t> version{entry.record_stored().record_id(i), entry.record_stored().version(i)};
    const auto [known, is_new] = records_.emplace(version, RecordFacts{index, entry.record_sha256(i), "", false, deleted.contains(static_cast<std::uint32_t>(i)),
                                                                    entry.record_stored().account()});
    if (!is_new)
      findings_.Add(LeafAt(index), "record " + HexEncode(version.first) + " version " + std::to_string(version.second) +
                                       " was stored before, by " + LeafAt(known->second.index));
  }
}

void PartitionAuditor::CheckTiles() {
  store_.VisitTiles([this](const StoredTile& tile) {
    const ledger::TilePath path{false, static_cast<unsigned>(tile.level), static_cast<std::uint64_t>(tile.index),
                                ledger::kTileWidth};
    const auto made = tile_bytes_.find({path.level, path.index});
    if (made == tile_bytes_.end()) {
      findings_.Add(path.ToString(), "the leaves make no such full tile");
      return;
    }
    if (made->second != Sha256(tile.bytes)) findings_.Add(path.ToString(), "the tile is not what the leaves make");
    tile_bytes_.erase(made);
  });
  for (const auto& [at, sha256] : tile_bytes_)
    findings_.Add(ledger::TilePath{false, at.first, at.second, ledger::kTileWidth}.ToString(), "the tile is missing");
}

void PartitionAuditor::CheckCheckpoints() {
  const ledger::Policy signed_only = policy_.WithoutQuorum();
  for (const auto& [size, checkpoint] : checkpoints_) {
    const std::string position = "checkpoint size " + std::to_string(size);
    const auto root = roots_.find(size);
    if (root == roots_.end()) {
      findings_.Add(position, "no stored batch ends here");
      continue;
    }
    if (checkpoint.root != ledger::AsBytes(root->second)) findings_.Add(position, "the leaves make another root than is stored");
    if (checkpoint.published_note && !checkpoint.signed_note) findings_.Add(position, "it is published and was never signed");
    if (checkpoint.signed_note) CheckNote(size, *checkpoint.signed_note, root->second, "signed", signed_only);
    if (checkpoint.published_note) CheckNote(size, *checkpoint.published_note, root->second, "published", policy_);
  }
  for (const auto& [size, root] : roots_)
    if (!checkpoints_.contains(size)) findings_.Add("checkpoint size " + std::to_string(size), "the checkpoint is missing");
}

void PartitionAuditor::CheckNote(std::int64_t size, const std::string& bytes, const Hash& root, const char* which,
                                 const ledger::Policy& policy) {
  const auto note = ledger::Note::Parse(bytes);
  const auto checkpoint = note.ok() ? policy.VerifyWhole(*note) : note.status();
  const std::string position = "checkpoint size " + std::to_string(size);
  if (!checkpoint.ok()) {
    findings_.Add(position, std::string("its ") + which + " note: " + std::string(checkpoint.status().message()));
    return;
  }
  if (note->text != ledger::Checkpoint{findings_.origin(), static_cast<std::uint64_t>(size), root}.Serialize()) {
    findings_.Add(position, std::string("its ") + which + " note is of another tree than the leaves make");
    return;
  }
  if (&policy != &policy_) return;
  result_.witnessed_size = checkpoint->size;
  result_.witnessed_at = policy.WitnessedAt(*note).value_or(absl::InfinitePast());
}

void PartitionAuditor::CheckHead() {
  const std::vector<StoredHead> heads = store_.Heads();
  if (heads.size() != 1) {
    findings_.Add("head", heads.empty() ? "the head is missing" : "there are several heads");
    return;
  }
  const StoredHead& head = heads.front();
  head_time_ms_ = head.time_ms;
  const ledger::CompactRange& range = auditor_->range();
  std::string nodes;
  for (const Hash& node : range.nodes()) nodes += ledger::AsBytes(node);
  if (static_cast<std::uint64_t>(head.size) != range.size()) {
    findings_.Add("head", "it says size " + std::to_string(head.size) + ", the leaves are " + std::to_string(range.size()));
    whole_ = whole_ && static_cast<std::uint64_t>(head.size) < range.size();
  }
  if (head.root != ledger::AsBytes(range.Root())) findings_.Add("head", "the leaves make another root");
  if (head.nodes != nodes) findings_.Add("head", "the leaves make another compact range");
  if (static_cast<std::uint64_t>(head.author_counter) != auditor_->custodian_counter())
    findings_.Add("head", "it says counter " + std::to_string(head.author_counter) + ", the last entry of the custodian has " +
                              std::to_string(auditor_->custodian_counter()));
  if (static_cast<std::uint64_t>(head.anchor_size) != auditor_->anchor_size() ||
      head.anchor_root != ledger::AsBytes(auditor_->anchor_root()))
    findings_.Add("head", "its anchor is not the last one of the log");
}

// What was answered was promised to be witnessed; the first that is not stands for all after it.
void PartitionAuditor::CheckPromise(const StoredAnswerKey& answer) {
  const std::int64_t end = answer.first_index + answer.count;
  if (promise_is_broken_ || static_cast<std::uint64_t>(end) <= result_.witnessed_size) return;
  const absl::Time witnessed_by = absl::FromUnixMillis(answer.witnessed_by_ms);
  const bool is_overdue = witnessed_by + kPromiseMargin < now_;
  // A promise is made for the next seconds: a later one would hide that it is broken.
  if (!is_overdue && witnessed_by < now_ + kPromiseMargin) return;
  promise_is_broken_ = true;
  const auto checkpoint = roots_.lower_bound(end);
  findings_.Add("checkpoint size " + std::to_string(checkpoint == roots_.end() ? end : checkpoint->first),
                "promised to be witnessed by " + FormatUtc(witnessed_by) +
                    (is_overdue ? ", is not" : ", later than any promise can be now, and is not yet"));
}

void PartitionAuditor::CheckAnswerKeys() {
  std::optional<std::int64_t> newest_ms;
  store_.VisitAnswerKeys([this, &newest_ms](const StoredAnswerKey& answer) {
    const std::string position = "idempotency key " + HexEncode(answer.key);
    newest_ms = std::max(newest_ms.value_or(answer.time_ms), answer.time_ms);
    if (answer.count == 0) return;
    const EntryFacts* entry = EntryAt(answer.first_index);
    if (entry == nullptr || answer.count < 0 || static_cast<std::uint64_t>(answer.first_index + answer.count) > entries_.size()) {
      findings_.Add(position, "it answers with leaf " + std::to_string(answer.first_index) + ", which is not there");
      return;
    }
    CheckPromise(answer);
    if (entry->author != answer.author || entry->idempotency_key != answer.key)
      findings_.Add(position, "it answers with leaf " + std::to_string(answer.first_index) + ", which has another author or key");
    if (entry->author == custodian() ? entry->time_ms != answer.time_ms : answer.request_digest != entry->entry_sha256)
      findings_.Add(position, "its time or digest is not that of leaf " + std::to_string(answer.first_index));
    std::set<std::string> consents;
    for (std::int64_t i = answer.first_index; i < answer.first_index + answer.count; ++i) {
      EntryFacts& answered = entries_[static_cast<std::size_t>(i)];
      if (std::exchange(answered.answered, true))
        findings_.Add(position, "it answers with leaf " + std::to_string(i) + ", as another key does");
      // What a tenant's node signs itself changes no consent that is kept here.
      if (answered.kind == ledger::v1::KIND_CONSENT_SET && answered.author == custodian()) consents.insert(answered.subject);
    }
    for (const std::string& subject : consents) ++consent_versions_[subject];
  });
  // Each commit leaves the answer to at least one write, at the commit's time.
  if (newest_ms && head_time_ms_ && newest_ms != head_time_ms_) findings_.Add("head", "its time is not that of the last commit");
  for (std::uint64_t i = 0; i < entries_.size(); ++i)
    if (entries_[i].read && !entries_[i].answered && entries_[i].kind != ledger::v1::KIND_ANCHOR)
      findings_.Add(LeafAt(i), "the answer to its idempotency key is missing");
}

void PartitionAuditor::CheckRecords() {
  store_.VisitRecords([this](const StoredRecord& record) { CheckRecord(record); });
  for (const auto& [version, record] : records_) {
    if (!record.found)
      findings_.Add("record " + HexEncode(version.first) + " version " + std::to_string(version.second),
                    "the stored record is missing; " + LeafAt(record.index) + " names it");
    named_.erase(record.sha256);
  }
}

void PartitionAuditor::CheckRecord(const StoredRecord& record) {
  ++result_.sealed_rows;
  const std::string position = "record " + HexEncode(record.record_id) + " version " + std::to_string(record.version);
  const auto known = records_.find({record.record_id, static_cast<std::uint64_t>(record.version)});
  if (known == records_.end()) {
    findings_.Add(position, "no entry names this stored record");
    return;
  }
  known->second.found = true;
  known->second.patient_id = record.patient_id;
  const std::string& entry_name = LeafAt(known->second.index);
  if (Sha256(record.sealed) != known->second.sha256)
    findings_.Add(position, "its sealed bytes are not those that " + entry_name + " names");
  if (static_cast<std::uint64_t>(record.entry_index) != known->second.index)
    findings_.Add(position, "it refers to leaf " + std::to_string(record.entry_index) + ", but " + entry_name + " names it");
  const EntryFacts& entry = entries_[known->second.index];
  if (!entry.subject.empty() && entry.subject != record.patient_id)
    findings_.Add(position, "it lies under another subject than " + entry_name + " has");
  if (entry.time_ms != record.arrived_ms) findings_.Add(position, "it arrived at another time than " + entry_name);
  if (record.deleted && !known->second.deleted) findings_.Add(position, "it is marked as deleted, which no entry says");
  if (!record.deleted && known->second.deleted) findings_.Add(position, entry_name + " marks it as deleted, but its row does not");
  if (record.account && !known->second.account) findings_.Add(position, "it is marked as an account of a disclosure, which no entry says");
  if (!record.account && known->second.account) findings_.Add(position, entry_name + " is an account of a disclosure, but its row is not");
}

void PartitionAuditor::CheckOtherSealed() {
  store_.VisitOtherSealed([this](const StoredSealed& row) {
    ++result_.sealed_rows;
    const std::string position = LeafAt(static_cast<std::uint64_t>(row.entry_index));
    const std::string sha256 = Sha256(row.sealed);
    const EntryFacts* entry = EntryAt(row.entry_index);
    if (entry == nullptr) {
      findings_.Add(position, row.row + " refers to this entry, which is not there");
      return;
    }
    bool named = false;
    for (const std::string& hash : entry->record_sha256) named = named || hash == sha256;
    if (!named) findings_.Add(position, "the sealed bytes of " + row.row + " are not those that the entry names");
    if (!row.patient_id.empty() && !entry->subject.empty() && row.patient_id != entry->subject)
      findings_.Add(position, row.row + " lies under another subject than the entry has");
    if (row.arrived_ms != entry->time_ms) findings_.Add(position, row.row + " arrived at another time than the entry");
    named_.erase(sha256);
  });
  for (const auto& [sha256, index] : named_)
    findings_.Add(LeafAt(index), "nothing stored has the SHA-256 " + HexEncode(sha256) + " that the entry names");
}

// Where an entry cannot be read, it cannot be known what it proves.
void PartitionAuditor::CheckProvedRows() {
  if (std::any_of(entries_.begin(), entries_.end(), [](const EntryFacts& entry) { return !entry.read; })) return;
  std::set<std::string> found;
  store_.VisitProvedRows([&](const StoredProvedRow& row) {
    if (proved_rows_.contains(row.sha256))
      found.insert(row.sha256);
    else
      findings_.Add(row.row, "no entry names this row as it is stored");
  });
  for (const auto& [sha256, index] : proved_rows_)
    if (!found.contains(sha256)) findings_.Add(LeafAt(index), "a row that was stored with this entry is missing or altered");
}

void PartitionAuditor::CheckFeed() {
  std::set<std::int64_t> found;
  store_.VisitFeedRows([&](const StoredFeedRow& row) {
    found.insert(row.entry_index);
    const std::string position = LeafAt(static_cast<std::uint64_t>(row.entry_index));
    const EntryFacts* entry = EntryAt(row.entry_index);
    const ledger::v1::Kind kind = row.kind == "gap" ? ledger::v1::KIND_FEED_GAP : ledger::v1::KIND_WATERMARK;
    if (entry == nullptr || entry->kind != kind)
      findings_.Add(position, "a row of the result feed refers to this entry, which is of another kind");
    else if (row.through_ms != entry->feed_through_ms || (entry->feed_from_ms && row.from_ms != entry->feed_from_ms) ||
             row.arrived_ms != entry->time_ms)
      findings_.Add(position, "the row of the result feed has other times than the entry");
  });
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const bool is_feed = entries_[i].kind == ledger::v1::KIND_WATERMARK || entries_[i].kind == ledger::v1::KIND_FEED_GAP;
    if (is_feed && entries_[i].author == custodian() && !found.contains(static_cast<std::int64_t>(i)))
      findings_.Add(LeafAt(i), "its row of the result feed is missing");
  }
}

void PartitionAuditor::CheckWords() {
  std::set<std::uint64_t> found;
  store_.VisitWordRows([&](const StoredWordRow& row) {
    const auto index = static_cast<std::uint64_t>(row.entry_index);
    found.insert(index);
    const auto entry = result_.words.find(index);
    if (entry == result_.words.end() || !entry->second.Is(row.kind, row.first_index, row.past_index))
      findings_.Add(LeafAt(index), "the row of what the tenant's node says is not what this entry says");
  });
  for (const auto& [index, entry] : result_.words)
    if (!found.contains(index)) findings_.Add(LeafAt(index), "its row of what the tenant's node says is missing");
}

void PartitionAuditor::CheckConsentVersions() {
  store_.VisitConsentVersions([this](const StoredConsentVersion& stored) {
    const auto counted = consent_versions_.find(stored.patient_id);
    const std::int64_t version = counted == consent_versions_.end() ? 0 : counted->second;
    if (stored.version != version)
      findings_.Add("consent version of " + HexEncode(stored.patient_id),
                    "it is " + std::to_string(stored.version) + ", the log has " + std::to_string(version) + " changes");
    if (counted != consent_versions_.end()) consent_versions_.erase(counted);
  });
  for (const auto& [subject, version] : consent_versions_)
    findings_.Add("consent version of " + HexEncode(subject),
                  "it is missing; the log has " + std::to_string(version) + " changes");
}

}  // namespace

absl::StatusOr<AuditedPartition> AuditPartition(const tenants::Database& database, const ledger::Policy& policy,
                                                const ledger::RosterHistory* governance, Findings& findings) {
  AuditedPartition audited;
  const absl::Status status = database.Read([&](tenants::ReadTransaction& transaction) -> absl::Status {
    AuditStore store(transaction);
    audited = PartitionAuditor(store, policy, governance, findings).Run();
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return audited;
}

}  // namespace custodian::log

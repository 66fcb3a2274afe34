#include "services/node/mirrored_log.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>

#include "ledger/entry.h"
#include "services/node/key_table.h"
#include "services/node/page_table.h"
#include "spdlog/spdlog.h"
#include "tenants/ids.h"

namespace custodian::node {
namespace {

using ledger::kTileWidth;
using ledger::TilePath;

constexpr unsigned kTileHeight = 8;

// Hashes of a level of tiles (or entries) in a tree of `size` leaves.
std::uint64_t CountAt(const TilePath& path, std::uint64_t size) {
  const unsigned shift = path.entries ? 0 : path.level * kTileHeight;
  return shift >= 64 ? 0 : size >> shift;
}

// The partial tiles and the partial bundle at the edge of a tree.
std::vector<TilePath> EdgeOf(std::uint64_t size) {
  std::vector<TilePath> edge;
  const auto add = [&edge](bool entries, unsigned level, std::uint64_t count) {
    if (count % kTileWidth != 0) edge.push_back({entries, level, count / kTileWidth, static_cast<unsigned>(count % kTileWidth)});
  };
  unsigned level = 0;
  for (std::uint64_t count = size; count > 0; count /= kTileWidth) add(false, level++, count);
  add(true, 0, size);
  return edge;
}

absl::Status Wrong(const std::string& what) { return absl::DataLossError(what); }

}  // namespace

std::string LogName(std::string_view origin) { return HexEncode(ledger::AsBytes(ledger::Sha256(origin))); }

// What was read of the log since the last Forget(): every leaf below auditor.range().size().
struct MirroredLog::Reading {
  explicit Reading(const std::string& origin)
      : findings(origin), tiles([this](const TilePath& path, const std::string& bytes) { made.emplace_back(path, bytes); }) {}

  ledger::Findings findings;
  std::optional<ledger::LogAuditor> auditor;
  ledger::TileBuilder tiles;
  // Tiles that the leaves made and that are not yet compared and written.
  std::vector<std::pair<TilePath, std::string>> made;
  // Leaves of the bundle that is not full.
  std::vector<std::string> edge;
  // Bundles past the held checkpoint that the copy had.
  std::uint64_t resumed = 0;
  // Not OK once an entry did not verify.
  absl::Status refused;
};

MirroredLog::MirroredLog(std::string origin, std::unique_ptr<LogCopy> copy, const StateDirectory& state, const Cosigner& cosigner)
    : origin_(std::move(origin)), name_(LogName(origin_)), copy_(std::move(copy)), state_(state), cosigner_(cosigner) {}

MirroredLog::~MirroredLog() = default;

absl::StatusOr<std::unique_ptr<MirroredLog>> MirroredLog::Open(std::string origin, const std::string& folder, const std::string& note,
                                                               const StateDirectory& state, const Cosigner& cosigner) {
  absl::StatusOr<std::unique_ptr<LogCopy>> copy = LogCopy::Open(folder);
  if (!copy.ok()) return copy.status();
  std::unique_ptr<MirroredLog> log(new MirroredLog(std::move(origin), *std::move(copy), state, cosigner));
  ledger::Checkpoint held{log->origin_, 0, ledger::EmptyRoot()};
  if (!note.empty()) {
    const absl::StatusOr<ledger::Note> parsed = ledger::Note::Parse(note);
    const absl::StatusOr<ledger::Checkpoint> checkpoint = parsed.ok() ? ledger::Checkpoint::Parse(parsed->text) : parsed.status();
    if (!checkpoint.ok() || checkpoint->origin != log->origin_)
      return absl::DataLossError("state file " + log->name_ + " is damaged; restore it from a copy, do not remove it");
    held = *checkpoint;
  }
  const absl::MutexLock lock(&log->mutex_);
  log->held_ = held;
  log->note_ = note;
  return log;
}

ledger::Checkpoint MirroredLog::Held() const {
  const absl::MutexLock lock(&mutex_);
  return held_;
}

std::uint64_t MirroredLog::size() const { return Held().size; }

absl::StatusOr<std::unique_ptr<MirroredLog::Reading>> MirroredLog::NewReading() const {
  absl::StatusOr<std::unique_ptr<KeyTable>> seen = KeyTable::Create(copy_->folder());
  if (!seen.ok()) return seen.status();
  absl::StatusOr<std::unique_ptr<PageTable>> subjects = PageTable::Create(copy_->folder());
  if (!subjects.ok()) return subjects.status();
  auto reading = std::make_unique<Reading>(origin_);
  if (governance_ != nullptr)
    reading->auditor.emplace(reading->findings, *governance_, *std::move(seen));
  else
    reading->auditor.emplace(reading->findings, *std::move(seen));
  reading->auditor->KeepSubjectsIn(*std::move(subjects));
  return reading;
}

void MirroredLog::Forget() {
  reading_.reset();
  ++times_forgotten_;
}

bool MirroredLog::IsWhole() const { return reading_ != nullptr && reading_->auditor->range().size() == size(); }

std::optional<std::uint64_t> MirroredLog::FirstUncovered() const {
  const bool has_map = reading_ != nullptr && reading_->auditor->subjects().covered() > 0;
  return has_map ? reading_->auditor->subjects().first_uncovered() : std::nullopt;
}

std::vector<ledger::MissingCounters> MirroredLog::Missing() const {
  return reading_ == nullptr ? std::vector<ledger::MissingCounters>() : reading_->auditor->Missing();
}

const ledger::RosterHistory& MirroredLog::history() const { return reading_->auditor->history(); }

bool MirroredLog::IsGovernance() const {
  const std::uint64_t width = std::min(size(), kTileWidth);
  if (width == 0) return false;
  const absl::StatusOr<std::string> bundle = copy_->Read({true, 0, 0, static_cast<unsigned>(width)});
  const auto leaves = bundle.ok() ? ledger::DecodeBundle(*bundle) : bundle.status();
  if (!leaves.ok() || leaves->empty()) return false;
  const absl::StatusOr<ledger::Leaf> first = ledger::ParseLeaf(leaves->front());
  return first.ok() && first->entry.has_roster_changed();
}

// --- reading --------------------------------------------------------------------------------------------------------------

absl::Status MirroredLog::Restore(const ledger::RosterHistory* governance) {
  if (reading_ != nullptr) return absl::OkStatus();
  governance_ = governance;
  absl::StatusOr<std::unique_ptr<Reading>> reading = NewReading();
  if (!reading.ok()) return reading.status();
  reading_ = *std::move(reading);
  const ledger::Checkpoint held = Held();
  if (held.size == 0 || copy_is_damaged_) return absl::OkStatus();
  absl::Status status = ReadCopy(held);
  if (status.ok()) {
    const absl::MutexLock lock(&mutex_);
    if (!cosigned_.empty()) return status;
    const auto cosignature = cosigner_.Cosign(std::string_view(note_).substr(0, note_.rfind("\n\n") + 1));
    if (cosignature.ok()) cosigned_ = note_ + cosignature->ToLine();
    status = cosignature.status();
  } else if (absl::IsDataLoss(status)) {
    spdlog::error("event=copy_damaged origin={} size={} reason=\"{}\"", origin_, held.size, std::string(status.message()));
    copy_is_damaged_ = true;
    {
      const absl::MutexLock lock(&mutex_);
      cosigned_.clear();
    }
    reading = NewReading();
    if (!reading.ok()) return reading.status();
    reading_ = *std::move(reading);
    status = absl::OkStatus();
  }
  if (!status.ok()) reading_.reset();
  return status;
}

// DataLoss: the copy does not make the held checkpoint.
absl::Status MirroredLog::ReadCopy(const ledger::Checkpoint& held) {
  for (std::uint64_t index = 0; index * kTileWidth < held.size; ++index) {
    const auto width = static_cast<unsigned>(std::min(kTileWidth, held.size - index * kTileWidth));
    const TilePath path{true, 0, index, width};
    const absl::StatusOr<std::string> bundle = copy_->Read(path);
    if (!bundle.ok() && !absl::IsNotFound(bundle.status())) return bundle.status();
    const auto leaves = bundle.ok() ? ledger::DecodeBundle(*bundle) : bundle.status();
    if (!leaves.ok() || leaves->size() != width) return Wrong(path.ToString() + " is missing or cannot be read");
    // An entry that does not verify now did before: it is still what the log says, so it is served, and nothing more is cosigned.
    if (const absl::Status status = AddLeaves(*leaves, 0); !status.ok() && reading_->refused.ok()) return status;
    for (const auto& [tile, bytes] : reading_->made) {
      const absl::StatusOr<std::string> kept = copy_->Read(tile);
      if (kept.ok() && *kept == bytes) continue;
      if (!kept.ok() && !absl::IsNotFound(kept.status())) return kept.status();
      // The entries are the authority.
      spdlog::error("event=tile_mended origin={} tile={}", origin_, tile.ToString());
      if (const absl::Status status = copy_->Write(tile, bytes); !status.ok()) return status;
    }
    reading_->made.clear();
  }
  return reading_->auditor->range().Root() == held.root ? absl::OkStatus() : Wrong("its entries make another root");
}

absl::Status MirroredLog::AddLeaves(const std::vector<std::string>& leaves, std::size_t first) {
  const ledger::Checkpoint held = Held();
  Reading& reading = *reading_;
  for (std::size_t i = first; i < leaves.size(); ++i) {
    const ledger::Hash hash = ledger::LeafHash(leaves[i]);
    reading.auditor->Add(leaves[i], hash);
    reading.tiles.Append(hash);
    reading.edge.push_back(leaves[i]);
    // Only when the copy is damaged does this lie past what was read before.
    if (reading.auditor->range().size() == held.size && reading.auditor->range().Root() != held.root)
      return Wrong("the first " + std::to_string(held.size) + " entries make another root than this mirror has cosigned");
  }
  if (reading.edge.size() == kTileWidth) reading.edge.clear();
  if (const absl::Status& failed = reading.auditor->failed(); !failed.ok())
    return absl::InternalError("this mirror's own copy of the map of subjects is damaged and made again: " + std::string(failed.message()));
  if (reading.findings.empty()) return absl::OkStatus();
  const std::vector<ledger::Finding> findings = reading.findings.Take();
  for (const ledger::Finding& finding : findings)
    spdlog::error("event=entry_refused origin={} position=\"{}\" reason=\"{}\"", origin_, finding.position, finding.message);
  if (reading.refused.ok()) reading.refused = Wrong(findings.front().position + ": " + findings.front().message);
  return reading.refused;
}

// --- following ------------------------------------------------------------------------------------------------------------

absl::Status MirroredLog::Advance(const ledger::Checkpoint& target, const ledger::Note& note, const ledger::ByteSource& read,
                                  const std::atomic<bool>& stopped) {
  const absl::Status status = GoOn(target, note, read, stopped);
  // Perhaps what an earlier step left behind, unverified, is at fault and not the log.
  if (absl::IsDataLoss(status) && reading_->resumed > 0) pending_is_damaged_ = true;
  if (!reading_->auditor->failed().ok()) Forget();
  return status;
}

absl::Status MirroredLog::GoOn(const ledger::Checkpoint& target, const ledger::Note& note, const ledger::ByteSource& read,
                               const std::atomic<bool>& stopped) {
  const ledger::Checkpoint held = Held();
  if (target.size < held.size)
    return Dispute(note, "the log was rolled back: it signs " + std::to_string(target.size) + " entries, this mirror holds " +
                             std::to_string(held.size));
  if (!reading_->refused.ok()) return reading_->refused;
  const ledger::LogAuditor& auditor = *reading_->auditor;
  if (target.size < auditor.range().size()) return Wrong("the log signs fewer entries than it did");
  while (auditor.range().size() < target.size) {
    if (stopped) return absl::CancelledError("the mirror stops");
    if (absl::Status status = KeepTiles(read); !status.ok()) return status;
    if (absl::Status status = TakeBundle(target.size, read); !status.ok()) return status;
  }
  if (absl::Status status = KeepTiles(read); !status.ok()) return status;
  if (auditor.range().Root() != target.root) {
    if (!read) return absl::InternalError("the entries that were pushed do not make the root that is signed: this mirror's own copy of them is damaged");
    if (reading_->resumed > 0) return Wrong("entries that an earlier step fetched do not fit; they are fetched again");
    return Dispute(note, "the entries make another root than the checkpoint of size " + std::to_string(target.size) +
                             " signs: the log was forked, or an entry was edited");
  }
  // The checkpoint of an empty log is one too.
  if (target.size == held.size && !copy_is_damaged_ && (read || !HeldNote().empty())) return absl::OkStatus();
  return Commit(target, note, read);
}

absl::StatusOr<std::string> MirroredLog::FindBundle(const TilePath& path, const ledger::ByteSource& read, bool& is_local) {
  is_local = !read;
  if (is_local) {
    const auto kept = Kept(path.index, path.width);
    if (absl::IsNotFound(kept.status())) return absl::InternalError(path.ToString() + " is missing from this mirror's copy");
    return kept.ok() ? ledger::EncodeBundle(*kept) : kept.status();
  }
  if (path.width == kTileWidth && !copy_is_damaged_ && !pending_is_damaged_) {
    absl::StatusOr<std::string> kept = copy_->Read(path);
    const auto leaves = kept.ok() ? ledger::DecodeBundle(*kept) : kept.status();
    is_local = leaves.ok() && leaves->size() == kTileWidth;
    if (is_local) return kept;
  }
  absl::StatusOr<std::string> bundle = read(path.ToString());
  // A log may drop a partial bundle once it is full (tlog-tiles, "Partial Tiles").
  if (absl::IsNotFound(bundle.status()) && path.width < kTileWidth) bundle = read(TilePath{true, 0, path.index, kTileWidth}.ToString());
  if (absl::IsNotFound(bundle.status())) return Wrong(path.ToString() + " is missing");
  return bundle;
}

absl::Status MirroredLog::TakeBundle(std::uint64_t target_size, const ledger::ByteSource& read) {
  const std::uint64_t size = reading_->auditor->range().size();
  const std::uint64_t index = size / kTileWidth;
  const std::size_t first = size % kTileWidth;
  const auto width = static_cast<unsigned>(std::min(kTileWidth, target_size - index * kTileWidth));
  const TilePath path{true, 0, index, width};
  bool is_local = false;
  const absl::StatusOr<std::string> bundle = FindBundle(path, read, is_local);
  if (!bundle.ok()) return bundle.status();
  absl::StatusOr<std::vector<std::string>> leaves = ledger::DecodeBundle(*bundle);
  if (!leaves.ok() || leaves->size() < width) return Wrong(path.ToString() + " cannot be read");
  leaves->resize(width);
  for (std::size_t i = 0; i < first; ++i) {
    if ((*leaves)[i] != reading_->edge[i])
      return Wrong("entry " + std::to_string(index * kTileWidth + i) + " is no longer what this mirror holds");
  }
  if (const absl::Status status = CheckAnchors(*leaves, first); !status.ok()) return status;
  // Before the leaves are added, so that a full disk changes nothing.
  if (width == kTileWidth && !is_local) {
    const auto whole = ledger::EncodeBundle(*leaves);
    const absl::Status status = whole.ok() ? copy_->Write(path, *whole) : whole.status();
    if (!status.ok()) return status;
  }
  if (is_local && read) ++reading_->resumed;
  return AddLeaves(*leaves, first);
}

// An anchor may name entries of the governance log that this mirror has not read yet, and then cannot be judged.
absl::Status MirroredLog::CheckAnchors(const std::vector<std::string>& leaves, std::size_t first) const {
  if (governance_ == nullptr) return absl::OkStatus();
  for (std::size_t i = first; i < leaves.size(); ++i) {
    const absl::StatusOr<ledger::Leaf> leaf = ledger::ParseLeaf(leaves[i]);
    if (leaf.ok() && leaf->entry.has_anchor() && leaf->entry.anchor().governance_size() > governance_->size())
      return absl::AbortedError("an entry names governance size " + std::to_string(leaf->entry.anchor().governance_size()) + ", of which " +
                                std::to_string(governance_->size()) + " are read");
  }
  return absl::OkStatus();
}

// Compares the tiles that the leaves made with those the log serves, if it serves any, and keeps them.
absl::Status MirroredLog::KeepTiles(const ledger::ByteSource& read) {
  auto& made = reading_->made;
  for (std::size_t i = 0; i < made.size(); ++i) {
    const auto& [path, bytes] = made[i];
    absl::Status status;
    if (read) {
      const absl::StatusOr<std::string> served = read(path.ToString());
      status = served.status();
      if (served.ok() && *served != bytes) status = Wrong(path.ToString() + " is not what the entries make");
      if (absl::IsNotFound(status)) status = path.width < kTileWidth ? absl::OkStatus() : Wrong(path.ToString() + " is missing");
    }
    if (status.ok()) status = copy_->Write(path, bytes);
    if (!status.ok()) {
      made.erase(made.begin(), made.begin() + static_cast<std::ptrdiff_t>(i));
      return status;
    }
  }
  made.clear();
  return absl::OkStatus();
}

absl::Status MirroredLog::Commit(const ledger::Checkpoint& checkpoint, const ledger::Note& note, const ledger::ByteSource& read) {
  reading_->tiles.EmitPartial();
  if (absl::Status status = KeepTiles(read); !status.ok()) {
    // Made again next time, perhaps of another size.
    reading_->made.clear();
    return status;
  }
  if (!reading_->edge.empty()) {
    const TilePath path{true, 0, checkpoint.size / kTileWidth, static_cast<unsigned>(reading_->edge.size())};
    const auto bundle = ledger::EncodeBundle(reading_->edge);
    const absl::Status status = bundle.ok() ? copy_->Write(path, *bundle) : bundle.status();
    if (!status.ok()) return status;
  }
  if (absl::Status status = copy_->Sync(); !status.ok()) return status;
  ledger::Note kept{note.text, {}};
  for (const ledger::NoteSignature& signature : note.signatures)
    if (signature.name != cosigner_.key().name() || signature.key_id != cosigner_.key().key_id()) kept.signatures.push_back(signature);
  const std::string bytes = kept.Serialize();
  // Old or new may be on disk after a failure. The files beside it are whole for both, and nothing is cosigned.
  if (absl::Status status = state_.Write(name_, bytes); !status.ok()) return status;
  const auto cosignature = cosigner_.Cosign(kept.text);
  if (!cosignature.ok()) return cosignature.status();
  const ledger::Checkpoint before = Held();
  {
    const absl::MutexLock lock(&mutex_);
    held_ = checkpoint;
    note_ = bytes;
    cosigned_ = bytes + cosignature->ToLine();
  }
  copy_is_damaged_ = pending_is_damaged_ = false;
  reading_->resumed = 0;
  const std::vector<TilePath> edge = EdgeOf(checkpoint.size);
  for (const TilePath& path : EdgeOf(before.size))
    if (std::find(edge.begin(), edge.end(), path) == edge.end()) copy_->Remove(path);
  return absl::OkStatus();
}

absl::Status MirroredLog::Judge(std::uint64_t size) {
  absl::Status status = reading_->refused;
  while (status.ok() && reading_->auditor->range().size() < size) {
    status = TakeBundle(size, nullptr);
    if (status.ok()) status = KeepTiles(nullptr);
  }
  return status;
}

absl::Status MirroredLog::CommitPushed(const ledger::Checkpoint& target, const ledger::Note& note) {
  if (absl::Status status = Judge(target.size); !status.ok()) return status;
  return GoOn(target, note, nullptr, false);
}

absl::StatusOr<std::vector<std::string>> MirroredLog::Kept(std::uint64_t bundle, std::size_t count) const {
  absl::StatusOr<std::string> bytes = copy_->Read({true, 0, bundle, kTileWidth});
  if (absl::IsNotFound(bytes.status())) {
    const std::vector<unsigned> partial = copy_->PartialBundles(bundle);
    if (!partial.empty()) bytes = copy_->Read({true, 0, bundle, partial.back()});
  }
  if (!bytes.ok()) return bytes.status();
  absl::StatusOr<std::vector<std::string>> leaves = ledger::DecodeBundle(*bytes);
  // What a crash left behind.
  if (!leaves.ok() || leaves->size() < count) return absl::NotFoundError("the copy does not hold so many entries of the bundle");
  return leaves;
}

absl::StatusOr<std::string> MirroredLog::CosignAgain() {
  const absl::MutexLock lock(&mutex_);
  const auto cosignature = cosigner_.Cosign(std::string_view(note_).substr(0, note_.rfind("\n\n") + 1));
  if (!cosignature.ok()) return cosignature.status();
  cosigned_ = note_ + cosignature->ToLine();
  return cosignature->ToLine();
}

std::uint64_t MirroredLog::judged() const { return reading_ == nullptr ? 0 : reading_->auditor->range().size(); }

std::string MirroredLog::HeldNote() const {
  const absl::MutexLock lock(&mutex_);
  return note_;
}

// Keeps the first note that contradicts what is held: with the log's signature it is what proves the fork to others.
absl::Status MirroredLog::Dispute(const ledger::Note& note, const std::string& why) {
  const std::string file = copy_->folder() + "/disputed-checkpoint";
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) std::ofstream(file, std::ios::binary) << note.Serialize();
  return Wrong(why + " (its checkpoint is kept in " + file + ")");
}

// --- serving --------------------------------------------------------------------------------------------------------------

absl::StatusOr<std::string> MirroredLog::Checkpoint() const {
  const absl::MutexLock lock(&mutex_);
  if (note_.empty()) return absl::NotFoundError("this mirror holds no checkpoint of the log yet");
  if (cosigned_.empty()) return absl::UnavailableError("the mirror reads its copy of the log");
  return cosigned_;
}

absl::StatusOr<std::string> MirroredLog::Tile(const std::string& path) const {
  const absl::StatusOr<TilePath> wanted = TilePath::Parse(path);
  if (!wanted.ok()) return wanted.status();
  absl::StatusOr<std::string> bytes;
  // A partial tile may give way to a larger one between looking and reading.
  for (int attempt = 0; attempt < 3; ++attempt) {
    if (const auto checkpoint = Checkpoint(); !checkpoint.ok()) return checkpoint.status();
    const std::uint64_t count = CountAt(*wanted, size());
    if (wanted->index > count / kTileWidth || wanted->first() + wanted->width > count)
      return absl::NotFoundError("not in what this mirror holds");
    TilePath stored = *wanted;
    stored.width = static_cast<unsigned>(std::min(kTileWidth, count - wanted->first()));
    bytes = copy_->Read(stored);
    if (!bytes.ok() && absl::IsNotFound(bytes.status())) continue;
    if (!bytes.ok() || stored.width == wanted->width) return bytes;
    if (!wanted->entries) return bytes->substr(0, wanted->width * sizeof(ledger::Hash));
    const auto leaves = ledger::DecodeBundle(*bytes);
    if (!leaves.ok() || leaves->size() < wanted->width) return absl::DataLossError(stored.ToString() + " is damaged");
    return ledger::EncodeBundle(std::span(*leaves).first(wanted->width));
  }
  return absl::DataLossError(path + " is missing from the copy");
}

}  // namespace custodian::node

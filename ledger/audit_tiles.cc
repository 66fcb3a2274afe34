#include "ledger/audit_tiles.h"

#include <algorithm>
#include <span>
#include <utility>

namespace custodian::ledger {
namespace {

LogAuditor MakeAuditor(Findings& findings, const RosterHistory* governance, std::unique_ptr<SeenKeys> seen) {
  return governance != nullptr ? LogAuditor(findings, *governance, std::move(seen)) : LogAuditor(findings, std::move(seen));
}

bool IsAbsent(const absl::Status& status) { return absl::IsNotFound(status) || absl::IsInvalidArgument(status); }

absl::StatusOr<std::vector<Hash>> HashesOf(std::string_view bytes) {
  if (bytes.size() % sizeof(Hash) != 0) return absl::InvalidArgumentError("hashes have 32 bytes each");
  std::vector<Hash> hashes;
  for (std::size_t at = 0; at < bytes.size(); at += sizeof(Hash)) hashes.push_back(HashFromBytes(bytes.substr(at, sizeof(Hash))).value());
  return hashes;
}

absl::StatusOr<TreeEdge> EdgeOf(const v1::AuditState& state) {
  TreeEdge edge{state.size(), {}};
  for (const std::string& bytes : state.edge()) {
    absl::StatusOr<std::vector<Hash>> hashes = HashesOf(bytes);
    if (!hashes.ok()) return hashes.status();
    edge.levels.push_back(*std::move(hashes));
  }
  return edge;
}

absl::StatusOr<Judged> JudgedOf(const v1::AuditState& state) {
  Judged judged;
  const absl::StatusOr<Hash> anchor_root = HashFromBytes(state.anchor_root());
  if (!anchor_root.ok()) return anchor_root.status();
  judged.anchor_size = state.anchor_size();
  judged.anchor_root = *anchor_root;
  judged.custodian_counter = state.custodian_counter();
  judged.log_ms = state.log_ms();
  for (const v1::AuthorCounters& counters : state.counters()) {
    UsedCounters::Runs runs;
    for (int i = 0; i + 1 < counters.runs_size(); i += 2) {
      const std::int64_t since = i / 2 < counters.gap_since_ms_size() ? counters.gap_since_ms(i / 2) : 0;
      runs.emplace(counters.runs(i), UsedCounters::Run{counters.runs(i + 1), since});
    }
    absl::StatusOr<UsedCounters> used = UsedCounters::Create(std::move(runs));
    if (!used.ok()) return used.status();
    judged.counters.emplace(counters.author(), *std::move(used));
  }
  return judged;
}

absl::StatusOr<std::vector<Finding>> FindingsOf(const v1::AuditState& state) {
  std::vector<Finding> findings;
  for (const v1::AuditFinding& finding : state.findings()) {
    int fault = 0;
    while (fault <= static_cast<int>(Fault::kMore) && FaultName(static_cast<Fault>(fault)) != finding.fault()) ++fault;
    if (fault > static_cast<int>(Fault::kMore)) return absl::InvalidArgumentError("there is no fault " + finding.fault());
    findings.push_back({state.origin(), finding.position(), finding.message(), static_cast<Fault>(fault)});
  }
  return findings;
}

}  // namespace

absl::StatusOr<BelievedCheckpoint> ReadCheckpoint(const Policy& policy, const std::string& origin, const ByteSource& read) {
  absl::StatusOr<std::string> bytes = read("checkpoint");
  if (!bytes.ok()) return bytes.status();
  const absl::StatusOr<Note> note = Note::Parse(*bytes);
  if (!note.ok()) return absl::UnauthenticatedError("the checkpoint of " + origin + ": " + std::string(note.status().message()));
  absl::StatusOr<Checkpoint> checkpoint = policy.Verify(*note);
  if (!checkpoint.ok()) return checkpoint.status();
  const absl::StatusOr<absl::Time> witnessed_at = policy.WitnessedAt(*note);
  if (!witnessed_at.ok()) return witnessed_at.status();
  if (checkpoint->origin != origin) return absl::UnauthenticatedError("the checkpoint is of " + checkpoint->origin + ", not of " + origin);
  return BelievedCheckpoint{*std::move(checkpoint), *witnessed_at, *std::move(bytes)};
}

PreparedBundle PrepareBundle(const std::string& origin, std::uint64_t index, std::uint64_t size, const ByteSource& read,
                             const AuthorKeys& keys) {
  PreparedBundle bundle;
  bundle.path = {true, 0, index, static_cast<unsigned>(std::min(kTileWidth, size - index * kTileWidth))};
  const absl::StatusOr<std::string> bytes = read(bundle.path.ToString());
  const absl::StatusOr<std::vector<std::string>> leaves = bytes.ok() ? DecodeBundle(*bytes) : bytes.status();
  bundle.status = leaves.status();
  if (!leaves.ok()) return bundle;
  if (leaves->size() != bundle.path.width) {
    bundle.status = absl::InvalidArgumentError("the bundle has " + std::to_string(leaves->size()) + " entries, not " +
                                               std::to_string(bundle.path.width));
    return bundle;
  }
  bundle.leaves = PrepareLeaves(origin, *leaves, keys);
  bundle.tile = read(TilePath{false, 0, index, bundle.path.width}.ToString());
  return bundle;
}

std::uint64_t AnchoredIn(const PreparedBundle& bundle) {
  std::uint64_t size = 0;
  for (const PreparedLeaf& leaf : bundle.leaves)
    if (leaf.leaf.ok() && leaf.leaf->entry.has_anchor()) size = std::max(size, leaf.leaf->entry.anchor().governance_size());
  return size;
}

absl::StatusOr<TreeEdge> ReadEdge(std::uint64_t size, std::uint64_t log_size, const ByteSource& read) {
  if (size % kTileWidth != 0 || size > log_size) return absl::InvalidArgumentError("an edge is read at a multiple of 256 within the log");
  TreeEdge edge{size, {}};
  std::uint64_t total = log_size;
  for (std::uint64_t count = size; count > 0; count /= kTileWidth, total /= kTileWidth) {
    edge.levels.emplace_back();
    if (count % kTileWidth == 0) continue;
    const std::uint64_t index = count / kTileWidth;
    const auto width = static_cast<unsigned>(std::min(kTileWidth, total - index * kTileWidth));
    const TilePath path{false, static_cast<unsigned>(edge.levels.size() - 1), index, width};
    const absl::StatusOr<std::string> tile = read(path.ToString());
    if (!tile.ok()) return tile.status();
    absl::StatusOr<std::vector<Hash>> hashes = HashesOf(*tile);
    if (!hashes.ok() || hashes->size() != width)
      return absl::UnauthenticatedError(path.ToString() + " is no tile of " + std::to_string(width) + " hashes");
    hashes->resize(count % kTileWidth);
    edge.levels.back() = *std::move(hashes);
  }
  return edge;
}

absl::Status CheckConsistency(const Checkpoint& before, const Checkpoint& after, const ByteSource& read) {
  if (before.size == 0) return absl::OkStatus();
  const NodeReader node = [&](unsigned level, std::uint64_t index) -> absl::StatusOr<Hash> {
    // The nodes of tree level 8l are those of the tiles of level l; what lies between is made of them.
    const unsigned tile_level = level / 8;
    const std::uint64_t span = std::uint64_t{1} << (level % 8);
    const std::uint64_t first = index * span;
    const std::uint64_t total = after.size >> (8 * tile_level);
    const TilePath path{false, tile_level, first / kTileWidth,
                        static_cast<unsigned>(std::min(kTileWidth, total - first / kTileWidth * kTileWidth))};
    const absl::StatusOr<std::string> tile = read(path.ToString());
    if (!tile.ok()) return tile.status();
    const absl::StatusOr<std::vector<Hash>> hashes = HashesOf(*tile);
    if (!hashes.ok() || hashes->size() != path.width) return absl::FailedPreconditionError(path.ToString() + " is no tile");
    return RootOf(std::span(*hashes).subspan(first % kTileWidth, span));
  };
  const absl::StatusOr<std::vector<Hash>> proof = ConsistencyProof(before.size, after.size, node);
  if (!proof.ok()) return proof.status();
  const absl::Status status = VerifyConsistency(before.size, after.size, *proof, before.root, after.root);
  return status.ok() ? status : absl::FailedPreconditionError(status.message());
}

TilesAuditor::TilesAuditor(Findings& findings, const RosterHistory* governance, const ByteSource& read, std::unique_ptr<SeenKeys> seen,
                           Visit visit)
    : findings_(findings), read_(read), auditor_(MakeAuditor(findings, governance, std::move(seen))),
      tiles_([this](const TilePath& path, const std::string& made) { CompareTile(path, made); }), visit_(std::move(visit)),
      served_tile_(absl::NotFoundError("no bundle was taken")) {}

void TilesAuditor::StartAt(const TreeEdge& edge) {
  tiles_ = TileBuilder([this](const TilePath& path, const std::string& made) { CompareTile(path, made); }, edge);
}

absl::Status TilesAuditor::Resume(const v1::AuditState& state) {
  const absl::StatusOr<TreeEdge> edge = EdgeOf(state);
  if (!edge.ok()) return edge.status();
  absl::StatusOr<CompactRange> range = edge->Range();
  if (!range.ok()) return range.status();
  if (state.root() != AsBytes(range->Root())) return absl::InvalidArgumentError("its hashes do not make its root");
  const absl::StatusOr<Judged> judged = JudgedOf(state);
  if (!judged.ok()) return judged.status();
  absl::StatusOr<std::vector<Finding>> findings = FindingsOf(state);
  if (!findings.ok()) return findings.status();
  if (absl::Status status = auditor_.Resume(*std::move(range), *judged); !status.ok()) return status;
  findings_.Restore(*std::move(findings), state.findings_more());
  StartAt(*edge);
  return absl::OkStatus();
}

absl::Status TilesAuditor::BeginAt(const TreeEdge& edge, std::uint64_t judge_from) {
  absl::StatusOr<CompactRange> range = edge.Range();
  if (!range.ok()) return range.status();
  auditor_.BeginAt(*std::move(range), judge_from);
  StartAt(edge);
  return absl::OkStatus();
}

void TilesAuditor::Save(v1::AuditState& state) const {
  const TreeEdge edge = tiles_.Edge();
  state.set_origin(findings_.origin());
  state.set_size(edge.size);
  state.set_root(std::string(AsBytes(auditor_.range().Root())));
  for (const std::vector<Hash>& hashes : edge.levels) {
    std::string& bytes = *state.add_edge();
    for (const Hash& hash : hashes) bytes += AsBytes(hash);
  }
  const Judged& judged = auditor_.judged();
  state.set_anchor_size(judged.anchor_size);
  state.set_anchor_root(std::string(AsBytes(judged.anchor_root)));
  state.set_custodian_counter(judged.custodian_counter);
  state.set_log_ms(judged.log_ms);
  for (const auto& [author, used] : judged.counters) {
    v1::AuthorCounters& counters = *state.add_counters();
    counters.set_author(author);
    for (const auto& [first, run] : used.runs()) {
      counters.add_runs(first);
      counters.add_runs(run.last);
      counters.add_gap_since_ms(run.gap_since_ms);
    }
  }
  for (const Finding& finding : findings_.kept()) {
    v1::AuditFinding& kept = *state.add_findings();
    kept.set_position(finding.position);
    kept.set_message(finding.message);
    kept.set_fault(std::string(FaultName(finding.fault)));
  }
  state.set_findings_more(findings_.more());
}

absl::StatusOr<bool> TilesAuditor::Take(const PreparedBundle& bundle) {
  if (!bundle.status.ok()) {
    if (!IsAbsent(bundle.status)) return bundle.status;
    findings_.Add(absl::IsNotFound(bundle.status) ? Fault::kBundleMissing : Fault::kBundleMalformed, bundle.path.ToString(),
                  std::string(bundle.status.message()));
    return false;
  }
  const std::size_t first = size() % kTileWidth;
  if (first > 0) {
    const TreeEdge edge = tiles_.Edge();
    for (std::size_t i = 0; i < first && i < bundle.leaves.size(); ++i)
      if (bundle.leaves[i].hash != edge.levels[0][i])
        findings_.Add(Fault::kForked, LeafPosition(bundle.path.first() + i), "the entry is no longer what was verified before");
  }
  served_path_ = TilePath{false, 0, bundle.path.index, bundle.path.width};
  served_tile_ = bundle.tile;
  for (std::size_t i = first; i < bundle.leaves.size(); ++i) {
    const PreparedLeaf& leaf = bundle.leaves[i];
    if (visit_ && leaf.leaf.ok()) visit_(size(), *leaf.leaf);
    auditor_.Add(leaf);
    tiles_.Append(leaf.hash);
  }
  if (!failed_.ok()) return failed_;
  if (!auditor_.failed().ok()) return auditor_.failed();
  return true;
}

absl::StatusOr<bool> TilesAuditor::Finish(const Checkpoint& checkpoint) {
  tiles_.EmitPartial();
  if (!failed_.ok()) return failed_;
  const bool holds = size() == checkpoint.size && auditor_.range().Root() == checkpoint.root;
  if (!holds)
    findings_.Add(Fault::kRootWrong, "checkpoint size " + std::to_string(checkpoint.size),
                  "the entries make another root than the checkpoint signs");
  return holds;
}

// Compares a tile that leaves made with the one that is served.
void TilesAuditor::CompareTile(const TilePath& path, const std::string& made) {
  if (!failed_.ok()) return;
  const bool is_here = path == served_path_;
  if (is_here) served_path_.reset();
  const absl::StatusOr<std::string> served = is_here ? std::move(served_tile_) : read_(path.ToString());
  if (absl::IsNotFound(served.status())) {
    findings_.Add(Fault::kTileMissing, path.ToString(), "the tile is missing");
  } else if (!served.ok()) {
    failed_ = served.status();
  } else if (*served != made) {
    findings_.Add(Fault::kTileWrong, path.ToString(), "the tile is not what the entries make");
  }
}

absl::StatusOr<AuditedLog> AuditTiles(const Policy& policy, const RosterHistory* governance, const ByteSource& read,
                                      Findings& findings) {
  absl::StatusOr<BelievedCheckpoint> believed = ReadCheckpoint(policy, findings.origin(), read);
  if (!believed.ok()) return believed.status();
  const Checkpoint& checkpoint = believed->checkpoint;
  TilesAuditor auditor(findings, governance, read);
  bool complete = true;
  // One bundle after the other: a size is only claimed, and must not decide how much memory is taken.
  for (std::uint64_t index = 0; complete && index * kTileWidth < checkpoint.size; ++index) {
    const absl::StatusOr<bool> taken = auditor.Take(PrepareBundle(findings.origin(), index, checkpoint.size, read, {}));
    if (!taken.ok()) return taken.status();
    complete = *taken;
  }
  if (complete) {
    const absl::StatusOr<bool> holds = auditor.Finish(checkpoint);
    if (!holds.ok()) return holds.status();
  }
  for (const MissingCounters& missing : auditor.auditor().Missing()) findings.Add(Fault::kCounterMissing, CountersPosition(missing), kCountersMissingMessage);
  return AuditedLog{checkpoint, believed->witnessed_at, auditor.auditor().history(), auditor.auditor().governance_is_behind()};
}

}  // namespace custodian::ledger

#include "services/node/mirror.h"

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <utility>

#include "services/rpc/identity.h"
#include "services/rpc/router.h"
#include "spdlog/spdlog.h"

namespace custodian::node {
namespace {

constexpr std::size_t kNameBytes = 64;

rpc::HttpResponse Answer(const absl::StatusOr<std::string>& found, const char* type, bool is_immutable) {
  const char* cache_control = is_immutable ? "private, max-age=31536000, immutable" : "no-store";
  if (found.ok()) return {200, {{"Content-Type", type}, {"Cache-Control", cache_control}}, *found};
  if (absl::IsNotFound(found.status()) || absl::IsOutOfRange(found.status())) return rpc::PlainText(404, std::string(found.status().message()));
  if (absl::IsInvalidArgument(found.status())) return rpc::PlainText(400, "not a resource of a log");
  if (!absl::IsUnavailable(found.status())) return rpc::PlainText(500, "internal error");
  rpc::HttpResponse response = rpc::PlainText(503, "not available now; try again in a second");
  response.headers.emplace_back("Retry-After", "1");
  return response;
}

// Keeps what went wrong first.
void Keep(absl::Status& first, const absl::Status& status) {
  if (first.ok()) first = status;
}

}  // namespace

Mirror::Mirror(Options options, std::unique_ptr<Cosigner> cosigner, std::unique_ptr<StateDirectory> state, std::string folder,
               const Clock& clock)
    : options_(std::move(options)), cosigner_(std::move(cosigner)), state_(std::move(state)), folder_(std::move(folder)), clock_(clock) {
  governance_.source = options_.governance;
  if (!options_.promises.empty()) promises_.emplace(options_.promises);
  for (const Source& source : options_.partitions) partitions_.emplace_back().source = source;
}

absl::StatusOr<std::unique_ptr<Mirror>> Mirror::Create(Options options, std::unique_ptr<Cosigner> cosigner, const std::string& folder,
                                                       const Clock& clock) {
  auto state = StateDirectory::Open(folder);
  if (!state.ok()) return state.status();
  std::error_code error;
  std::filesystem::create_directory(folder + "/logs", error);
  if (error) return absl::UnavailableError("cannot make " + folder + "/logs: " + error.message());
  std::unique_ptr<Mirror> mirror(new Mirror(std::move(options), std::move(cosigner), *std::move(state), folder, clock));
  if (absl::Status status = mirror->OpenKept(); !status.ok()) return status;
  return mirror;
}

absl::Status Mirror::OpenKept() {
  const auto files = state_->ReadAll();
  if (!files.ok()) return files.status();
  for (const auto& [name, bytes] : *files) {
    const auto note = ledger::Note::Parse(bytes);
    const auto checkpoint = note.ok() ? ledger::Checkpoint::Parse(note->text) : note.status();
    if (!checkpoint.ok() || LogName(checkpoint->origin) != name)
      return absl::DataLossError("state file " + name + " is damaged; restore it from a copy, do not remove it");
    const auto log = FindOrOpen(checkpoint->origin, bytes, false);
    if (!log.ok()) return log.status();
    if (options_.pushed_governance.empty() ? !(*log)->IsGovernance() : checkpoint->origin != options_.pushed_governance) continue;
    const absl::MutexLock lock(&mutex_);
    logs_[name].is_governance = true;
    governance_log_ = *log;
  }
  return options_.pushed_governance.empty() ? absl::OkStatus() : OpenPending();
}

absl::StatusOr<MirroredLog*> Mirror::FindOrOpen(const std::string& origin, const std::string& note, bool is_governance) {
  const std::string name = LogName(origin);
  const absl::MutexLock lock(&mutex_);
  if (const auto found = logs_.find(name); found != logs_.end()) {
    found->second.is_governance = found->second.is_governance || is_governance;
    return found->second.log.get();
  }
  auto log = MirroredLog::Open(origin, folder_ + "/logs/" + name, note, *state_, *cosigner_);
  if (!log.ok()) return log.status();
  Served& served = logs_[name];
  served.log = *std::move(log);
  served.is_governance = is_governance;
  return served.log.get();
}

// --- following ------------------------------------------------------------------------------------------------------------

absl::Status Mirror::Follow() {
  if (!options_.pushed_governance.empty()) return FollowPushed();
  // The partitions' checkpoints first: what they anchor is then in the governance log, if not yet witnessed.
  std::vector<absl::StatusOr<ledger::Note>> notes;
  for (Followed& partition : partitions_) notes.push_back(Fetch(partition));
  absl::Status first = FollowGovernance(Fetch(governance_));
  Remember(governance_, first);
  if (governance_log_ == nullptr || !governance_log_->IsWhole()) return first;
  Keep(first, RestorePartitions());
  for (std::size_t i = 0; i < partitions_.size(); ++i) {
    if (stopped_ || clock_.Now() < partitions_[i].not_before) continue;
    const absl::Status status = notes[i].ok() ? FollowPartition(partitions_[i], *notes[i]) : notes[i].status();
    Remember(partitions_[i], status);
    Keep(first, status);
  }
  return first;
}

absl::StatusOr<ledger::Note> Mirror::Fetch(const Followed& followed) const {
  const auto bytes = followed.source.read("checkpoint");
  if (!bytes.ok()) return bytes.status();
  auto note = ledger::Note::Parse(*bytes);
  if (!note.ok()) return absl::DataLossError("the checkpoint: " + std::string(note.status().message()));
  const auto claimed = ledger::Checkpoint::Parse(note->text);
  if (!claimed.ok()) return absl::DataLossError("the checkpoint: " + std::string(claimed.status().message()));
  if (!followed.origin.empty() && claimed->origin != followed.origin)
    return absl::DataLossError("the checkpoint is of " + claimed->origin + ", not of " + followed.origin);
  return note;
}

absl::Status Mirror::FollowGovernance(const absl::StatusOr<ledger::Note>& note) {
  if (governance_log_ != nullptr) {
    if (absl::Status status = governance_log_->Restore(nullptr); !status.ok()) return status;
  }
  if (!note.ok()) return note.status();
  if (clock_.Now() < governance_.not_before) return absl::OkStatus();
  const auto checkpoint = options_.policy.Verify(*note);
  if (!checkpoint.ok()) return absl::DataLossError(std::string(checkpoint.status().message()));
  if (governance_log_ == nullptr) {
    const auto log = FindOrOpen(checkpoint->origin, "", true);
    if (!log.ok()) return log.status();
    if (absl::Status status = (*log)->Restore(nullptr); !status.ok()) return status;
    governance_log_ = *log;
  }
  governance_.origin = governance_log_->origin();
  if (checkpoint->origin != governance_log_->origin())
    return absl::DataLossError("it is " + checkpoint->origin + ", and this mirror keeps " + governance_log_->origin());
  absl::Status status = governance_log_->Advance(*checkpoint, options_.policy.KnownSignatures(*note), governance_.source.read, stopped_);
  if (absl::IsDataLoss(status)) {
    // The partitions' readings judge by this one.
    const absl::MutexLock lock(&mutex_);
    for (auto& [name, served] : logs_) served.log->Forget();
  }
  // What is held is still good enough to judge by.
  if (const absl::Status again = governance_log_->Restore(nullptr); !again.ok()) return again;
  return status;
}

// Also of partitions that cannot be reached now: their copies are wanted most when their log is lost.
absl::Status Mirror::RestorePartitions() {
  absl::Status first;
  std::vector<Served*> partitions;
  {
    const absl::MutexLock lock(&mutex_);
    for (auto& [name, served] : logs_) {
      const auto admitted = governance_log_->history().admitted().find(served.log->origin());
      if (admitted != governance_log_->history().admitted().end()) served.tenant_id = admitted->second.tenant_id();
      if (!served.is_governance) partitions.push_back(&served);
    }
  }
  for (Served* served : partitions) {
    if (stopped_) break;
    Keep(first, served->log->Restore(&governance_log_->history()));
    Keep(first, OpenSealed(*served).status());
  }
  return first;
}

absl::Status Mirror::FollowPartition(Followed& followed, const ledger::Note& note) {
  const auto& admitted = governance_log_->history().admitted();
  const auto claimed = ledger::Checkpoint::Parse(note.text);
  if (!claimed.ok()) return claimed.status();
  const auto tenant = admitted.find(claimed->origin);
  if (tenant == admitted.end()) return absl::AbortedError("the governance log has admitted no tenant with the log " + claimed->origin);
  const auto key = ledger::NoteVerifier::Parse(tenant->second.log_vkey());
  const auto policy = key.ok() ? options_.policy.WithLog(*key) : key.status();
  const auto checkpoint = policy.ok() ? policy->Verify(note) : policy.status();
  if (!checkpoint.ok()) return absl::DataLossError(std::string(checkpoint.status().message()));
  followed.origin = checkpoint->origin;
  const auto log = FindOrOpen(followed.origin, "", false);
  if (!log.ok()) return log.status();
  if (absl::Status status = (*log)->Restore(&governance_log_->history()); !status.ok()) return status;
  {
    const absl::MutexLock lock(&mutex_);
    logs_[LogName(followed.origin)].tenant_id = tenant->second.tenant_id();
  }
  absl::Status status = (*log)->Advance(*checkpoint, policy->KnownSignatures(note), followed.source.read, stopped_);
  if (absl::IsDataLoss(status)) (*log)->Forget();
  if (status.ok()) JudgeCounters(followed.origin, (*log)->Missing());
  if (status.ok()) JudgePromises(**log, *policy, note);
  if (status.ok()) FollowSealed(followed);
  return status.ok() ? JudgeSubjects(followed, (*log)->size(), (*log)->FirstUncovered()) : status;
}

absl::StatusOr<SealedMirror*> Mirror::OpenSealed(Served& served) {
  const auto reader = rpc::SpiffeId::Parse(options_.reads_as);
  std::string tenant_id;
  {
    const absl::MutexLock lock(&mutex_);
    if (served.sealed != nullptr) return served.sealed.get();
    tenant_id = served.tenant_id;
  }
  if (!reader.ok() || reader->role != "node" || tenant_id.empty() || reader->tenant.text() != tenant_id) return nullptr;
  const MirroredLog& log = *served.log;
  auto copy = SealedCopy::Open(folder_ + "/logs/" + LogName(log.origin()) + "/sealed");
  if (!copy.ok()) return copy.status();
  SealedLog sealed{log.origin(), governance_log_->history().custodian(), [&log] { return log.size(); }, [&log](const std::string& path) { return log.Tile(path); }};
  auto made = std::make_unique<SealedMirror>(std::move(sealed), *std::move(copy), options_.sealed);
  const absl::MutexLock lock(&mutex_);
  served.sealed = std::move(made);
  return served.sealed.get();
}

// What goes wrong here is no fault of the log, which is followed and cosigned nevertheless; it is told by itself.
void Mirror::FollowSealed(Followed& followed) {
  Served* served = nullptr;
  {
    const absl::MutexLock lock(&mutex_);
    served = &logs_[LogName(followed.origin)];
  }
  const auto sealed = OpenSealed(*served);
  absl::Status status = sealed.status();
  if (sealed.ok() && *sealed != nullptr) status = (*sealed)->Step(followed.source.read, clock_.Now(), stopped_);
  const bool waits = !status.ok() && !absl::IsCancelled(status) && !absl::IsFailedPrecondition(status);
  const std::string trouble = waits ? std::string(status.message()) : "";
  if (trouble == std::exchange(followed.sealed_trouble, trouble) || trouble.empty()) return;
  spdlog::warn("event=sealed_waits origin={} reason=\"{}\"", followed.origin, trouble);
}

absl::Status Mirror::JudgeSubjects(Followed& followed, std::uint64_t size, std::optional<std::uint64_t> uncovered) const {
  const absl::Time now = clock_.Now();
  std::deque<Followed::Seen>& seen = followed.seen;
  if (seen.empty() || (seen.back().size < size && now - seen.back().time >= options_.uncovered_max / 10)) seen.push_back({size, now});
  // Of those that are old enough to judge by, the last says it all.
  while (seen.size() > 1 && now - seen[1].time > options_.uncovered_max) seen.pop_front();
  const bool waits = uncovered && *uncovered < seen.front().size && now - seen.front().time > options_.uncovered_max;
  if (!waits) return absl::OkStatus();
  return absl::FailedPreconditionError("entry " + std::to_string(*uncovered) + " waits for more than " + absl::FormatDuration(options_.uncovered_max) +
                                       " for a map of subjects to cover it: no list of a subject's entries can be proved to be complete");
}

void Mirror::JudgeCounters(const std::string& origin, const std::vector<ledger::MissingCounters>& missing) {
  std::vector<std::string> gaps;
  gaps.reserve(missing.size());
  for (const ledger::MissingCounters& each : missing) gaps.push_back(ledger::CountersPosition(each) + ": " + ledger::kCountersMissingMessage);
  SetAlarms(origin, "counter_gap", gaps);
}

void Mirror::JudgePromises(const MirroredLog& log, const ledger::Policy& policy, const ledger::Note& note) {
  if (!promises_) return;
  const auto checkpoint = ledger::Checkpoint::Parse(note.text);
  const auto witnessed_at = policy.WitnessedAt(note);
  if (!checkpoint.ok() || !witnessed_at.ok()) return;
  const auto broken = promises_->Judge(governance_log_->history(), {*checkpoint, *witnessed_at, note.Serialize()}, clock_.Now(),
                                       [&log](const std::string& path) { return log.Tile(path); });
  if (broken.ok()) return SetAlarms(log.origin(), "promise_broken", *broken);
  spdlog::warn("event=promises_wait origin={} reason=\"{}\"", log.origin(), std::string(broken.status().message()));
}

void Mirror::SetAlarms(const std::string& origin, const char* event, const std::vector<std::string>& reasons) {
  std::vector<std::string> begun;
  {
    const absl::MutexLock lock(&mutex_);
    const auto found = logs_.find(LogName(origin));
    if (found == logs_.end()) return;
    begun = found->second.alarms->Set(event, reasons, clock_.Now());
  }
  for (const std::string& reason : begun) spdlog::error("event={} origin={} reason=\"{}\"", event, origin, reason);
}

void Mirror::Remember(Followed& followed, const absl::Status& status) {
  if (absl::IsDataLoss(status) || absl::IsInternal(status)) followed.not_before = clock_.Now() + options_.retry;
  const std::string trouble = status.ok() || absl::IsCancelled(status) ? "" : std::string(status.message());
  if (trouble == std::exchange(followed.trouble, trouble)) return;
  const char* event = absl::IsFailedPrecondition(status) ? "subject_map_stale" : absl::IsDataLoss(status) ? "log_refused" : "log_waits";
  {
    const absl::MutexLock lock(&mutex_);
    if (const auto found = logs_.find(LogName(followed.origin)); found != logs_.end()) {
      for (const char* each : {"subject_map_stale", "log_refused", "log_waits"})
        found->second.alarms->Set(each, event == std::string_view(each) && !trouble.empty() ? std::vector{trouble} : std::vector<std::string>(), clock_.Now());
    }
  }
  if (trouble.empty())
    spdlog::info("event=log_followed_again url={}", followed.source.url);
  else if (absl::IsFailedPrecondition(status) || absl::IsDataLoss(status))
    spdlog::error("event={} url={} origin={} reason=\"{}\"", event, followed.source.url, followed.origin, trouble);
  else
    spdlog::warn("event={} url={} origin={} reason=\"{}\"", event, followed.source.url, followed.origin, trouble);
}

// --- serving --------------------------------------------------------------------------------------------------------------

rpc::HttpResponse Mirror::Handle(const rpc::HttpRequest& request) {
  if (request.method == "POST" && !options_.pushed_governance.empty()) return Push(request);
  return Read(request);
}

rpc::HttpResponse Mirror::Read(const rpc::HttpRequest& request) const {
  if (request.method != "GET") return rpc::PlainText(405, "a mirror is read with GET");
  const rpc::HttpResponse unknown = rpc::PlainText(404, "not found; this is a mirror: GET /<hex SHA-256 of a log's origin>/checkpoint");
  if (request.path.size() < 1 + kNameBytes + 1 || request.path[1 + kNameBytes] != '/') return unknown;
  const std::string resource = request.path.substr(1 + kNameBytes + 1);
  const MirroredLog* log = nullptr;
  const SealedMirror* sealed = nullptr;
  bool may_read = false;
  bool may_read_sealed = false;
  const LogAlarms* alarms = nullptr;
  {
    const absl::MutexLock lock(&mutex_);
    const auto found = logs_.find(request.path.substr(1, kNameBytes));
    if (found == logs_.end()) return unknown;
    log = found->second.log.get();
    alarms = found->second.alarms.get();
    may_read = MayRead(request.peer_spiffe_id, found->second);
    sealed = found->second.sealed.get();
    may_read_sealed = sealed != nullptr && MayReadSealed(request.peer_spiffe_id, found->second);
  }
  if (resource == "checkpoint") return Answer(log->Checkpoint(), "text/plain; charset=utf-8", false);
  if (may_read && sealed != nullptr && resource == "status") return Answer(sealed->StatusJson(), "application/json", false);
  if (may_read_sealed && resource.rfind(ledger::kSealedPrefix, 0) == 0) {
    const auto from = ledger::SealedPath::Parse(resource);
    return Answer(from.ok() ? sealed->Page(*from) : from.status(), "application/octet-stream", false);
  }
  const bool asks_alarms = resource == "alarms";
  if (!asks_alarms && resource.rfind("tile/", 0) != 0) return unknown;
  if (!may_read) return rpc::PlainText(403, "only admitted readers of this log");
  if (asks_alarms) return Answer(alarms->Json(log->origin(), log->size()), "application/json", false);
  return Answer(log->Tile(resource), "application/octet-stream", resource.find(".p/") == std::string::npos);
}

// As at the custodian: the tenant's own auditors and nodes, and the regulator; the governance log is open to these roles of every tenant.
bool Mirror::MayRead(const std::string& spiffe_id, const Served& served) const {
  if (std::find(options_.readers.begin(), options_.readers.end(), spiffe_id) != options_.readers.end()) return true;
  const auto reader = rpc::SpiffeId::Parse(spiffe_id);
  if (!reader.ok()) return false;
  if (reader->role == "regulator") return true;
  if (reader->role != "auditor" && reader->role != "node") return false;
  return served.is_governance || (!served.tenant_id.empty() && reader->tenant.text() == served.tenant_id);
}

// As at the custodian: what is sealed is for the tenant's own nodes alone, and for whom this mirror names.
bool Mirror::MayReadSealed(const std::string& spiffe_id, const Served& served) const {
  if (std::find(options_.readers.begin(), options_.readers.end(), spiffe_id) != options_.readers.end()) return true;
  const auto reader = rpc::SpiffeId::Parse(spiffe_id);
  return reader.ok() && reader->role == "node" && !served.tenant_id.empty() && reader->tenant.text() == served.tenant_id;
}

std::uint64_t Mirror::SizeOf(std::string_view origin) const {
  const absl::MutexLock lock(&mutex_);
  const auto found = logs_.find(LogName(origin));
  return found == logs_.end() ? 0 : found->second.log->size();
}

}  // namespace custodian::node

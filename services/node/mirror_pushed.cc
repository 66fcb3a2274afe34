// Mirror where logs are pushed to it (mirror.h): which logs it takes, and by what they are judged. One log is pushed_log.h.
#include <filesystem>
#include <utility>

#include "services/node/judge_checkpoint.h"
#include "services/node/mirror.h"
#include "services/rpc/gzip.h"
#include "spdlog/spdlog.h"

namespace custodian::node {
namespace {

// Of a request that was compressed: four packages of the largest entries. What lies behind it counts as not sent.
constexpr std::size_t kEntriesBytesMax = 68u << 20;

rpc::HttpResponse ComeBack(const std::string& why) {
  rpc::HttpResponse response = Refuse(503, why);
  response.headers.emplace_back("retry-after", "1");
  return response;
}

}  // namespace

absl::Status Mirror::OpenPending() {
  auto state = StateDirectory::Open(folder_ + "/pending");
  if (!state.ok()) return state.status();
  pending_state_ = *std::move(state);
  const auto files = pending_state_->ReadAll();
  if (!files.ok()) return files.status();
  std::map<std::string, std::string> pending;
  {
    const absl::MutexLock lock(&mutex_);
    for (const auto& [name, served] : logs_) pending[served.log->origin()];
  }
  for (const auto& [name, bytes] : *files) {
    const auto note = ledger::Note::Parse(bytes);
    const auto checkpoint = note.ok() ? ledger::Checkpoint::Parse(note->text) : note.status();
    if (!checkpoint.ok() || LogName(checkpoint->origin) != name)
      return absl::DataLossError("state file pending/" + name + " is damaged; remove it: nothing of it is cosigned yet");
    pending[checkpoint->origin] = bytes;
  }
  for (const auto& [origin, bytes] : pending)
    if (const auto pushed = FindOrOpenPushed(origin, bytes); !pushed.ok()) return pushed.status();
  return absl::OkStatus();
}

absl::StatusOr<PushedLog*> Mirror::FindOrOpenPushed(const std::string& origin, const std::string& pending) {
  const bool is_governance = origin == options_.pushed_governance;
  const auto log = FindOrOpen(origin, "", is_governance);
  if (!log.ok()) return log.status();
  const absl::MutexLock lock(&mutex_);
  Served& served = logs_[LogName(origin)];
  if (served.pushed == nullptr) {
    auto pushed = PushedLog::Open(**log, pending, *pending_state_, clock_, options_.retry);
    if (!pushed.ok()) return pushed.status();
    served.pushed = *std::move(pushed);
  }
  return served.pushed.get();
}

PushedLog* Mirror::FindPushed(const std::string& origin) const {
  const absl::MutexLock lock(&mutex_);
  const auto found = logs_.find(LogName(origin));
  return found == logs_.end() ? nullptr : found->second.pushed.get();
}

// Reads the copies once; then looks now and then whether the logs' maps of subjects keep up.
absl::Status Mirror::FollowPushed() {
  if (!restored_) {
    // Nothing is judged by a governance log that is read itself.
    const absl::MutexLock judging(&judging_);
    PushedLog* governance = FindPushed(options_.pushed_governance);
    if (governance != nullptr) {
      if (absl::Status status = governance->Restore(nullptr); !status.ok()) return status;
    }
  }
  absl::Status first;
  std::vector<Served*> partitions;
  {
    const absl::MutexLock lock(&mutex_);
    for (auto& [name, served] : logs_)
      if (!served.is_governance && served.pushed != nullptr) partitions.push_back(&served);
  }
  for (Served* served : partitions) {
    const absl::ReaderMutexLock judging(&judging_);
    if (stopped_ || governance_log_ == nullptr || !governance_log_->IsWhole()) break;
    const std::string& origin = served->log->origin();
    const auto admitted = governance_log_->history().admitted().find(origin);
    if (admitted == governance_log_->history().admitted().end()) continue;
    absl::Status status = served->pushed->Restore(&governance_log_->history());
    {
      const absl::MutexLock lock(&mutex_);
      served->tenant_id = admitted->second.tenant_id();
    }
    Followed& judged = judged_[origin];
    judged.origin = judged.source.url = origin;
    if (status.ok()) JudgeCounters(origin, served->pushed->Missing());
    if (status.ok()) status = JudgeSubjects(judged, served->log->size(), served->pushed->FirstUncovered());
    Remember(judged, status);
    if (first.ok()) first = status;
  }
  restored_ = true;
  return first;
}

rpc::HttpResponse Mirror::Push(const rpc::HttpRequest& request) {
  if (request.path == "/add-checkpoint") return AddCheckpoint(request.body);
  if (request.path != "/add-entries") return Refuse(404, "not found; this is a mirror: POST /add-checkpoint, /add-entries");
  rpc::HttpResponse response = AddEntries(request);
  response.headers.emplace_back("accept-encoding", "gzip");
  return response;
}

std::vector<ledger::NoteVerifier> Mirror::KeysOf(const std::string& origin) const {
  if (origin == options_.pushed_governance) {
    const auto log = options_.policy.FindLog(origin);
    return log.ok() ? std::vector{log->key} : std::vector<ledger::NoteVerifier>{};
  }
  if (governance_log_ == nullptr || !governance_log_->IsWhole()) return {};
  const auto admitted = governance_log_->history().admitted().find(origin);
  if (admitted == governance_log_->history().admitted().end()) return {};
  const auto key = ledger::NoteVerifier::Parse(admitted->second.log_vkey());
  // The policy may name the log too, and then the same key.
  return key.ok() && options_.policy.WithLog(*key).ok() ? std::vector{*key} : std::vector<ledger::NoteVerifier>{};
}

rpc::HttpResponse Mirror::AddCheckpoint(const std::string& body) {
  const auto request = node::AddCheckpoint::Parse(body);
  if (!request.ok()) return Refuse(400, std::string(request.status().message()));
  const auto claimed = ledger::Checkpoint::Parse(request->note.text);
  if (!claimed.ok()) return Refuse(400, std::string(claimed.status().message()));
  if (!restored_) return ComeBack("the mirror reads its copies");
  const absl::ReaderMutexLock judging(&judging_);
  const std::vector<ledger::NoteVerifier> keys = KeysOf(claimed->origin);
  if (keys.empty()) return Refuse(404, "this mirror does not know the log");
  const auto signed_note = KeepTrusted(request->note, keys);
  if (!signed_note.ok()) return Refuse(403, std::string(signed_note.status().message()));
  if (request->old_size > claimed->size) return Refuse(400, "the old size is past the checkpoint's size");
  const auto pushed = FindOrOpenPushed(claimed->origin, "");
  if (!pushed.ok()) {
    spdlog::error("event=state_not_stored origin={} reason=\"{}\"", claimed->origin, std::string(pushed.status().message()));
    return Refuse(500, "the mirror cannot store its pending checkpoint");
  }
  if (claimed->origin != options_.pushed_governance) {
    const absl::MutexLock lock(&mutex_);
    logs_[LogName(claimed->origin)].tenant_id = governance_log_->history().admitted().at(claimed->origin).tenant_id();
  }
  return (*pushed)->AddCheckpoint(*request, *claimed, *signed_note);
}

rpc::HttpResponse Mirror::AddEntries(const rpc::HttpRequest& request) {
  if (request.Header("content-type") != "application/octet-stream") return Refuse(415, "add-entries is application/octet-stream");
  const std::string_view encoding = request.Header("content-encoding").value_or("identity");
  if (encoding != "gzip" && encoding != "identity") return Refuse(415, "only gzip is understood");
  const std::string unpacked = encoding == "gzip" ? rpc::GunzipPrefix(request.body, kEntriesBytesMax) : "";
  auto entries = AddEntriesReader::Open(encoding == "gzip" ? unpacked : request.body);
  if (!entries.ok()) return Refuse(400, std::string(entries.status().message()));
  if (!restored_) return ComeBack("the mirror reads its copies");
  const std::string& origin = entries->head().origin;
  if (origin == options_.pushed_governance) {
    const absl::MutexLock judging(&judging_);
    PushedLog* pushed = FindPushed(origin);
    return pushed != nullptr ? AddGovernanceEntries(*pushed, *entries) : Refuse(422, "no checkpoint of the log was added yet");
  }
  const absl::ReaderMutexLock judging(&judging_);
  if (KeysOf(origin).empty()) return Refuse(404, "this mirror does not know the log");
  PushedLog* pushed = FindPushed(origin);
  return pushed != nullptr ? pushed->AddEntries(*entries, &governance_log_->history()) : Refuse(422, "no checkpoint of the log was added yet");
}

rpc::HttpResponse Mirror::AddGovernanceEntries(PushedLog& pushed, AddEntriesReader& entries) {
  std::vector<MirroredLog*> partitions;
  {
    const absl::MutexLock lock(&mutex_);
    for (auto& [name, served] : logs_) {
      if (served.is_governance)
        governance_log_ = served.log.get();
      else
        partitions.push_back(served.log.get());
    }
  }
  const std::uint64_t forgotten = governance_log_->times_forgotten();
  rpc::HttpResponse response = pushed.AddEntries(entries, nullptr);
  if (governance_log_->times_forgotten() == forgotten && governance_log_->IsWhole()) return response;
  // What partitions were judged by is gone, or goes further than what is held: all are read again.
  governance_log_->Forget();
  for (MirroredLog* partition : partitions) partition->Forget();
  if (const absl::Status status = pushed.Restore(nullptr); !status.ok())
    spdlog::error("event=log_waits origin={} reason=\"{}\"", options_.pushed_governance, std::string(status.message()));
  return response;
}

}  // namespace custodian::node

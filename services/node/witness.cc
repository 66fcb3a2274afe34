#include "services/node/witness.h"

#include <optional>
#include <utility>

#include "ledger/tree.h"
#include "services/node/judge_checkpoint.h"
#include "spdlog/spdlog.h"

namespace custodian::node {
namespace {

using ledger::Checkpoint;
using ledger::Note;
using ledger::NoteSignature;
using ledger::NoteVerifier;

rpc::HttpResponse Answer(int status, std::string body) {
  return {status, {{"content-type", "text/plain; charset=utf-8"}}, std::move(body)};
}

std::string NameOf(std::string_view origin) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string name;
  for (const std::uint8_t byte : ledger::Sha256(origin)) name.append({kDigits[byte >> 4], kDigits[byte & 15]});
  return name;
}

bool IsOf(const NoteSignature& signature, const NoteVerifier& key) {
  return signature.name == key.name() && signature.key_id == key.key_id();
}

}  // namespace

Witness::Witness(NoteVerifier key, std::unique_ptr<ledger::Signer> signer, std::unique_ptr<StateDirectory> state,
                 std::unique_ptr<KnownLogs> logs, const Clock& clock)
    : key_(std::move(key)), signer_(std::move(signer)), state_(std::move(state)), known_(std::move(logs)), clock_(clock) {}

absl::StatusOr<std::unique_ptr<Witness>> Witness::Create(std::string name, std::unique_ptr<ledger::Signer> signer,
                                                         std::unique_ptr<StateDirectory> state, std::unique_ptr<KnownLogs> logs,
                                                         const Clock& clock) {
  if (signer->public_key().algorithm() != ledger::v1::SIGNATURE_ALGORITHM_ED25519)
    return absl::InvalidArgumentError("a witness's key must be Ed25519");
  absl::StatusOr<NoteVerifier> key = NoteVerifier::Create(name, ledger::kNoteCosignatureV1, signer->public_key().ed25519());
  if (!key.ok()) return key.status();
  std::unique_ptr<Witness> witness(new Witness(*std::move(key), std::move(signer), std::move(state), std::move(logs), clock));
  if (absl::Status status = witness->LoadState(); !status.ok()) return status;
  return witness;
}

absl::Status Witness::LoadState() {
  const absl::StatusOr<std::map<std::string, std::string>> files = state_->ReadAll();
  if (!files.ok()) return files.status();
  for (const auto& [name, bytes] : *files) {
    // Forgetting what was cosigned would allow a second history: better no witness than that.
    const absl::Status damaged = absl::DataLossError("state file " + name + " is damaged; restore it from a copy, do not remove it");
    const absl::StatusOr<Note> note = Note::Parse(bytes);
    absl::StatusOr<Checkpoint> checkpoint = note.ok() ? Checkpoint::Parse(note->text) : note.status();
    if (!checkpoint.ok() || NameOf(checkpoint->origin) != name) return damaged;
    Note signed_note{note->text, {}};
    bool cosigned = false;
    for (const NoteSignature& signature : note->signatures) {
      if (IsOf(signature, key_))
        cosigned = true;
      else
        signed_note.signatures.push_back(signature);
    }
    if (cosigned && !ledger::VerifyCosignature(*note, key_).ok()) return damaged;
    Log* log = FindOrAdd(name);
    const absl::MutexLock lock(&log->mutex);
    log->checkpoint = *std::move(checkpoint);
    log->note = signed_note.Serialize();
    if (cosigned) {
      log->cosigned = bytes;
    } else {
      // Of an earlier release, or cosigned under another key of this witness.
      const absl::StatusOr<NoteSignature> cosignature = Cosign(note->text);
      if (!cosignature.ok()) return cosignature.status();
      log->cosigned = log->note + cosignature->ToLine();
    }
  }
  return absl::OkStatus();
}

Witness::Log* Witness::FindOrAdd(const std::string& name) {
  const absl::MutexLock lock(&mutex_);
  std::unique_ptr<Log>& log = logs_[name];
  if (log == nullptr) log = std::make_unique<Log>();
  return log.get();
}

rpc::HttpResponse Witness::Handle(const rpc::HttpRequest& request) {
  constexpr std::string_view kCheckpoint = "/checkpoint";
  if (request.path == "/add-checkpoint") {
    if (request.method != "POST") return Refuse(405, "add-checkpoint is a POST");
    return Add(request.body);
  }
  if (request.path.size() == 1 + 64 + kCheckpoint.size() && request.path.substr(65) == kCheckpoint) {
    if (request.method != "GET") return Refuse(405, "a checkpoint is a GET");
    return Read(request.path.substr(1, 64));
  }
  return Refuse(404, "not found; this is a witness: POST /add-checkpoint");
}

rpc::HttpResponse Witness::Add(std::string_view body) {
  const absl::StatusOr<AddCheckpoint> request = AddCheckpoint::Parse(body);
  if (!request.ok()) return Refuse(400, std::string(request.status().message()));
  const absl::StatusOr<Checkpoint> claimed = Checkpoint::Parse(request->note.text);
  if (!claimed.ok()) return Refuse(400, std::string(claimed.status().message()));
  const std::vector<NoteVerifier> keys = known_->Find(claimed->origin);
  if (keys.empty()) return Refuse(404, "this witness does not know the log");
  const absl::StatusOr<Note> signed_note = KeepTrusted(request->note, keys);
  if (!signed_note.ok()) return Refuse(403, std::string(signed_note.status().message()));
  if (request->old_size > claimed->size) return Refuse(400, "the old size is past the checkpoint's size");
  return Advance(NameOf(claimed->origin), *request, *claimed, *signed_note);
}

rpc::HttpResponse Witness::Advance(const std::string& name, const AddCheckpoint& request, const Checkpoint& checkpoint,
                                   const Note& signed_note) {
  Log* log = FindOrAdd(name);
  // Compare, persist and cosign are one step for a log: otherwise a slower request could roll a faster one back.
  const absl::MutexLock lock(&log->mutex);
  if (std::optional<rpc::HttpResponse> refused = WhyNotAfter(request, checkpoint, log->checkpoint)) return *std::move(refused);
  const absl::StatusOr<NoteSignature> cosignature = Cosign(signed_note.text);
  if (!cosignature.ok()) return Refuse(500, "the witness cannot sign");
  const std::string note = signed_note.Serialize();
  const std::string cosigned = note + cosignature->ToLine();
  if (note != log->note) {
    if (const absl::Status status = state_->Write(name, cosigned); !status.ok()) {
      // Old or new may be on disk now. Both are consistent with what was cosigned, and the new cosignature leaves nobody's hands.
      spdlog::error("event=state_not_stored origin={} reason=\"{}\"", checkpoint.origin, std::string(status.message()));
      return Refuse(500, "the witness cannot store its state");
    }
    log->checkpoint = checkpoint;
    log->note = note;
  }
  log->cosigned = cosigned;
  return Answer(200, cosignature->ToLine());
}

rpc::HttpResponse Witness::Read(const std::string& name) {
  Log* log = nullptr;
  {
    const absl::MutexLock lock(&mutex_);
    const auto found = logs_.find(name);
    if (found == logs_.end()) return Refuse(404, "this witness has cosigned no checkpoint of that log");
    log = found->second.get();
  }
  const absl::MutexLock lock(&log->mutex);
  if (log->cosigned.empty()) return Refuse(404, "this witness has cosigned no checkpoint of that log");
  return Answer(200, log->cosigned);
}

absl::StatusOr<NoteSignature> Witness::Cosign(const std::string& text) const {
  const absl::Time time = clock_.Now();
  if (absl::ToUnixSeconds(time) <= 0) return absl::InternalError("the machine's clock is before 1970");
  const absl::StatusOr<std::string> signature = signer_->Sign(ledger::CosignatureMessage(time, text));
  if (!signature.ok()) return signature.status();
  return ledger::CosignatureV1(key_, time, *signature);
}

}  // namespace custodian::node

#include "services/node/witness.h"

#include <utility>

#include "ledger/tree.h"
#include "spdlog/spdlog.h"

namespace custodian::node {
namespace {

using ledger::Checkpoint;
using ledger::Note;
using ledger::NoteSignature;
using ledger::NoteVerifier;

rpc::HttpResponse Answer(int status, std::string body, std::string content_type = "text/plain; charset=utf-8") {
  return {status, {{"content-type", std::move(content_type)}}, std::move(body)};
}

rpc::HttpResponse Refuse(int status, const std::string& why) { return Answer(status, why + "\n"); }

std::string NameOf(std::string_view origin) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string name;
  for (const std::uint8_t byte : ledger::Sha256(origin)) name.append({kDigits[byte >> 4], kDigits[byte & 15]});
  return name;
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
    const absl::StatusOr<Note> note = Note::Parse(bytes);
    absl::StatusOr<Checkpoint> checkpoint = note.ok() ? Checkpoint::Parse(note->text) : note.status();
    // Forgetting what was cosigned would allow a second history: better no witness than that.
    if (!checkpoint.ok() || NameOf(checkpoint->origin) != name)
      return absl::DataLossError("state file " + name + " is damaged; restore it from a copy, do not remove it");
    Log* log = FindOrAdd(name);
    const absl::MutexLock lock(&log->mutex);
    log->checkpoint = *std::move(checkpoint);
    log->note = bytes;
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
  // Signatures of other keys are ignored, and not kept either.
  Note signed_note{request->note.text, {}};
  for (const NoteVerifier& key : keys) {
    for (const NoteSignature& signature : request->note.signatures)
      if (signature.name == key.name() && signature.key_id == key.key_id()) signed_note.signatures.push_back(signature);
  }
  if (signed_note.signatures.empty()) return Refuse(403, "no signature of a key this witness trusts for the log");
  for (const NoteVerifier& key : keys) {
    bool present = false;
    for (const NoteSignature& signature : signed_note.signatures) present = present || signature.key_id == key.key_id();
    if (present && !ledger::OpenCheckpoint(signed_note, key).ok()) return Refuse(403, "the signature of the log does not verify");
  }
  if (request->old_size > claimed->size) return Refuse(400, "the old size is past the checkpoint's size");
  return Advance(NameOf(claimed->origin), *request, *claimed, signed_note);
}

rpc::HttpResponse Witness::Advance(const std::string& name, const AddCheckpoint& request, const Checkpoint& checkpoint,
                                   const Note& signed_note) {
  Log* log = FindOrAdd(name);
  // Compare, persist and cosign are one step for a log: otherwise a slower request could roll a faster one back.
  const absl::MutexLock lock(&log->mutex);
  if (request.old_size != log->checkpoint.size)
    return Answer(409, std::to_string(log->checkpoint.size) + "\n", "text/x.tlog.size");
  if (checkpoint.size == 0 && checkpoint.root != ledger::EmptyRoot()) return Refuse(422, "the root of an empty tree is another");
  if (request.old_size == 0) {
    if (!request.proof.empty()) return Refuse(422, "a proof from the empty tree must be empty");
  } else {
    const absl::Status consistent =
        ledger::VerifyConsistency(request.old_size, checkpoint.size, request.proof, log->checkpoint.root, checkpoint.root);
    if (!consistent.ok()) {
      spdlog::error("event=inconsistent_checkpoint origin={} old_size={} size={}", checkpoint.origin, request.old_size,
                    checkpoint.size);
      return Refuse(422, "the checkpoint is not consistent with the last one: " + std::string(consistent.message()));
    }
  }
  const std::string note = signed_note.Serialize();
  if (note != log->note) {
    if (const absl::Status status = state_->Write(name, note); !status.ok()) {
      // Old or new may be on disk now. Both are consistent with what was cosigned, and nothing is cosigned here.
      spdlog::error("event=state_not_stored origin={} reason=\"{}\"", checkpoint.origin, std::string(status.message()));
      return Refuse(500, "the witness cannot store its state");
    }
    log->checkpoint = checkpoint;
    log->note = note;
    log->cosigned.clear();
  }
  const absl::StatusOr<NoteSignature> cosignature = Cosign(signed_note.text);
  if (!cosignature.ok()) return Refuse(500, "the witness cannot sign");
  log->cosigned = note + cosignature->ToLine();
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
  if (log->note.empty()) return Refuse(404, "this witness has cosigned no checkpoint of that log");
  if (log->cosigned.empty()) {
    // The first request after a start: the file holds what was cosigned, not the cosignature.
    const absl::StatusOr<NoteSignature> cosignature = Cosign(log->note.substr(0, log->note.rfind("\n\n") + 1));
    if (!cosignature.ok()) return Refuse(500, "the witness cannot sign");
    log->cosigned = log->note + cosignature->ToLine();
  }
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

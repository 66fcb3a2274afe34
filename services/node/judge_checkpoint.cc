#include "services/node/judge_checkpoint.h"

#include "ledger/tree.h"
#include "spdlog/spdlog.h"

namespace custodian::node {

using ledger::Note;
using ledger::NoteSignature;
using ledger::NoteVerifier;

absl::StatusOr<Note> KeepTrusted(const Note& note, const std::vector<NoteVerifier>& keys) {
  Note kept{note.text, {}};
  for (const NoteVerifier& key : keys) {
    const std::size_t before = kept.signatures.size();
    for (const NoteSignature& signature : note.signatures)
      if (signature.name == key.name() && signature.key_id == key.key_id()) kept.signatures.push_back(signature);
    if (kept.signatures.size() > before && !ledger::VerifyLogSignatures(kept, key).ok())
      return absl::UnauthenticatedError("the signature of the log does not verify");
  }
  if (kept.signatures.empty()) return absl::UnauthenticatedError("no signature of a key that is trusted here for the log");
  return kept;
}

rpc::HttpResponse Refuse(int status, const std::string& why) {
  return {.status = status, .headers = {{"content-type", "text/plain; charset=utf-8"}}, .body = why + "\n"};
}

std::optional<rpc::HttpResponse> WhyNotAfter(const AddCheckpoint& request, const ledger::Checkpoint& checkpoint, const ledger::Checkpoint& latest) {
  if (request.old_size != latest.size)
    return rpc::HttpResponse{.status = 409, .headers = {{"content-type", "text/x.tlog.size"}}, .body = std::to_string(latest.size) + "\n"};
  if (checkpoint.size == 0 && checkpoint.root != ledger::EmptyRoot()) return Refuse(422, "the root of an empty tree is another");
  if (request.old_size == 0) {
    if (!request.proof.empty()) return Refuse(422, "a proof from the empty tree must be empty");
    return std::nullopt;
  }
  const absl::Status consistent = ledger::VerifyConsistency(request.old_size, checkpoint.size, request.proof, latest.root, checkpoint.root);
  if (consistent.ok()) return std::nullopt;
  spdlog::error("event=inconsistent_checkpoint origin={} old_size={} size={}", checkpoint.origin, request.old_size, checkpoint.size);
  return Refuse(422, "the checkpoint is not consistent with the last one: " + std::string(consistent.message()));
}

}  // namespace custodian::node

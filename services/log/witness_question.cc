#include "services/log/witness_question.h"

#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ledger/tree.h"
#include "tenants/ids.h"

namespace custodian::log {
namespace {

using ledger::Checkpoint;

// Whether the quorum can be made of `names` and at most `more` of the others, from `first` on.
bool CanBeMet(const ledger::Policy& policy, std::set<std::string> names, const std::vector<std::string>& others, std::size_t first, std::size_t more) {
  if (policy.IsMet(names)) return true;
  if (more == 0) return false;
  for (std::size_t i = first; i < others.size(); ++i) {
    std::set<std::string> with = names;
    with.insert(others[i]);
    if (CanBeMet(policy, std::move(with), others, i + 1, more - 1)) return true;
  }
  return false;
}

// What the answer proves of the log; nothing when it proves nothing.
std::optional<Checkpoint> ProvenBy(const rpc::HttpResponse& answer, const ledger::NoteVerifier& key) {
  const auto note = ledger::Note::Parse(answer.body);
  if (!note.ok()) return std::nullopt;
  auto checkpoint = ledger::OpenCheckpoint(*note, key);
  if (!checkpoint.ok() || checkpoint->size == 0) return std::nullopt;
  return *std::move(checkpoint);
}

// DataLoss unless the log contains the checkpoint.
absl::Status Compare(const Checkpoint& known, const std::string& witness, const tenants::LogReader& log) {
  const auto head = log.Head();
  if (!head.ok()) return head.status();
  if (known.size > head->size)
    return absl::DataLossError(absl::StrCat("log ", known.origin, " ends at ", head->size, ", but witness ", witness, " cosigned it at ", known.size,
                                            ": its database went back to an earlier state; refill it before writing"));
  const auto proof = log.ConsistencyProof(known.size, head->size);
  if (!proof.ok()) return proof.status();
  if (!ledger::VerifyConsistency(known.size, head->size, *proof, known.root, head->root).ok())
    return absl::DataLossError(absl::StrCat("log ", known.origin, " is not the one that witness ", witness, " cosigned at ", known.size,
                                            ": its database was written anew from an earlier state"));
  return absl::OkStatus();
}

}  // namespace

std::string CheckpointUrl(std::string_view witness_url, std::string_view origin) {
  return absl::StrCat(std::string(witness_url), witness_url.ends_with('/') ? "" : "/", HexEncode(ledger::AsBytes(ledger::Sha256(origin))), "/checkpoint");
}

bool HasEnoughAnswers(const ledger::Policy& policy, const std::set<std::string>& answered, std::size_t liars_max) {
  std::set<std::string> silent;
  for (const ledger::Policy::Witness& witness : policy.witnesses())
    if (!answered.contains(witness.name)) silent.insert(witness.name);
  return !CanBeMet(policy, std::move(silent), {answered.begin(), answered.end()}, 0, liars_max);
}

absl::Status AskWitnesses(const ledger::Policy& policy, std::size_t liars_max, const ledger::NoteVerifier& key, const tenants::LogReader& log,
                          const GetUrl& get) {
  // Nothing is ever witnessed.
  if (policy.quorum() == "none") return absl::OkStatus();
  std::set<std::string> answered;
  for (const ledger::Policy::Witness& witness : policy.witnesses()) {
    const auto answer = get(CheckpointUrl(witness.url, key.name()));
    // 404: it cosigned nothing of this log.
    if (!answer.ok() || (answer->status != 200 && answer->status != 404)) continue;
    if (const auto known = answer->status == 200 ? ProvenBy(*answer, key) : std::nullopt; known.has_value())
      if (absl::Status status = Compare(*known, witness.name, log); !status.ok()) return status;
    answered.insert(witness.name);
    if (HasEnoughAnswers(policy, answered, liars_max)) return absl::OkStatus();
  }
  return absl::UnavailableError(absl::StrCat("log ", key.name(), " is not written before its witnesses were asked what they know of it; ", answered.size(),
                                             " of ", policy.witnesses().size(), " answered, which are too few for the policy's quorum"));
}

}  // namespace custodian::log

// What an add-checkpoint request must be, by C2SP tlog-witness, for a witness to cosign it and for a mirror to make it its pending checkpoint: the same
// for both. Pure functions, safe from any thread.
#ifndef CUSTODIAN_SERVICES_NODE_JUDGE_CHECKPOINT_H_
#define CUSTODIAN_SERVICES_NODE_JUDGE_CHECKPOINT_H_

#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "ledger/checkpoint.h"
#include "services/node/add_checkpoint.h"
#include "services/rpc/http.h"

namespace custodian::node {

// The note with the signatures of the log's trusted keys alone; those of others are ignored, and not kept either. Unauthenticated when there is none,
// or one does not verify: such a note is malformed (signed-note, "Signatures").
[[nodiscard]] absl::StatusOr<ledger::Note> KeepTrusted(const ledger::Note& note, const std::vector<ledger::NoteVerifier>& keys);

// A plain-text answer.
[[nodiscard]] rpc::HttpResponse Refuse(int status, const std::string& why);

// The answer that refuses the request beside the latest checkpoint (size 0 before the first): 409 for another old size, 422 for one that is not consistent
// with it. Nothing when it may follow.
[[nodiscard]] std::optional<rpc::HttpResponse> WhyNotAfter(const AddCheckpoint& request, const ledger::Checkpoint& checkpoint, const ledger::Checkpoint& latest);

}  // namespace custodian::node

#endif  // CUSTODIAN_SERVICES_NODE_JUDGE_CHECKPOINT_H_

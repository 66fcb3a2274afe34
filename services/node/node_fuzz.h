// What fuzzing feeds the request of a witness. Aborts when something that must always hold does not; anything else is for the sanitizers
// to find. Used by node_fuzz_test.cc (corpus and mutations, in every run) and tests/fuzz (libFuzzer).
#ifndef CUSTODIAN_SERVICES_NODE_NODE_FUZZ_H_
#define CUSTODIAN_SERVICES_NODE_NODE_FUZZ_H_

#include <string_view>

#include "absl/status/status.h"
#include "ledger/checkpoint.h"
#include "services/node/add_checkpoint.h"
#include "tests/support/known_log.h"
#include "tests/support/require.h"

namespace custodian::node {

// The body of an add-checkpoint request, judged as a witness does that knows the log and has cosigned it at the old size.
inline void FuzzAddCheckpoint(std::string_view bytes) {
  using custodian::testing::KnownLog;
  using custodian::testing::Require;
  const auto request = AddCheckpoint::Parse(bytes);
  if (!request.ok()) {
    Require(absl::IsInvalidArgument(request.status()));
    return;
  }
  Require(request->Serialize() == bytes && request->proof.size() <= 63);
  const KnownLog& log = KnownLog::Get();
  const auto checkpoint = ledger::OpenCheckpoint(request->note, log.key);
  if (!checkpoint.ok()) return;
  Require(request->note.text == log.checkpoint.text);
  if (request->old_size > KnownLog::kSize) return;
  const bool consistent = ledger::VerifyConsistency(request->old_size, checkpoint->size, request->proof, log.RootAt(request->old_size),
                                                    checkpoint->root).ok();
  // Between two sizes there is one proof.
  Require(consistent == (request->old_size > 0 && request->proof == log.ConsistencyFrom(request->old_size)));
}

}  // namespace custodian::node

#endif  // CUSTODIAN_SERVICES_NODE_NODE_FUZZ_H_

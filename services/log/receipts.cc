// ReceiptOf of services/log/publisher.h: a receipt from what the database has.
#include <utility>

#include "ledger/receipt.h"
#include "services/log/publisher.h"

namespace custodian::log {

absl::StatusOr<std::string> ReceiptOf(const tenants::LogReader& reader, std::uint64_t index) {
  const absl::StatusOr<tenants::LogReader::PendingCheckpoint> head = reader.Head();
  if (!head.ok()) return head.status();
  if (index >= head->size) return absl::NotFoundError("the log has no entry " + std::to_string(index) + " yet");
  absl::StatusOr<std::string> checkpoint = reader.CheckpointCovering(index + 1);
  if (absl::IsNotFound(checkpoint.status()))
    return absl::UnavailableError("entry " + std::to_string(index) + " is not witnessed yet");
  if (!checkpoint.ok()) return checkpoint.status();
  const absl::StatusOr<ledger::Note> note = ledger::Note::Parse(*checkpoint);
  const absl::StatusOr<ledger::Checkpoint> parsed = note.ok() ? ledger::Checkpoint::Parse(note->text) : note.status();
  if (!parsed.ok()) return absl::DataLossError("a published checkpoint cannot be read");
  absl::StatusOr<std::vector<std::string>> leaves = reader.Leaves(index, 1);
  if (!leaves.ok()) return leaves.status();
  if (leaves->size() != 1) return absl::DataLossError("the log has no leaf " + std::to_string(index));
  absl::StatusOr<std::vector<ledger::Hash>> proof = reader.InclusionProof(index, parsed->size);
  if (!proof.ok()) return proof.status();
  return ledger::Receipt{std::move(leaves->front()), index, *std::move(proof), *std::move(checkpoint)}.Serialize();
}

}  // namespace custodian::log

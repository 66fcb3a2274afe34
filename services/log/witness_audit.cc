// AuditWitnessed of services/log/partition_audit.h: what a witness remembers against the log.
#include "services/log/partition_audit.h"

namespace custodian::log {

absl::Status AuditWitnessed(const AuditedPartition& partition, const ledger::Policy& policy, const std::string& witness,
                            const std::string& note, ledger::Findings& findings) {
  const absl::StatusOr<ledger::Policy::Log> log = policy.FindLog(partition.origin);
  if (!log.ok()) return log.status();
  const absl::StatusOr<ledger::Note> parsed = ledger::Note::Parse(note);
  if (!parsed.ok()) return parsed.status();
  const absl::StatusOr<ledger::Checkpoint> checkpoint = ledger::OpenCheckpoint(*parsed, log->key);
  if (!checkpoint.ok()) return checkpoint.status();
  if (checkpoint->size == 0) return absl::OkStatus();
  const std::string position = "checkpoint size " + std::to_string(checkpoint->size);
  if (checkpoint->size > partition.size) {
    findings.Add(position, "witness " + witness + " cosigned it, but the log ends at " + std::to_string(partition.size) +
                               ": it was rolled back");
    return absl::OkStatus();
  }
  const auto root = partition.roots.find(checkpoint->size);
  if (root == partition.roots.end())
    findings.Add(position, "witness " + witness + " cosigned it, but no stored batch ends here");
  else if (root->second != checkpoint->root)
    findings.Add(position, "witness " + witness + " cosigned another root than the leaves make");
  return absl::OkStatus();
}

}  // namespace custodian::log

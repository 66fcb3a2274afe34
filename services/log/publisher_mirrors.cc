// How the publisher's loops push to mirrors (publisher_core.h): add-checkpoint as to a witness, then add-entries until the mirror has everything and
// cosigns. A request of entries is one turn of the log's, so that a mirror that is far behind with one log is not late with the others.
#include <algorithm>

#include "services/log/publisher_core.h"
#include "spdlog/spdlog.h"

namespace custodian::log {
namespace {

// Requests of entries in one turn: the first may only learn where the mirror is.
constexpr int kRequestsMax = 3;

WitnessAnswer Failure(absl::Status status) {
  WitnessAnswer answer;
  answer.status = std::move(status);
  return answer;
}

}  // namespace

bool Publisher::Core::MirrorsSuffice(const Log& log) {
  std::set<std::string> names;
  for (std::size_t i = 0; i < witnesses_.size(); ++i)
    if (!witnesses_[i].is_mirror || log.cosignatures.contains(i)) names.insert(witnesses_[i].name);
  return policy_.IsMet(names);
}

void Publisher::Core::WarnIfNeverMet(const Log& log) const {
  std::set<std::string> names = log.mirrors;
  for (const Witness& witness : witnesses_)
    if (!witness.is_mirror) names.insert(witness.name);
  if (!policy_.IsMet(names))
    spdlog::error("event=quorum_never_met alarm=true origin={} reason=\"the policy's quorum needs a mirror, and none that it could do with is sent this log\"",
                  log.key.name());
}

void Publisher::Core::Offer(Log& log) {
  bool to_witnesses = false;
  {
    const absl::MutexLock lock(&mutex_);
    to_witnesses = MirrorsSuffice(log);
  }
  const absl::Time now = absl::Now();
  for (Witness& witness : witnesses_)
    if (witness.is_mirror ? log.mirrors.contains(witness.name) : to_witnesses) witness.due.Add(log.index, now);
}

WitnessAnswer Publisher::Core::SendEntries(Witness& mirror, std::size_t index, Log& log, const CandidatePtr& candidate, Memory& memory) {
  const std::uint64_t size = candidate->checkpoint.size;
  WitnessAnswer answer;
  for (int request_count = 0; request_count < kRequestsMax; ++request_count) {
    const std::uint64_t start = std::min(memory.next_entry, size);
    const absl::StatusOr<std::string> body = EntriesFrom(log.reader, log.key.name(), start, size);
    if (!body.ok()) return Failure(body.status());
    const absl::StatusOr<absl::Time> stored_at = ConfirmStored(log, candidate);
    if (!stored_at.ok()) return Failure(stored_at.status());
    MirrorAnswer sent = mirror.mirror.AddEntries(*body, candidate->note.text, *stored_at + options_.witness_timeout);
    if (sent.answer.cosignature) {
      memory.next_entry = size;
      memory.cosigned = candidate;
      KeepCosignature(index, log, candidate, *sent.answer.cosignature);
      return std::move(sent.answer);
    }
    answer = HandleMirrorInfo(sent, start, log, candidate, memory);
    if (!answer.conflict) return answer;
  }
  answer.status = absl::UnavailableError("the mirror's next entry changes under us; does another process publish this log?");
  return answer;
}

// A conflict only when another request is worth while.
WitnessAnswer Publisher::Core::HandleMirrorInfo(const MirrorAnswer& sent, std::uint64_t start, Log& log, const CandidatePtr& candidate, Memory& memory) {
  WitnessAnswer answer = sent.answer;
  const std::uint64_t size = candidate->checkpoint.size;
  if (!sent.info) {
    // Whatever it is, the next turn begins anew: perhaps the mirror has lost what it knew.
    if (!answer.away) memory.pending.clear();
    answer.conflict = false;
    if (answer.more) answer.status = absl::UnavailableError("the mirror answered 202 without its next entry");
    answer.more = answer.more && answer.status.ok();
    return answer;
  }
  memory.next_entry = std::min(sent.info->next_entry, size);
  if (answer.more) {
    if (memory.next_entry <= start) return Failure(absl::UnavailableError("the mirror wants more, and took nothing"));
    return answer;
  }
  if (sent.info->size != size) {
    memory.pending.clear();
    // Its word alone is not believed.
    if (sent.info->size > size) return Failure(HandleAhead(log, candidate, sent.info->size));
    memory.size = sent.info->size;
    return Failure(absl::UnavailableError("the mirror no longer has the checkpoint as pending"));
  }
  answer.conflict = memory.next_entry != start;
  return answer;
}

}  // namespace custodian::log

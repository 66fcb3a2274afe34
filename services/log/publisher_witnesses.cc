// How the publisher's witness loops ask (publisher_core.h).
#include <algorithm>
#include <optional>

#include "absl/time/clock.h"
#include "services/log/publisher_core.h"
#include "spdlog/spdlog.h"

namespace custodian::log {
namespace {

using ledger::Note;
using ledger::NoteSignature;

// Requests to a witness about one checkpoint before it is left alone for a while: the last ones follow its 409s.
constexpr int kRequestsMax = 4;
// Sizes tried one after the other with a witness that never says which it has.
constexpr int kGuessesMax = 64;
// What the database had so long ago is offered without asking again.
constexpr absl::Duration kStoredFor = absl::Seconds(1);

std::string Text(const absl::Status& status) { return std::string(status.message()); }

}  // namespace

void Publisher::Core::RunWitness(Witness& witness, std::size_t index) {
  while (const std::optional<std::size_t> log = witness.due.Take()) witness.due.Done(*log, AskIfWanted(witness, index, At(*log)));
}

// Returns when the witness is to be asked about the log again, if no new candidate is there before.
absl::Time Publisher::Core::AskIfWanted(Witness& witness, std::size_t index, Log& log) {
  Memory* memory = nullptr;
  {
    const absl::MutexLock lock(&witness.mutex);
    memory = &witness.memories[log.index];
  }
  if (memory->rest_until > absl::Now()) return memory->rest_until;
  const CandidatePtr candidate = Wanted(witness, index, log, *memory);
  if (candidate == nullptr) return absl::InfiniteFuture();
  const WitnessAnswer answer = Ask(witness, index, log, candidate, *memory);
  const absl::MutexLock lock(&witness.mutex);
  if (!answer.away) witness.times_away = 0;
  if (answer.status.ok()) {
    memory->failures = 0;
    // Others have their turn in between.
    return answer.more ? absl::Now() : absl::InfiniteFuture();
  }
  spdlog::warn("event=witness_failed witness={} origin={} size={} reason=\"{}\"", witness.name, log.key.name(),
               candidate->checkpoint.size, Text(answer.status));
  const absl::Time now = absl::Now();
  if (!answer.away) {
    memory->rest_until = answer.retry_at.value_or(now + RetryAfter(++memory->failures));
    return memory->rest_until;
  }
  // Of a witness that is away every log rests; it is asked about one after the other once it is back.
  if (witness.away_until <= now) witness.away_until = answer.retry_at.value_or(now + RetryAfter(++witness.times_away));
  witness.due.RestUntil(witness.away_until);
  return now;
}

Publisher::Core::CandidatePtr Publisher::Core::Wanted(const Witness& witness, std::size_t index, Log& log, const Memory& memory) {
  const absl::MutexLock lock(&mutex_);
  if (log.overtaken) return nullptr;
  if (witness.is_mirror) return log.mirrors.contains(witness.name) && log.latest != memory.cosigned ? log.latest : nullptr;
  return log.cosignatures.contains(index) || !MirrorsSuffice(log) ? nullptr : log.candidate;
}

WitnessAnswer Publisher::Core::Ask(Witness& witness, std::size_t index, Log& log, const CandidatePtr& candidate, Memory& memory) {
  const auto failed = [](absl::Status status) {
    WitnessAnswer answer;
    answer.status = std::move(status);
    return answer;
  };
  WitnessAnswer answer;
  for (int request_count = 0; request_count < kRequestsMax; ++request_count) {
    if (witness.is_mirror && memory.pending == candidate->note.text) return SendEntries(witness, index, log, candidate, memory);
    if (memory.size > candidate->checkpoint.size) return failed(HandleAhead(log, candidate, memory.size));
    const absl::StatusOr<node::AddCheckpoint> request = MakeRequest(log, *candidate, memory.size);
    if (!request.ok()) return failed(request.status());
    const absl::StatusOr<absl::Time> stored_at = ConfirmStored(log, candidate);
    if (!stored_at.ok()) return failed(stored_at.status());
    answer = witness.client.AddCheckpoint(*request, *stored_at + options_.witness_timeout);
    if (witness.is_mirror && answer.accepted) {
      memory.size = candidate->checkpoint.size;
      memory.pending = candidate->note.text;
      memory.guesses.clear();
      return SendEntries(witness, index, log, candidate, memory);
    }
    if (answer.cosignature) {
      memory.size = candidate->checkpoint.size;
      memory.guesses.clear();
      KeepCosignature(index, log, candidate, *std::move(answer.cosignature));
      return answer;
    }
    if (!answer.conflict) return answer;
    if (!answer.size) {
      if (absl::Status status = LearnSize(witness, log, *candidate, memory); !status.ok()) return failed(std::move(status));
    } else if (*answer.size > candidate->checkpoint.size) {
      return failed(HandleAhead(log, candidate, *answer.size));
    } else {
      memory.size = *answer.size;
    }
  }
  answer.status = absl::UnavailableError("the witness's size changes under us; does another process publish this log?");
  return answer;
}

absl::StatusOr<node::AddCheckpoint> Publisher::Core::MakeRequest(const Log& log, const Candidate& candidate,
                                                                 std::uint64_t old_size) {
  node::AddCheckpoint request{old_size, {}, candidate.note};
  {
    // What mirrors cosigned goes along.
    const absl::MutexLock lock(&mutex_);
    if (log.candidate.get() == &candidate)
      for (const auto& [witness, signature] : log.cosignatures)
        if (witnesses_[witness].is_mirror) request.note.signatures.push_back(signature);
  }
  if (old_size == 0 || old_size == candidate.checkpoint.size) return request;
  if (old_size == candidate.proof_from) {
    request.proof = candidate.proof;
    return request;
  }
  absl::StatusOr<std::vector<ledger::Hash>> proof = log.reader.ConsistencyProof(old_size, candidate.checkpoint.size);
  if (!proof.ok()) return proof.status();
  request.proof = *std::move(proof);
  return request;
}

// The database is asked again after kStoredFor. Otherwise a process that has been replaced without
// noticing, or whose database was restored, would go on offering what is lost, and have it witnessed.
absl::StatusOr<absl::Time> Publisher::Core::ConfirmStored(Log& log, const CandidatePtr& candidate) {
  const absl::Time now = absl::Now();
  {
    const absl::MutexLock lock(&mutex_);
    if (log.candidate == candidate && now - log.stored_at < kStoredFor) return log.stored_at;
  }
  const absl::StatusOr<std::string> stored = log.reader.SignedCheckpoint(candidate->checkpoint.size);
  if (!stored.ok() && !absl::IsNotFound(stored.status())) return stored.status();
  if (!stored.ok() || *stored != candidate->note.Serialize()) {
    GiveUp(log, candidate);
    return absl::DataLossError("the database no longer has the checkpoint of size " + std::to_string(candidate->checkpoint.size) +
                               " as it was signed: it was restored, or another process writes this log");
  }
  const absl::MutexLock lock(&mutex_);
  if (log.candidate == candidate) log.stored_at = now;
  return now;
}

// After a 409 without a size: what the witness serves to monitors, under our own signature; else one size after the other that was
// ever signed, the newest first.
absl::Status Publisher::Core::LearnSize(const Witness& witness, const Log& log, const Candidate& candidate, Memory& memory) {
  if (memory.guesses.empty()) {
    if (const absl::StatusOr<std::uint64_t> size = witness.client.ReadSize(log.key); size.ok() && *size != memory.size) {
      memory.size = *size;
      return absl::OkStatus();
    }
    const absl::StatusOr<std::vector<std::uint64_t>> sizes = log.reader.SignedSizes(candidate.checkpoint.size + 1, kGuessesMax);
    if (!sizes.ok()) return sizes.status();
    memory.guesses = {0};
    memory.guesses.insert(memory.guesses.end(), sizes->rbegin(), sizes->rend());
  }
  memory.size = memory.guesses.back();
  memory.guesses.pop_back();
  return absl::OkStatus();
}

// A witness says that it knows a larger size than the candidate's. Only our own signature on that size makes it true: otherwise
// one witness that lies would have every candidate discarded, whatever the others cosign.
absl::Status Publisher::Core::HandleAhead(Log& log, const CandidatePtr& candidate, std::uint64_t witness_size) {
  const absl::StatusOr<tenants::LogReader::PendingCheckpoint> head = log.reader.Head();
  if (!head.ok()) return head.status();
  // The database is behind what was witnessed: it was rolled back. Nothing that is signed now could be consistent.
  if (head->size < witness_size)
    return absl::DataLossError("the witness says that it knows size " + std::to_string(witness_size) + ", the database only " +
                               std::to_string(head->size) + ": restore the log before writing");
  const absl::StatusOr<std::string> stored = log.reader.SignedCheckpoint(witness_size);
  if (!stored.ok() && !absl::IsNotFound(stored.status())) return stored.status();
  const absl::StatusOr<Note> note = stored.ok() ? Note::Parse(*stored) : stored.status();
  if (!note.ok() || !ledger::OpenCheckpoint(*note, log.key).ok())
    return absl::UnavailableError("the witness claims size " + std::to_string(witness_size) + ", which was never signed");
  GiveUp(log, candidate);
  return absl::OkStatus();
}

void Publisher::Core::KeepCosignature(std::size_t witness, Log& log, const CandidatePtr& candidate, NoteSignature cosignature) {
  bool is_met = false;
  {
    const absl::MutexLock lock(&mutex_);
    if (log.candidate != candidate) return;
    log.cosignatures.insert_or_assign(witness, std::move(cosignature));
    is_met = IsMet(log);
  }
  if (is_met)
    publishing_.Add(log.index, absl::Now());
  else if (witnesses_[witness].is_mirror)
    Offer(log);
}

void Publisher::Core::GiveUp(Log& log, const CandidatePtr& candidate) {
  {
    const absl::MutexLock lock(&mutex_);
    if (log.candidate != candidate) return;
    log.overtaken = true;
  }
  publishing_.Add(log.index, absl::Now());
}

}  // namespace custodian::log

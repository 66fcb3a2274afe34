#include "services/log/witness_client.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"
#include "services/log/witness_question.h"

namespace custodian::log {
namespace {

using ledger::Note;
using ledger::NoteSignature;
using ledger::NoteVerifier;

// The cosignature of `key` among the signature lines that a witness answered; those of unknown keys are ignored.
absl::StatusOr<NoteSignature> FindCosignature(const std::string& checkpoint_text, const NoteVerifier& key,
                                              const std::string& answer) {
  const absl::StatusOr<Note> answered = Note::Parse(checkpoint_text + "\n" + answer);
  if (!answered.ok()) return answered.status();
  for (const NoteSignature& signature : answered->signatures) {
    if (signature.name != key.name() || signature.key_id != key.key_id()) continue;
    const absl::StatusOr<absl::Time> time = ledger::VerifyCosignature(Note{checkpoint_text, {signature}}, key);
    if (!time.ok()) return time.status();
    return signature;
  }
  return absl::UnauthenticatedError("the answer has no cosignature of " + key.name());
}

std::optional<absl::Time> RetryAt(const rpc::HttpResponse& response) {
  for (const auto& [name, value] : response.headers)
    if (name == "retry-after") return ParseRetryAfter(value, absl::Now());
  return std::nullopt;
}

}  // namespace

std::optional<absl::Time> ParseRetryAfter(std::string_view value, absl::Time now) {
  absl::Time time;
  if (const absl::StatusOr<std::uint64_t> seconds = ledger::ParseDecimal(value); seconds.ok()) {
    time = now + absl::Seconds(std::min<std::uint64_t>(*seconds, absl::ToInt64Seconds(WitnessClient::kRetryAfterMax)));
  } else if (!absl::ParseTime("%a, %d %b %Y %H:%M:%S GMT", std::string(value), &time, nullptr)) {
    return std::nullopt;
  }
  return std::clamp(time, now, now + WitnessClient::kRetryAfterMax);
}

WitnessAnswer ReadAnswer(const rpc::HttpResponse& response, const std::string& checkpoint_text, const NoteVerifier& key) {
  WitnessAnswer answer;
  if (response.status == 200) {
    answer.accepted = true;
    absl::StatusOr<NoteSignature> cosignature = FindCosignature(checkpoint_text, key, response.body);
    if (cosignature.ok())
      answer.cosignature = *std::move(cosignature);
    else
      answer.status = cosignature.status();
    return answer;
  }
  answer.more = response.status == 202;
  if (answer.more) return answer;
  answer.status = absl::UnavailableError("the witness answered " + std::to_string(response.status));
  answer.conflict = response.status == 409;
  answer.away = response.status == 503;
  if (response.status == 429 || response.status == 503) answer.retry_at = RetryAt(response);
  if (answer.conflict) {
    std::string_view body = response.body;
    if (body.ends_with('\n')) body.remove_suffix(1);
    if (const absl::StatusOr<std::uint64_t> size = ledger::ParseDecimal(body); size.ok()) answer.size = *size;
  }
  return answer;
}

WitnessClient::WitnessClient(ledger::Policy::Witness witness, const rpc::HttpsClient& client)
    : witness_(std::move(witness)), prefix_(witness_.url + (witness_.url.ends_with('/') ? "" : "/")), client_(client) {}

WitnessAnswer WitnessClient::AddCheckpoint(const node::AddCheckpoint& request, absl::Time deadline) const {
  const auto send = [&] {
    return client_.SendWithin(deadline - absl::Now(), "POST", prefix_ + "add-checkpoint",
                              {{"content-type", "text/plain; charset=utf-8"}}, request.Serialize());
  };
  absl::StatusOr<rpc::HttpResponse> response = send();
  // A kept connection that the witness closed at that moment. Asked twice it does the same, or says what it did the first time.
  if (absl::IsUnknown(response.status())) response = send();
  WitnessAnswer answer;
  if (!response.ok()) {
    answer.status = response.status();
    answer.away = true;
    return answer;
  }
  return ReadAnswer(*response, request.note.text, witness_.key);
}

absl::StatusOr<std::uint64_t> WitnessClient::ReadSize(const NoteVerifier& log) const {
  const absl::StatusOr<rpc::HttpResponse> response = client_.Send("GET", CheckpointUrl(witness_.url, log.name()));
  if (!response.ok()) return response.status();
  if (response->status != 200)
    return absl::UnavailableError("the witness answered " + std::to_string(response->status) + " when asked for its checkpoint");
  const absl::StatusOr<Note> note = Note::Parse(response->body);
  const absl::StatusOr<ledger::Checkpoint> checkpoint = note.ok() ? ledger::OpenCheckpoint(*note, log) : note.status();
  if (!checkpoint.ok()) return checkpoint.status();
  return checkpoint->size;
}

}  // namespace custodian::log

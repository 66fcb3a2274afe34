#include "services/keys/signing_states.h"

#include "fmt/format.h"
#include "services/keys/state_file.h"
#include "tenants/ids.h"

namespace custodian::keys {

std::string SigningStates::FileOf(std::string_view origin) const {
  return fmt::format("{}/log-{}", directory_, HexEncode(ledger::AsBytes(ledger::Sha256(origin)).substr(0, 16)));
}

absl::StatusOr<ledger::Checkpoint> SigningStates::Last(std::string_view origin) const {
  const absl::StatusOr<std::string> bytes = ReadStateFile(FileOf(origin));
  if (!bytes.ok()) return bytes.status();
  absl::StatusOr<ledger::Checkpoint> last = ledger::Checkpoint::Parse(*bytes);
  if (!last.ok() || last->origin != origin) {
    return absl::DataLossError(fmt::format("the signing state of {} is damaged ({}); nothing is signed", origin, FileOf(origin)));
  }
  return last;
}

absl::Status SigningStates::Begin(std::string_view origin) {
  const absl::StatusOr<ledger::Checkpoint> last = Last(origin);
  if (!absl::IsNotFound(last.status())) return last.status();
  const ledger::Checkpoint empty{std::string(origin), 0, ledger::EmptyRoot()};
  return WriteStateFile(FileOf(origin), empty.Serialize());
}

absl::Status SigningStates::Advance(const ledger::Checkpoint& next) {
  bool durable = false;
  {
    absl::MutexLock lock(&mutex_);
    const auto free = [this, &next]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !busy_.contains(next.origin); };
    mutex_.Await(absl::Condition(&free));
    busy_.insert(next.origin);
    durable = durable_.contains(next.origin);
  }
  const auto advance = [&]() -> absl::Status {
    const absl::StatusOr<ledger::Checkpoint> last = Last(next.origin);
    if (!last.ok()) return last.status();
    if (next.size < last->size) {
      return absl::FailedPreconditionError(
          fmt::format("{} was signed at size {}: never a smaller one ({})", next.origin, last->size, next.size));
    }
    if (next.size == last->size && next.root != last->root) {
      return absl::FailedPreconditionError(fmt::format("{} was signed with another root at size {}", next.origin, last->size));
    }
    if (next.size == last->size && durable) return absl::OkStatus();
    return WriteStateFile(FileOf(next.origin), next.Serialize());
  };
  absl::Status status = advance();
  absl::MutexLock lock(&mutex_);
  busy_.erase(next.origin);
  // After a failed write the file may show bytes that a power cut would take back: it is written again before it counts. A
  // refusal wrote nothing.
  if (status.ok()) durable_.insert(next.origin);
  if (!status.ok() && !absl::IsFailedPrecondition(status)) durable_.erase(next.origin);
  return status;
}

}  // namespace custodian::keys

#include "services/exchange/fhir_writer.h"

#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "services/exchange/fhir_write_plan.h"
#include "services/exchange/record_store.h"
#include "spdlog/spdlog.h"
#include "tenants/outbox.h"

namespace custodian::exchange {
namespace {

constexpr std::string_view kPurpose = "fhir-write";
constexpr int kAttempts = 5;

// The answer kept under an idempotency key; nothing when the key is new.
absl::StatusOr<std::optional<Answer<StoredTransaction>>> KeptAnswer(const FhirWriter::Request& request, keys::Sealer& sealer) {
  const TenantId& tenant = request.partition->tenant.id;
  const auto token = [&](std::string_view what, std::string_view value) {
    return sealer.IndexToken(tenant, absl::StrCat(std::string(what), "\n", std::string(value)));
  };
  const auto key = token("fhir-idempotency", absl::StrCat(request.client, "\n", request.idempotency_key));
  if (!key.ok()) return key.status();
  const auto found = RecordStore(*request.partition->database).Newest(RecordId::FromBytes(std::string_view(*key).substr(0, 16)).value());
  if (!found.ok()) return found.status();
  if (!found->has_value()) return std::optional<Answer<StoredTransaction>>();
  const SealedRecord& row = **found;
  const auto text = sealer.Open({tenant, row.patient, row.record.bytes(), row.version}, row.sealed, kPurpose);
  if (!text.ok()) return text.status();
  const auto kept = Json::Parse(*text);
  const auto digest = token("fhir-request", request.content);
  if (!kept.ok() || !digest.ok()) return kept.ok() ? digest.status() : kept.status();
  if (kept->TextOf("digest") != HexEncode(*digest)) {
    return std::optional<Answer<StoredTransaction>>(
        Refuse(422, "duplicate", "This Idempotency-Key was used for another request. Use a new key for new content."));
  }
  StoredTransaction answer{.entries = {}, .time = row.arrived};
  for (const Json& entry : (*kept)["entries"].items()) {
    StoredEntry stored{entry.TextOf("type"), entry.TextOf("id"), 1, entry["created"].boolean(), entry["deleted"].boolean()};
    if (!absl::SimpleAtoi(entry.TextOf("version"), &stored.version)) return absl::DataLossError("a kept answer is damaged");
    answer.entries.push_back(std::move(stored));
  }
  return std::optional<Answer<StoredTransaction>>(std::move(answer));
}

}  // namespace

// Shards whose KEY_STORED entry is known to be on a log. Forgotten at a restart: then an entry is written once more.
class FhirWriter::Recorded {
 public:
  [[nodiscard]] bool Contains(const std::string& tenant, const std::string& shard) const {
    absl::MutexLock lock(&mutex_);
    return shards_.contains(tenant + shard);
  }
  void Add(const std::string& tenant, const std::vector<std::string>& shards) {
    absl::MutexLock lock(&mutex_);
    for (const std::string& shard : shards) shards_.insert(tenant + shard);
  }

 private:
  mutable absl::Mutex mutex_;
  std::set<std::string> shards_ ABSL_GUARDED_BY(mutex_);
};

FhirWriter::FhirWriter(keys::Sealer& sealer, keys::KeyClient& keys, Limits limits)
    : sealer_(sealer), keys_(keys), limits_(limits), recorded_(std::make_unique<Recorded>()) {}

FhirWriter::~FhirWriter() = default;

Answer<StoredTransaction> FhirWriter::Apply(const Request& request) const {
  auto stored = Store(request);
  if (!request.await_follow_up || !std::holds_alternative<StoredTransaction>(stored)) return stored;
  // Of an earlier answer too. A failure does not undo what is stored: the rows stay, and the background drain repeats them.
  if (const absl::Status drained = request.partition->outbox->Drain(); !drained.ok()) {
    spdlog::error("event=outbox_failed tenant={} code={} reason=\"{}\"", request.partition->tenant.id.text(),
                  absl::StatusCodeToString(drained.code()), std::string(drained.message()));
  }
  return stored;
}

Answer<StoredTransaction> FhirWriter::Store(const Request& request) const {
  const std::string& tenant = request.partition->tenant.id.text();
  const std::function<bool(const std::string&)> is_recorded = [&](const std::string& shard) { return recorded_->Contains(tenant, shard); };
  // Kept over attempts, so that a patient who was given a key is not given another.
  std::map<RecordId, PatientId> new_patients;
  for (int attempt = 1;; ++attempt) {
    if (!request.idempotency_key.empty() && request.keep_answer) {
      auto kept = KeptAnswer(request, sealer_);
      if (!kept.ok()) return RefusalOf(kept.status());
      if (kept->has_value()) return **std::move(kept);
    }
    WritePlan plan(request, sealer_, keys_, limits_.patients_max, new_patients, is_recorded);
    if (auto refusal = plan.Make()) return *std::move(refusal);
    StoredTransaction stored{.entries = plan.Result(), .time = absl::Time()};
    // Nothing to write: every entry was a conditional create of what exists.
    if (plan.write().entries.empty()) return stored;
    const absl::StatusOr<tenants::Admitted> admitted = request.partition->writer->Apply(std::move(plan.write()));
    if (admitted.ok() && (!admitted->replayed || !request.keep_answer)) {
      recorded_->Add(tenant, plan.new_shards());
      stored.time = admitted->time;
      return stored;
    }
    // Another request with the same key was first (its answer is there now), or others changed a version we counted on.
    const bool raced = admitted.ok() || absl::IsAlreadyExists(admitted.status()) || absl::IsAborted(admitted.status());
    if (!raced) return RefusalOf(admitted.status());
    if (attempt == kAttempts) return RefusalOf(absl::AbortedError("a FHIR write lost every race"));
  }
}

}  // namespace custodian::exchange

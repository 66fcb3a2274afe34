#include "services/exchange/refusals.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/exchange/audit_event.h"
#include "services/exchange/consent_gate.h"
#include "services/exchange/disclosure_record.h"
#include "services/exchange/fhir_time.h"
#include "services/exchange/provenance.h"
#include "services/exchange/record_store.h"
#include "spdlog/spdlog.h"

namespace custodian::exchange {
namespace {

using ledger::v1::Entry;

constexpr std::string_view kPurpose = "refusal";
// Sizes are not on the ledger; only hashes are.
constexpr std::size_t kPaddingBytes = 64;

// A process that is away for a moment.
bool MayPass(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) || absl::IsResourceExhausted(status) || absl::IsUnknown(status);
}

}  // namespace

Refusals::Refusals(Options options, const tenants::Partitions& partitions, keys::Sealer& sealer, const PatientRecords& records)
    : options_(options), partitions_(partitions), sealer_(sealer), records_(records) {}

void Refusals::Note(Refused refused) {
  const TenantId tenant = refused.patient.tenant;
  refused.id = NewDisclosureId();
  {
    const absl::MutexLock lock(&mutex_);
    std::deque<Refused>& noted = noted_[tenant.text()];
    if (noted.size() < options_.waiting_max) return noted.push_back(std::move(refused));
  }
  Drop(tenant);
}

void Refusals::Drop(const TenantId& tenant) {
  {
    const absl::MutexLock lock(&mutex_);
    ++dropped_;
  }
  spdlog::error("event=refusal_dropped alarm=true tenant={} waiting_max={}", tenant.text(), options_.waiting_max);
}

std::uint64_t Refusals::dropped() const {
  const absl::MutexLock lock(&mutex_);
  return dropped_;
}

absl::Status Refusals::Keep() {
  const absl::MutexLock lock(&keeping_);
  absl::Status first;
  for (const tenants::Partition* partition : partitions_.All()) first.Update(KeepFor(*partition));
  return first;
}

absl::Status Refusals::KeepFor(const tenants::Partition& partition) {
  const TenantId& tenant = partition.tenant.id;
  std::deque<Refused> taken;
  {
    const absl::MutexLock lock(&mutex_);
    taken.swap(noted_[tenant.text()]);
  }
  if (taken.empty()) return absl::OkStatus();
  // Those that cannot be kept now.
  std::deque<Refused> left;
  absl::Status first;
  const RefusalStore store(*partition.database);
  std::vector<WaitingRefusal> kept;
  const auto waiting = store.Waiting();
  if (waiting.ok()) {
    for (std::size_t room = options_.waiting_max - std::min(*waiting, options_.waiting_max); taken.size() > room; taken.pop_back()) Drop(tenant);
    for (const Refused& refused : taken) {
      auto refusal = Seal(partition, refused);
      if (refusal.ok()) {
        kept.push_back(*std::move(refusal));
      } else if (MayPass(refusal.status())) {
        left.push_back(refused);
        first.Update(refusal.status());
      } else {
        // A patient whose key is gone has no audit any more; a damaged chart is known by its own alarm, and must not hold the others up.
        spdlog::error("event=refusal_lost alarm=true tenant={} code={}", tenant.text(), absl::StatusCodeToString(refusal.status().code()));
      }
    }
  }
  const absl::Status status = waiting.ok() ? store.Keep(kept) : waiting.status();
  if (!status.ok()) left = taken;
  first.Update(status);
  if (left.empty()) return first;
  const absl::MutexLock lock(&mutex_);
  std::deque<Refused>& noted = noted_[tenant.text()];
  noted.insert(noted.begin(), left.begin(), left.end());
  return first;
}

absl::StatusOr<WaitingRefusal> Refusals::Seal(const tenants::Partition& partition, const Refused& refused) const {
  const TenantId& tenant = partition.tenant.id;
  const auto record = sealer_.RecordIdOf(tenant, "AuditEvent", refused.id);
  if (!record.ok()) return record.status();
  const auto audit = AuditOf(partition, refused);
  if (!audit.ok()) return audit.status();
  auto sealed = sealer_.Seal({tenant, refused.patient.patient, record->bytes(), 1}, *audit, kPurpose);
  if (!sealed.ok()) return sealed.status();
  return WaitingRefusal{*record, refused.patient.patient, std::move(sealed->ciphertext), refused.time};
}

absl::Status Refusals::WriteBatches() {
  absl::Status first;
  for (const tenants::Partition* partition : partitions_.All()) first.Update(WriteBatch(*partition));
  return first;
}

absl::Status Refusals::WriteBatch(const tenants::Partition& partition) {
  const RefusalStore store(*partition.database);
  const auto batch = store.Take(options_.batch);
  if (!batch.ok()) return batch.status();
  tenants::Write write;
  // Of the batch and not of its bytes: the padding is new each time.
  write.idempotency_key = batch->key;
  write.request_digest = batch->key;
  write.entries.resize(2);
  Entry& refused_entry = write.entries[0];
  Entry& stored = write.entries[1];
  refused_entry.set_kind(ledger::v1::KIND_DISCLOSURES_REFUSED);
  stored.set_kind(ledger::v1::KIND_RECORD_STORED);
  stored.mutable_record_stored()->set_account(true);
  const auto add = [&](const RecordId& record, const PatientId& patient, std::string sealed) {
    const std::string sha256(ledger::AsBytes(ledger::Sha256(sealed)));
    refused_entry.add_record_sha256(sha256);
    stored.add_record_sha256(sha256);
    stored.mutable_record_stored()->add_record_id(record.bytes());
    stored.mutable_record_stored()->add_version(1);
    write.rows.push_back(RecordRow(record, 1, patient, std::move(sealed), 1, RecordMark::kAccount));
  };
  for (const WaitingRefusal& refusal : batch->refusals) add(refusal.record, refusal.patient, refusal.sealed);
  while (write.rows.size() < options_.batch) add(RecordId::Random(), PatientId::Random(), RandomBytes(kPaddingBytes));
  const auto admitted = partition.writer->Apply(std::move(write));
  if (!admitted.ok()) return admitted.status();
  return store.Finish(*batch);
}

absl::StatusOr<std::string> Refusals::AuditOf(const tenants::Partition& partition, const Refused& refused) const {
  const tenants::Partition* reader = partitions_.FindById(refused.reader);
  if (reader == nullptr) return absl::NotFoundError("the reader's tenant is gone");
  auto history = records_.OpenHistory(refused.patient, kPurpose);
  if (!history.ok()) return history.status();
  const std::string patient_id = PatientIdIn(*history);
  for (const tenants::ExpectConsentVersion& other : refused.judged_with) {
    auto more = records_.OpenHistory({refused.patient.tenant, other.patient}, kPurpose);
    if (!more.ok()) return more.status();
    std::move(more->begin(), more->end(), std::back_inserter(*history));
  }
  // As it was then: the gate leaves out what arrived later.
  const ConsentGate gate(*history, refused.rules, ZoneOf(partition.tenant.time_zone),
                         {reader->tenant.organization_system, reader->tenant.organization_value}, refused.purpose, refused.time);
  const OpenedRecord* record = nullptr;
  for (const OpenedRecord& each : *history)
    if (each.resource_type == refused.resource_type && each.id == refused.resource_id && each.arrived <= refused.time &&
        (record == nullptr || record->version < each.version))
      record = &each;
  if (record == nullptr) return absl::NotFoundError("the refused record is gone");
  const Judgement judgement = gate.Judge(*record);
  const AuditFacts facts{refused.id,
                         refused.time,
                         partition.tenant,
                         reader->tenant,
                         patient_id,
                         refused.client,
                         refused.user,
                         refused.purpose,
                         absl::StrCat(record->resource_type, "/", record->id, "/_history/", record->version),
                         judgement,
                         gate.Explain(*record, judgement, refused.consent_version).Text(),
                         refused.emergency};
  return RefusalAudit(facts).Text();
}

}  // namespace custodian::exchange

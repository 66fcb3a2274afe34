#include "services/exchange/disclosure_record.h"

#include <algorithm>
#include <utility>

#include "services/exchange/detail.h"
#include "services/exchange/record_store.h"

namespace custodian::exchange {
namespace {

using ledger::v1::Entry;

constexpr std::string_view kPurpose = "disclosure";
// All details of one kind have one size.
constexpr std::size_t kDetailBytes = 1'024;

absl::Status AddStored(keys::Sealer& sealer, const PatientLink& patient, std::string_view type, const std::string& id, const Json& resource,
                       Entry& stored, tenants::Write& write) {
  const auto record = sealer.RecordIdOf(patient.tenant, type, id);
  if (!record.ok()) return record.status();
  auto sealed = sealer.Seal({patient.tenant, patient.patient, record->bytes(), 1}, resource.Text(), kPurpose);
  if (!sealed.ok()) return sealed.status();
  stored.add_record_sha256(std::string(ledger::AsBytes(sealed->sha256)));
  stored.mutable_record_stored()->add_record_id(record->bytes());
  stored.mutable_record_stored()->add_version(1);
  write.rows.push_back(RecordRow(*record, 1, patient.patient, std::move(sealed->ciphertext), 1, RecordMark::kAccount));
  return absl::OkStatus();
}

}  // namespace

absl::Status AddDisclosure(keys::Sealer& sealer, const DisclosureRecord& record, tenants::Write& write) {
  Entry disclosure;
  disclosure.set_kind(ledger::v1::KIND_DISCLOSURE);
  disclosure.set_reported(true);
  if (!record.record_sha256.empty()) disclosure.add_record_sha256(record.record_sha256);
  Json detail = record.detail;
  detail.Set("audit", Json::String(record.facts.id));
  detail.Set("consent_version", Json::Integer(record.consent_version));
  detail.Set("emergency", Json::Bool(record.facts.emergency.has_value()));
  detail.Set("purpose", Json::String(record.facts.purpose));
  detail.Set("reader_patient", Json::String(record.reader_patient.hex()));
  detail.Set("resource", Json::String(record.facts.resource));
  detail.Set("tenant", Json::String(record.facts.recipient.id.text()));
  if (absl::Status status = SetDetail(sealer, record.patient.tenant, record.patient.patient, detail.Text(), kDetailBytes, disclosure); !status.ok())
    return status;

  Entry stored;
  stored.set_kind(ledger::v1::KIND_RECORD_STORED);
  stored.set_subject(record.patient.patient.bytes());
  stored.mutable_record_stored()->set_account(true);
  if (absl::Status status = AddStored(sealer, record.patient, "AuditEvent", record.facts.id, DisclosureAudit(record.facts), stored, write); !status.ok())
    return status;
  if (!record.provenance.is_null())
    if (absl::Status status = AddStored(sealer, record.patient, "Provenance", record.facts.id, record.provenance, stored, write); !status.ok())
      return status;
  write.entries = {std::move(disclosure), std::move(stored)};
  write.expectations = record.judged_with;
  write.expectations.push_back({record.patient.patient, record.consent_version});
  return absl::OkStatus();
}

absl::Status CheckStillSo(const tenants::Partition& source, const Locator& locator, const OpenedRecord& shown, const DisclosureRecord& disclosed) {
  if (!source.writer->IsUnchangedSince(disclosed.patient.patient, disclosed.chart_through)) {
    const auto heads = RecordStore(*source.database).Heads({shown.record});
    if (!heads.ok()) return heads.status();
    const auto head = heads->find(shown.record);
    if (head == heads->end() || head->second.deleted || head->second.version != shown.version)
      return absl::FailedPreconditionError("the record was corrected while it was disclosed");
  }
  const auto same = locator.PersonOf(disclosed.patient);
  if (!same.ok()) return same.status();
  const PatientLink reader{disclosed.facts.recipient.id, disclosed.reader_patient};
  if (std::find(same->begin(), same->end(), reader) == same->end())
    return absl::FailedPreconditionError("the patients were unlinked while a record was disclosed");
  // Nor may anybody's consent have counted who is somebody else.
  for (const tenants::ExpectConsentVersion& other : disclosed.judged_with)
    if (std::find(same->begin(), same->end(), PatientLink{disclosed.patient.tenant, other.patient}) == same->end())
      return absl::FailedPreconditionError("charts were unmerged while a record was disclosed");
  for (const PatientLink& link : *same) {
    const bool counted = link.tenant != disclosed.patient.tenant || link == disclosed.patient ||
                         std::any_of(disclosed.judged_with.begin(), disclosed.judged_with.end(),
                                     [&link](const tenants::ExpectConsentVersion& other) { return other.patient == link.patient; });
    if (!counted) return absl::FailedPreconditionError("charts were merged while a record was disclosed");
  }
  return absl::OkStatus();
}

std::string PatientIdIn(const std::vector<OpenedRecord>& chart) {
  for (const OpenedRecord& record : chart)
    if (record.resource_type == "Patient") return record.id;
  return "";
}

}  // namespace custodian::exchange

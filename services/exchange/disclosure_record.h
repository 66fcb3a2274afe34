// What a disclosure leaves at its source, whatever the path it took: the DISCLOSURE entry, the patient's AuditEvent, and (where the reader gets one)
// the Provenance, in one Write that is conditional on the consent version that was decided on. Thread-safe (it holds nothing).
#ifndef CUSTODIAN_SERVICES_EXCHANGE_DISCLOSURE_RECORD_H_
#define CUSTODIAN_SERVICES_EXCHANGE_DISCLOSURE_RECORD_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "services/exchange/audit_event.h"
#include "services/exchange/fhir_json.h"
#include "services/exchange/locator.h"
#include "services/exchange/patient_records.h"
#include "services/keys/sealer.h"
#include "tenants/partition_writer.h"
#include "tenants/partitions.h"

namespace custodian::exchange {

struct DisclosureRecord {
  PatientLink patient;
  // Whose chart the reader looked from, at its tenant: where a later correction is told.
  PatientId reader_patient;
  // `id` is that of AuditEvent and Provenance.
  AuditFacts facts;
  // SHA-256 of the sealed record shown (32 bytes); empty when a card only names it.
  std::string record_sha256;
  // What the entry seals, besides.
  Json detail;
  // Null: none.
  Json provenance;
  std::int64_t consent_version = 0;
  // The patient's chart was read up to this position of the source's log.
  std::uint64_t chart_through = 0;
  // The person's other charts at the source, whose consents were counted, too.
  std::vector<tenants::ExpectConsentVersion> judged_with = {};
};
// Adds to `write`, which has no entries yet: DISCLOSURE first, then RECORD_STORED.
[[nodiscard]] absl::Status AddDisclosure(keys::Sealer& sealer, const DisclosureRecord& record, tenants::Write& write);

// OK when the source's record is still of that version, the two patients are still one person, and no chart of the source's has come to
// that person whose consents nobody counted: to be asked once the DISCLOSURE is on the log, so that a correction that came before is seen here, and one that comes after sees the entry. FailedPrecondition otherwise.
[[nodiscard]] absl::Status CheckStillSo(const tenants::Partition& source, const Locator& locator, const OpenedRecord& shown,
                                        const DisclosureRecord& disclosed);

// FHIR id of the Patient among a chart's records; empty without.
[[nodiscard]] std::string PatientIdIn(const std::vector<OpenedRecord>& chart);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_DISCLOSURE_RECORD_H_

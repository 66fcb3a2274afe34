// Another tenant's clinician reads a result: certain match, consent at the source, DISCLOSURE in the source's log, CARD_OPENED in the
// reader's, and only then the resource (DESIGN, sections 5 and 7). Whatever is not permitted, not there or not certain looks alike.
// Thread-safe.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_FHIR_DISCLOSURE_H_
#define CUSTODIAN_SERVICES_EXCHANGE_FHIR_DISCLOSURE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "services/exchange/audit_event.h"
#include "services/exchange/consent_gate.h"
#include "services/exchange/disclosure_record.h"
#include "services/exchange/fhir_json.h"
#include "services/exchange/locator.h"
#include "services/exchange/patient_records.h"
#include "services/exchange/refusals.h"
#include "services/keys/sealer.h"
#include "tenants/clock.h"
#include "tenants/partitions.h"

namespace custodian::exchange {

// A leaf's tlog-proof once a checkpoint with its quorum covers it; any error until then.
using ReceiptSource = std::function<absl::StatusOr<std::string>(std::string_view origin, std::uint64_t index)>;

class FhirDisclosure {
 public:
  // `refused` may be empty.
  FhirDisclosure(const tenants::Partitions& partitions, keys::Sealer& sealer, const Locator& locator, const PatientRecords& records,
                 const Clock& network_clock, ReceiptSource receipt, RulesOf rules, OnRefused refused);

  struct Disclosed {
    OpenedRecord record;
    std::string provenance_id;
    // Its sensitivity, and the notice that goes with it (redisclosure.h); empty for most.
    std::vector<std::string> labels;
    std::string notice;
    // Of the DISCLOSURE entry, in the source's log.
    std::uint64_t index = 0;
  };
  // NotFound, always with the same message, unless all of it holds; another error when something failed. With an `emergency`, which goes with a
  // client of an emergency's purpose, the source's break-glass rules may open what consent closes: an alarm, and the patient sees it.
  [[nodiscard]] absl::StatusOr<Disclosed> Disclose(const tenants::Partition& source, const tenants::Client& reader, std::string_view type,
                                                   std::string_view id, const std::optional<Emergency>& emergency = std::nullopt) const;
  // BTG and ETREAT (v3-ActReason).
  [[nodiscard]] static bool IsForEmergencies(const tenants::Client& client);
  // An AuditEvent of the custodian's, for the source itself, with its receipt as below. NotFound for others.
  [[nodiscard]] absl::StatusOr<Json> AuditOf(const tenants::Partition& source, std::string_view id, absl::Duration wait) const;
  // Disclosures that an emergency opened, since the start: each was an alarm in the log.
  [[nodiscard]] std::uint64_t emergencies() const { return emergencies_; }
  // The Provenance of a disclosure for the client it was made to (or, when `reader` is null, for the source itself), with its receipt
  // if that exists within `wait`. NotFound as above.
  [[nodiscard]] absl::StatusOr<Json> ProvenanceOf(const tenants::Partition& source, const tenants::Client* reader, std::string_view id,
                                                  absl::Duration wait) const;

 private:
  [[nodiscard]] absl::StatusOr<Disclosed> Record(const tenants::Partition& source, const tenants::Partition& requester,
                                                 const tenants::Client& reader, OpenedRecord record,
                                                 DisclosureRecord at_source) const;
  [[nodiscard]] absl::StatusOr<std::string> Receipt(std::string_view origin, std::uint64_t index, absl::Duration wait) const;

  const tenants::Partitions& partitions_;
  keys::Sealer& sealer_;
  const Locator& locator_;
  const PatientRecords& records_;
  const Clock& clock_;
  const ReceiptSource receipt_;
  const RulesOf rules_;
  const OnRefused refused_;
  mutable std::atomic<std::uint64_t> emergencies_ = 0;
};

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_FHIR_DISCLOSURE_H_

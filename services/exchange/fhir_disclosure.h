// Another tenant's clinician reads a result: certain match, consent at the source, DISCLOSURE in the source's log, CARD_OPENED in the
// reader's, and only then the resource (DESIGN, sections 5 and 7). Whatever is not permitted, not there or not certain looks alike.
// Thread-safe.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_FHIR_DISCLOSURE_H_
#define CUSTODIAN_SERVICES_EXCHANGE_FHIR_DISCLOSURE_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "services/exchange/consent_gate.h"
#include "services/exchange/fhir_json.h"
#include "services/exchange/locator.h"
#include "services/exchange/patient_records.h"
#include "services/keys/sealer.h"
#include "tenants/clock.h"
#include "tenants/partitions.h"

namespace custodian::exchange {

// A leaf's tlog-proof once a checkpoint with its quorum covers it; any error until then.
using ReceiptSource = std::function<absl::StatusOr<std::string>(std::string_view origin, std::uint64_t index)>;

class FhirDisclosure {
 public:
  FhirDisclosure(const tenants::Partitions& partitions, keys::Sealer& sealer, const Locator& locator, const Clock& network_clock,
                 ReceiptSource receipt, RulesOf rules);

  struct Disclosed {
    OpenedRecord record;
    std::string provenance_id;
    // Of the DISCLOSURE entry, in the source's log.
    std::uint64_t index = 0;
  };
  // NotFound, always with the same message, unless all of it holds; another error when something failed.
  [[nodiscard]] absl::StatusOr<Disclosed> Disclose(const tenants::Partition& source, const tenants::Client& reader, std::string_view type,
                                                   std::string_view id) const;
  // The Provenance of a disclosure for the client it was made to (or, when `reader` is null, for the source itself), with its receipt
  // if that exists within `wait`. NotFound as above.
  [[nodiscard]] absl::StatusOr<Json> ProvenanceOf(const tenants::Partition& source, const tenants::Client* reader, std::string_view id,
                                                  absl::Duration wait) const;

 private:
  [[nodiscard]] absl::StatusOr<std::optional<PatientId>> PatientAt(const PatientLink& patient, const TenantId& tenant) const;
  [[nodiscard]] absl::StatusOr<Disclosed> Record(const tenants::Partition& source, const tenants::Partition& requester,
                                                 const tenants::Client& reader, const PatientLink& patient, const PatientId& patient_at_reader,
                                                 OpenedRecord record, std::string record_sha256, std::int64_t consent_version) const;

  const tenants::Partitions& partitions_;
  keys::Sealer& sealer_;
  const Locator& locator_;
  const Clock& clock_;
  const ReceiptSource receipt_;
  const RulesOf rules_;
};

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_FHIR_DISCLOSURE_H_

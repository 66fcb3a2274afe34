// Whoever was shown a result is told when it is amended, withdrawn or unlinked (DESIGN, section 7): found from the DISCLOSURE entries of
// the source's log, whose sealed details name the reader's patient; told by a CORRECTION_ALERTED entry and a Communication in that
// patient's chart, in one Write; closed by CORRECTION_ACKNOWLEDGED. Each correction is told once for each patient and result, however often this runs.
// Thread-safe. Never tells what a correction says, only that there is one.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_CORRECTIONS_H_
#define CUSTODIAN_SERVICES_EXCHANGE_CORRECTIONS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/exchange/correction.h"
#include "services/exchange/locator.h"
#include "services/exchange/patient_records.h"
#include "services/keys/sealer.h"
#include "tenants/clock.h"
#include "tenants/partitions.h"

namespace custodian::exchange {

class Corrections {
 public:
  static constexpr int kOpenMax = 1'000;
  static constexpr std::size_t kNoteBytesMax = 1'000;

  // `public_url`: "https://host:port". Borrows the rest.
  Corrections(std::string public_url, const tenants::Partitions& partitions, keys::Sealer& sealer, const Locator& locator, const PatientRecords& records,
              const Clock& network_clock);

  // At the source: compares what was shown of this patient with what is stored and linked now, and tells those who are to know. For rows of the
  // outbox kind "correction", and after links changed. Idempotent.
  [[nodiscard]] absl::Status AlertReaders(const PatientLink& patient) const;

  // At the reader: alerts that wait for acknowledgement, oldest first, at most kOpenMax.
  [[nodiscard]] absl::StatusOr<std::vector<OpenedRecord>> Open(const tenants::Partition& reader) const;
  // The alert as it is then; acknowledged once, whoever does so again. `who` is the client's SPIFFE id. NotFound for what is no alert of
  // this tenant's.
  [[nodiscard]] absl::StatusOr<OpenedRecord> Acknowledge(const tenants::Partition& reader, std::string_view id, const std::string& who,
                                                         const std::string& note) const;

 private:
  struct Shown;
  struct Found;
  [[nodiscard]] absl::StatusOr<std::vector<Shown>> ShownOf(const tenants::Partition& source, const PatientId& patient) const;
  [[nodiscard]] absl::StatusOr<std::vector<Found>> FindCorrected(const tenants::Partition& source, const PatientId& patient,
                                                                 const std::vector<Shown>& shown) const;
  [[nodiscard]] absl::Status Alert(const tenants::Partition& source, const Found& found) const;

  const std::string public_url_;
  const tenants::Partitions& partitions_;
  keys::Sealer& sealer_;
  const Locator& locator_;
  const PatientRecords& records_;
  const Clock& clock_;
};

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_CORRECTIONS_H_

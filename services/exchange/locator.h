// The record locator (DESIGN, sections 5 and 7, "Matching"): which patients at which tenants are certainly one person, found by
// HMAC tokens of several fields combined (the key lies in the HSM). A rebuildable projection in the network database.
// Thread-safe.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_LOCATOR_H_
#define CUSTODIAN_SERVICES_EXCHANGE_LOCATOR_H_

#include <functional>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/exchange/matching.h"
#include "services/exchange/patient_records.h"
#include "services/keys/key_client.h"
#include "tenants/database.h"

namespace custodian::exchange {

// What is kept of a FHIR Patient (JSON text); it follows from that resource alone.
[[nodiscard]] absl::StatusOr<LocatedPatient> LocatePatient(keys::KeyClient& keys, const PatientLink& patient,
                                                           std::string_view patient_json);

class Locator {
 public:
  Locator(const tenants::Database& network_database, keys::KeyClient& keys);

  // Tokens of a FHIR Patient (LocatePatient), replacing those it had; links it to the persons it certainly is. Idempotent.
  [[nodiscard]] absl::Status Register(const PatientLink& patient, std::string_view patient_json);
  // Hands each patient whose person a registration of `cause` may have changed, the formerly linked ones included, to `follow`;
  // those it answered OK for are not handed out again.
  [[nodiscard]] absl::Status FollowChanges(const PatientLink& cause,
                                           const std::function<absl::Status(const PatientLink&)>& follow) const;
  // Every patient of the same person, itself included, ordered; just itself when nothing is certain.
  [[nodiscard]] absl::StatusOr<std::vector<PatientLink>> SamePerson(const PatientLink& patient) const;

 private:
  const tenants::Database& database_;
  keys::KeyClient& keys_;
};

// What the outbox kind "locator" asks for: registers the patient's newest Patient resource, then FollowChanges(). Idempotent.
[[nodiscard]] absl::Status RegisterPatient(Locator& locator, const PatientRecords& records, const PatientLink& patient,
                                           const std::function<absl::Status(const PatientLink&)>& follow);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_LOCATOR_H_

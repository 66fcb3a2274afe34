// Rows of the `locator` schema in the network database. SQL only; tokens come in and go out as opaque bytes. Thread-safe.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_LOCATOR_STORE_H_
#define CUSTODIAN_SERVICES_EXCHANGE_LOCATOR_STORE_H_

#include <map>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/exchange/matching.h"
#include "tenants/database.h"

namespace custodian::exchange {

class LocatorStore {
 public:
  explicit LocatorStore(const tenants::Database& network_database) : database_(network_database) {}

  // Puts the patient's rows in place of those it had and notes whom that may concern (Changed), in one transaction. Does nothing
  // when they are the same.
  [[nodiscard]] absl::Status Replace(const LocatedPatient& patient) const;
  // Everyone connected with the patient before or after its rows were replaced, itself included, until Forget().
  [[nodiscard]] absl::StatusOr<std::vector<PatientLink>> Changed(const PatientLink& cause) const;
  [[nodiscard]] absl::Status Forget(const PatientLink& cause, const PatientLink& changed) const;
  // Everyone whom shared tokens connect to the patient, itself included when it has tokens. ResourceExhausted past
  // kConnectedMax: no person is that many patients, so whoever shares those tokens is certain of nothing.
  [[nodiscard]] absl::StatusOr<std::vector<LocatedPatient>> Connected(const PatientLink& patient) const;

  // LocatorDigest of every patient with rows.
  [[nodiscard]] absl::StatusOr<std::map<PatientLink, ledger::Hash>> Digests() const;

  static constexpr int kConnectedMax = 64;

 private:
  const tenants::Database& database_;
};

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_LOCATOR_STORE_H_

// Compares the record locator with the logs it follows from: what it keeps of a patient is what the newest Patient entry says.
// Needs no key. Pure, but for reading the locator.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_LOCATOR_AUDIT_H_
#define CUSTODIAN_SERVICES_EXCHANGE_LOCATOR_AUDIT_H_

#include <map>

#include "absl/status/statusor.h"
#include "ledger/audit.h"
#include "services/exchange/patient_records.h"
#include "services/log/partition_audit.h"
#include "tenants/database.h"

namespace custodian::exchange {

using LocatorDigests = std::map<PatientLink, ledger::Hash>;

[[nodiscard]] absl::StatusOr<LocatorDigests> ReadLocator(const tenants::Database& network_database);

// `before` and `after` were read before and after the partition was audited: a patient who changed meanwhile fits one of them.
// Patients that the locator is yet to be told of are left out.
void AuditLocator(const TenantId& tenant, const log::AuditedPartition& partition, const LocatorDigests& before,
                  const LocatorDigests& after, ledger::Findings& findings);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_LOCATOR_AUDIT_H_

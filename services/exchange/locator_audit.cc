#include "services/exchange/locator_audit.h"

#include <string>

#include "services/exchange/locator_store.h"

namespace custodian::exchange {
namespace {

// Nothing kept of a patient without tokens looks as if there were no such patient.
ledger::Hash DigestIn(const LocatorDigests& digests, const PatientLink& link) {
  const auto found = digests.find(link);
  if (found != digests.end()) return found->second;
  LocatedPatient nobody;
  nobody.link = link;
  return LocatorDigest(nobody);
}

}  // namespace

absl::StatusOr<LocatorDigests> ReadLocator(const tenants::Database& network_database) {
  return LocatorStore(network_database).Digests();
}

void AuditLocator(const TenantId& tenant, const log::AuditedPartition& partition, const LocatorDigests& before,
                  const LocatorDigests& after, ledger::Findings& findings) {
  for (const auto& [subject, located] : partition.located) {
    const auto patient = PatientId::FromBytes(subject);
    if (!patient.ok() || partition.to_locate.contains(subject)) continue;
    const PatientLink link{tenant, *patient};
    if (ledger::AsBytes(DigestIn(before, link)) != located.sha256 && ledger::AsBytes(DigestIn(after, link)) != located.sha256)
      findings.Add("locator of patient " + HexEncode(subject),
                   "its rows are not those that leaf " + std::to_string(located.index) + " names");
  }
  for (const auto& [link, digest] : before)
    if (link.tenant == tenant && !partition.located.contains(link.patient.bytes()))
      findings.Add("locator of patient " + HexEncode(link.patient.bytes()), "no entry names such a patient");
}

}  // namespace custodian::exchange

// A stored version of a resource, opened once for the FHIR endpoint: parsed, with the meta that the server gives. Thread-safe functions.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_FHIR_RECORD_H_
#define CUSTODIAN_SERVICES_EXCHANGE_FHIR_RECORD_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/exchange/fhir_json.h"
#include "services/exchange/record_store.h"
#include "services/keys/sealer.h"
#include "tenants/registry.h"

namespace custodian::exchange {

struct FhirRecord {
  // With meta.versionId and meta.lastUpdated.
  Json resource;
  RecordId record;
  PatientId patient;
  std::uint64_t version = 1;
  absl::Time arrived;
  bool deleted = false;

  [[nodiscard]] const std::string& type() const { return resource.TextOf("resourceType"); }
  [[nodiscard]] const std::string& id() const { return resource.TextOf("id"); }
};

// The JSON text of a stored version. DataLoss, naming record and version, when the row was altered.
[[nodiscard]] absl::StatusOr<std::string> OpenText(const tenants::Tenant& tenant, const SealedRecord& row, keys::Sealer& sealer,
                                                   std::string_view purpose);
// Of text that was opened; DataLoss when it is no JSON.
[[nodiscard]] absl::StatusOr<FhirRecord> ReadRecord(const SealedRecord& row, std::string_view text);
// Both.
[[nodiscard]] absl::StatusOr<FhirRecord> OpenFhirRecord(const tenants::Tenant& tenant, const SealedRecord& row, keys::Sealer& sealer,
                                                        std::string_view purpose);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_FHIR_RECORD_H_

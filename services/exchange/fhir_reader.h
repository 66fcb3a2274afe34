// Reads of a tenant's own resources: read, vread and history of one resource, with conditions (If-None-Match, If-Modified-Since) and
// views (_summary, _elements). Thread-safe.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_FHIR_READER_H_
#define CUSTODIAN_SERVICES_EXCHANGE_FHIR_READER_H_

#include "services/exchange/fhir_call.h"
#include "services/exchange/fhir_record.h"
#include "services/keys/sealer.h"

namespace custodian::exchange {

class FhirReader {
 public:
  explicit FhirReader(keys::Sealer& sealer) : sealer_(sealer) {}

  // [type]/[id] and [type]/[id]/_history/[version]; 410 for a deleted one.
  [[nodiscard]] rpc::HttpResponse Read(const FhirCall& call) const;
  // [type]/[id]/_history: every version, deletions too, newest first.
  [[nodiscard]] rpc::HttpResponse History(const FhirCall& call) const;

 private:
  keys::Sealer& sealer_;
};

// ETag and Last-Modified.
void AddVersionHeaders(rpc::HttpResponse& response, std::uint64_t version, absl::Time time);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_FHIR_READER_H_

// The CapabilityStatement of a tenant's FHIR endpoint: what it does, no more. Pure.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_FHIR_CAPABILITY_H_
#define CUSTODIAN_SERVICES_EXCHANGE_FHIR_CAPABILITY_H_

#include <string>
#include <string_view>

namespace custodian::exchange {

// `base_url` without a slash at the end.
[[nodiscard]] std::string CapabilityStatement(std::string_view base_url);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_FHIR_CAPABILITY_H_

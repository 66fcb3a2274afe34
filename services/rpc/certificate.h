// The SPIFFE id in an X.509 certificate. Pure; the caller has verified the certificate.
#ifndef CUSTODIAN_SERVICES_RPC_CERTIFICATE_H_
#define CUSTODIAN_SERVICES_RPC_CERTIFICATE_H_

#include <openssl/types.h>

#include <string>

#include "absl/status/statusor.h"

namespace custodian::rpc {

// The URI SAN; empty unless there is exactly one (X509-SVID, section 2) and it is a spiffe URI.
[[nodiscard]] std::string SpiffeIdOf(const X509* certificate);
// The same of the first certificate in a PEM file: how main learns the ids of operators that the configuration names, who may
// act before anybody is registered. NotFound, or InvalidArgument when it names none.
[[nodiscard]] absl::StatusOr<std::string> SpiffeIdOfFile(const std::string& pem_file);

}  // namespace custodian::rpc

#endif  // CUSTODIAN_SERVICES_RPC_CERTIFICATE_H_

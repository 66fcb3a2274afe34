// A tenant as a quickstart's summary.json tells of it, for commands that act as one of its clients.
#ifndef CUSTODIAN_SERVICES_MAIN_HOME_TENANT_H_
#define CUSTODIAN_SERVICES_MAIN_HOME_TENANT_H_

#include <string>

#include "services/exchange/fhir_json.h"
#include "services/rpc/https_client.h"

namespace custodian::main {

struct HomeTenant {
  // The whole of summary.json, and the tenant's part of it.
  exchange::Json summary;
  exchange::Json tenant;
  // A client with the certificate of `certificate_prefix` ("client", "feed").
  rpc::HttpsClient::Options client;
};

// Fails the command when the home does not run or has no such tenant.
[[nodiscard]] HomeTenant FindInHome(const std::string& home, const std::string& tenant, const std::string& certificate_prefix);

}  // namespace custodian::main

#endif  // CUSTODIAN_SERVICES_MAIN_HOME_TENANT_H_

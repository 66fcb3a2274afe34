// One of a tenant's interfaces, and as which of the tenant's clients a command asks there: by a quickstart's home and the tenant's name, or by URL and files.
#ifndef CUSTODIAN_SERVICES_MAIN_HOME_TENANT_H_
#define CUSTODIAN_SERVICES_MAIN_HOME_TENANT_H_

#include <string>

#include "CLI/CLI.hpp"
#include "services/exchange/fhir_json.h"
#include "services/rpc/https_client.h"

namespace custodian::main {

struct TenantInterface {
  // Role of the client certificate, and how a quickstart's summary.json names it ("client" for "client_cert").
  const char* role;
  const char* certificate;
  // What a URL of it looks like.
  const char* url_form;
  // Its URL, by summary.json and the tenant's part of it.
  std::string (*url)(const exchange::Json& summary, const exchange::Json& tenant);
};
extern const TenantInterface kFhirInterface, kFeedInterface, kOrdersInterface;

struct TenantEndpoint {
  // Without a slash at its end.
  std::string url;
  rpc::HttpsClient::Options client;
};

class TenantEndpointOption {
 public:
  explicit TenantEndpointOption(const TenantInterface& of) : of_(of) {}
  // --home and --tenant; --url, --cert, --key and --ca.
  void AddTo(CLI::App& command);
  // Fails the command when neither is whole or both are given, when the home does not run, or has no such tenant.
  [[nodiscard]] TenantEndpoint Find() const;

 private:
  const TenantInterface& of_;
  std::string home_;
  std::string tenant_;
  std::string url_;
  std::string certificate_;
  std::string key_;
  std::string ca_;
};

}  // namespace custodian::main

#endif  // CUSTODIAN_SERVICES_MAIN_HOME_TENANT_H_

// What the measures of FHIR do before they measure: an access token, and resources of their own.
#ifndef CUSTODIAN_TESTS_BENCHMARK_FHIR_CLIENT_H_
#define CUSTODIAN_TESTS_BENCHMARK_FHIR_CLIENT_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/exchange/fhir_json.h"
#include "services/exchange/jwt_sign.h"
#include "services/rpc/https_client.h"

namespace custodian::benchmark {

// Of the SMART client `client_id` at a FHIR base.
[[nodiscard]] absl::StatusOr<std::string> AccessToken(const rpc::HttpsClient& client, const std::string& base_url, const exchange::ClientKey& key,
                                                      const std::string& client_id);

// One transaction of PUTs, by the ids that the resources have.
[[nodiscard]] absl::Status StoreResources(const rpc::HttpsClient& client, const std::string& base_url, std::vector<exchange::Json> resources);

}  // namespace custodian::benchmark

#endif  // CUSTODIAN_TESTS_BENCHMARK_FHIR_CLIENT_H_

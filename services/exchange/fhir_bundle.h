// Bundles as the FHIR endpoint answers them (http://hl7.org/fhir/R4/bundle.html). Pure.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_FHIR_BUNDLE_H_
#define CUSTODIAN_SERVICES_EXCHANGE_FHIR_BUNDLE_H_

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "services/exchange/fhir_json.h"

namespace custodian::exchange {

[[nodiscard]] Json Link(const char* relation, const std::string& url);
// `mode`: match, include, outcome.
[[nodiscard]] Json SearchEntry(const std::string& full_url, Json resource, const char* mode);
// "searchset" or "history"; no total when there is none to tell.
[[nodiscard]] Json BundleOf(const char* type, std::optional<std::size_t> total, std::vector<Json> links, std::vector<Json> entries);
// "transaction-response" or "batch-response".
[[nodiscard]] Json ResponseBundle(const char* type, std::vector<Json> entries);
// "201 Created".
[[nodiscard]] std::string StatusLine(int status);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_FHIR_BUNDLE_H_

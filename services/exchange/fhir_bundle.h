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
// One entry of a searchset, its resource as JSON text.
struct BundleEntry {
  std::string full_url;
  std::string resource;
  const char* mode = "match";
};
// A searchset as JSON text; no total when there is none to tell.
[[nodiscard]] std::string SearchsetText(std::optional<std::size_t> total, const std::vector<Json>& links, const std::vector<BundleEntry>& entries);
// "searchset" or "history"; no total when there is none to tell.
[[nodiscard]] Json BundleOf(const char* type, std::optional<std::size_t> total, std::vector<Json> links, std::vector<Json> entries);
// "transaction-response" or "batch-response".
[[nodiscard]] Json ResponseBundle(const char* type, std::vector<Json> entries);
// "201 Created".
[[nodiscard]] std::string StatusLine(int status);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_FHIR_BUNDLE_H_

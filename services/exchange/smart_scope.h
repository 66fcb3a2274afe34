// SMART v2 system scopes ("system/Patient.rs", "system/*.cruds"; SMART App Launch 2, "Scopes for requesting FHIR Resources") and what each
// FHIR interaction needs of them. Pure.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_SMART_SCOPE_H_
#define CUSTODIAN_SERVICES_EXCHANGE_SMART_SCOPE_H_

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "services/rpc/http.h"
#include "tenants/registry.h"

namespace custodian::exchange {

class SmartScopes {
 public:
  SmartScopes() = default;

  // For registration: every scope must be understood and granted as it stands. InvalidArgument names the one that is not. v1's .read,
  // .write and .* are taken as v2's rs, cud and cruds.
  [[nodiscard]] static absl::StatusOr<SmartScopes> Parse(std::string_view text);
  // For a request: what is not understood here (other contexts, launch scopes, scopes with search parameters) is not granted.
  [[nodiscard]] static SmartScopes ParseRequested(std::string_view text);

  // What both allow.
  [[nodiscard]] SmartScopes Intersect(const SmartScopes& other) const;
  // `type` is a resource type or "*"; each of `letters` (of "cruds") is needed.
  [[nodiscard]] bool Allow(std::string_view type, std::string_view letters) const;
  [[nodiscard]] bool empty() const { return letters_.empty(); }
  // "system/*.rs system/Patient.cruds", sorted by type.
  [[nodiscard]] std::string Text() const;

 private:
  [[nodiscard]] unsigned LettersOf(const std::string& type) const;
  void Add(const std::string& type, unsigned letters);
  // Bits of "cruds", by type.
  std::map<std::string, unsigned, std::less<>> letters_;
};

// Who calls the FHIR interface, and how far the token lets him go; a client certificate has no scopes and may do what its role may.
struct FhirCaller {
  tenants::Client client;
  std::optional<SmartScopes> scopes;
};

// The first scope that a request needs and `scopes` lacks, for the answer ("system/Observation.s"); nothing when it may go on.
// `segments` are the path's behind the tenant id. A body that is no JSON needs nothing: it is refused for that.
[[nodiscard]] std::optional<std::string> MissingScope(const SmartScopes& scopes, const rpc::HttpRequest& request,
                                                      const std::vector<std::string>& segments);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_SMART_SCOPE_H_

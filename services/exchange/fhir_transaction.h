// What a client asks to be written, read from the request and made storable: ids given, references mapped, everything checked
// against R4. Pure but for Lookup, by which it asks what is stored. One use, one thread.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_FHIR_TRANSACTION_H_
#define CUSTODIAN_SERVICES_EXCHANGE_FHIR_TRANSACTION_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "services/exchange/fhir_answer.h"
#include "services/exchange/fhir_condition.h"
#include "services/exchange/fhir_json.h"
#include "services/exchange/fhir_match.h"

namespace custodian::exchange {

// One resource to write, or of a transaction to read.
struct TransactionEntry {
  // The server gives the id, the client did; a tombstone; nothing is written.
  enum class Method { kCreate, kUpdate, kDelete, kRead };

  // FHIRPath of the entry ("Bundle.entry[3]") and of its resource ("Bundle.entry[3].resource", or "Observation" alone).
  std::string path;
  std::string resource_path;
  Json resource;
  Method method = Method::kCreate;
  std::string type;
  std::string id;
  // The id that the client's copy had before it was posted; references by it are mapped.
  std::string former_id;
  std::string full_url;
  // Query of a conditional create; empty without.
  std::string if_none_exist;
  // Query by which an update or a deletion finds its resource; empty when it names the id.
  std::string target_query;
  std::optional<VersionCondition> if_match;
  std::optional<VersionCondition> if_none_match;
  // As sent; of a read.
  std::string url;
  // Set when there is nothing to write: a conditional create found its resource, a deletion found none.
  bool exists = false;

  // What finds the resource by identifier; empty without.
  [[nodiscard]] const std::string& query() const { return if_none_exist.empty() ? target_query : if_none_exist; }
};

// "Type/id" and nothing else.
[[nodiscard]] std::optional<std::pair<std::string, std::string>> ParseTypeAndId(std::string_view url);

// Entries of a transaction Bundle. A refusal names entry and path.
[[nodiscard]] Answer<std::vector<TransactionEntry>> ReadTransaction(Json bundle, std::size_t entries_max);
// A resource as it is stored now.
struct FoundResource {
  std::string id;
  Json resource;
};
// What carries each identifier.
using Lookup =
    std::function<absl::StatusOr<std::map<IdentifierQuery, std::vector<FoundResource>>>(const std::vector<IdentifierQuery>&)>;

// Gives ids to created resources, settles what is conditional, maps references (urn:uuid:..., full URLs, former ids, conditional
// references, the base's /Type/id) and links (fhir_links.h) to Type/id, and checks each resource; `new_id` makes a server's id from the entry.
// A refusal lists every fault found.
[[nodiscard]] std::optional<Refusal> PrepareEntries(std::vector<TransactionEntry>& entries, const MatchSettings& settings, const Lookup& lookup,
                                                    const std::function<std::string(const TransactionEntry&)>& new_id);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_FHIR_TRANSACTION_H_

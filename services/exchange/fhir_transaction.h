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
#include "services/exchange/fhir_json.h"

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
  std::optional<std::uint64_t> if_match;
  // As sent; of a read.
  std::string url;
  // Set when there is nothing to write: a conditional create found its resource, a deletion found none.
  bool exists = false;

  // What finds the resource by identifier; empty without.
  [[nodiscard]] const std::string& query() const { return if_none_exist.empty() ? target_query : if_none_exist; }
};

// Business identifier of a resource of `type`.
struct IdentifierQuery {
  std::string type;
  std::string system;
  std::string value;
  auto operator<=>(const IdentifierQuery&) const = default;
};
// "identifier=<system>|<value>" and nothing else.
[[nodiscard]] std::optional<IdentifierQuery> ParseIdentifierQuery(std::string_view type, std::string_view query);
// Identifiers of a resource that have a value.
[[nodiscard]] std::vector<IdentifierQuery> IdentifiersOf(const Json& resource);

// "Type/id" and nothing else.
[[nodiscard]] std::optional<std::pair<std::string, std::string>> ParseTypeAndId(std::string_view url);

// Entries of a transaction Bundle. A refusal names entry and path.
[[nodiscard]] Answer<std::vector<TransactionEntry>> ReadTransaction(Json bundle, std::size_t entries_max);
// "W/\"3\"" or "\"3\""; nothing for anything else.
[[nodiscard]] std::optional<std::uint64_t> ParseEntityTag(std::string_view text);

// Ids of resources stored now that carry each identifier.
using Lookup =
    std::function<absl::StatusOr<std::map<IdentifierQuery, std::vector<std::string>>>(const std::vector<IdentifierQuery>&)>;

// Gives ids to created resources, settles what is conditional, maps references (urn:uuid:..., full URLs, former ids, conditional
// references, `base_url`/Type/id) to Type/id, and checks each resource; `new_id` makes a server's id from the entry. A refusal
// lists every fault found.
[[nodiscard]] std::optional<Refusal> PrepareEntries(std::vector<TransactionEntry>& entries, std::string_view base_url, const Lookup& lookup,
                                                    const std::function<std::string(const TransactionEntry&)>& new_id);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_FHIR_TRANSACTION_H_

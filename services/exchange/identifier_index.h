// Finds stored resources by business identifier, through keyed hashes (exchange.identifier). What a hash finds is opened and
// checked, so that an identifier taken away is not found any more. Thread-safe.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_IDENTIFIER_INDEX_H_
#define CUSTODIAN_SERVICES_EXCHANGE_IDENTIFIER_INDEX_H_

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "services/exchange/fhir_transaction.h"
#include "services/keys/sealer.h"
#include "tenants/partitions.h"

namespace custodian::exchange {

// 32 bytes.
[[nodiscard]] absl::StatusOr<std::string> IdentifierToken(const TenantId& tenant, keys::Sealer& sealer, const IdentifierQuery& identifier);

// The resources whose newest version carries each identifier, as they are; an identifier nothing carries is left out.
[[nodiscard]] absl::StatusOr<std::map<IdentifierQuery, std::vector<FoundResource>>> OpenByIdentifiers(
    const tenants::Partition& partition, keys::Sealer& sealer, const std::vector<IdentifierQuery>& queries, std::string_view purpose);
// Their ids.
[[nodiscard]] absl::StatusOr<std::map<IdentifierQuery, std::vector<std::string>>> FindByIdentifiers(
    const tenants::Partition& partition, keys::Sealer& sealer, const std::vector<IdentifierQuery>& queries, std::string_view purpose);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_IDENTIFIER_INDEX_H_

// Admits to the ledger what was planned in `savings.posting`, under keys made from the plan, and marks it with the index it got.
// May be repeated at any point: what was admitted before is answered with its first index. Thread-safe.
#ifndef CUSTODIAN_SERVICES_SAVINGS_POSTER_H_
#define CUSTODIAN_SERVICES_SAVINGS_POSTER_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "services/keys/sealer.h"
#include "tenants/database.h"
#include "tenants/partitions.h"

namespace custodian::savings {

class Poster {
 public:
  // Borrows all three.
  Poster(const tenants::Partitions& partitions, const tenants::Database& network_database, keys::Sealer& sealer)
      : partitions_(partitions), network_database_(network_database), sealer_(sealer) {}

  // Entries of their own, of those avoidances; everything that waits when `avoidance_ids` is null.
  [[nodiscard]] absl::Status Post(const std::vector<std::string>* avoidance_ids);
  // Monthly aggregates.
  [[nodiscard]] absl::Status PostAggregates();

 private:
  const tenants::Partitions& partitions_;
  const tenants::Database& network_database_;
  keys::Sealer& sealer_;
};

}  // namespace custodian::savings

#endif  // CUSTODIAN_SERVICES_SAVINGS_POSTER_H_

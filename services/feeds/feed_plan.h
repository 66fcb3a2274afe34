// What a message changes of what is stored: finds the resources it tells of, lays the message over them, links patients. Reads only;
// the entries it makes are written by exchange::FhirWriter, each under the version it was made from. Thread-safe.
#ifndef CUSTODIAN_SERVICES_FEEDS_FEED_PLAN_H_
#define CUSTODIAN_SERVICES_FEEDS_FEED_PLAN_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/exchange/fhir_transaction.h"
#include "services/feeds/hl7_to_fhir.h"
#include "services/keys/sealer.h"
#include "tenants/partitions.h"

namespace custodian::feeds {

struct FeedPlan {
  // PUTs; empty when nothing changes.
  std::vector<exchange::TransactionEntry> entries;
  // The segment each comes from.
  std::vector<Location> places;
};

class FeedPlanner {
 public:
  FeedPlanner(const tenants::Partition& partition, keys::Sealer& sealer) : partition_(partition), sealer_(sealer) {}

  // A fault when the message contradicts what is stored.
  [[nodiscard]] absl::StatusOr<OrFault<FeedPlan>> Plan(const MappedMessage& message) const;
  // FHIR id of the one Patient that the identifiers of `message`'s first patient find; nothing when there is none or several.
  [[nodiscard]] absl::StatusOr<std::optional<std::string>> FindPatient(const std::vector<exchange::IdentifierQuery>& identifiers) const;

 private:
  class Work;
  const tenants::Partition& partition_;
  keys::Sealer& sealer_;
};

// A random-looking UUID (RFC 9562, version 8) that follows from a keyed hash.
[[nodiscard]] std::string UuidOfToken(std::string_view token);

}  // namespace custodian::feeds

#endif  // CUSTODIAN_SERVICES_FEEDS_FEED_PLAN_H_
